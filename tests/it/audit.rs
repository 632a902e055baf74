//! Audit bundles: decisions made again without the warehouse, and every forgery found.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::program::Project;
use crate::store::Store;
use crate::warehouse::Warehouse;

fn unpacked(file: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut zip = zip::ZipArchive::new(File::open(file).unwrap()).unwrap();
    let mut members = BTreeMap::new();
    for index in 0..zip.len() {
        let mut member = zip.by_index(index).unwrap();
        let mut content = Vec::new();
        member.read_to_end(&mut content).unwrap();
        members.insert(member.name().unwrap().into_owned(), content);
    }
    members
}

/// Packs members again, with hashes as a forger would write them.
fn packed(mut members: BTreeMap<String, Vec<u8>>, file: &Path) {
    let mut cover: Value = serde_json::from_slice(&members["bundle.json"]).unwrap();
    for (name, hash) in cover["members"].as_object_mut().unwrap() {
        *hash = blake3::hash(&members[name]).to_hex().to_string().into();
    }
    members.insert("bundle.json".to_owned(), serde_json::to_vec(&cover).unwrap());
    let mut zip = zip::ZipWriter::new(File::create(file).unwrap());
    for (name, content) in members {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&content).unwrap();
    }
    zip.finish().unwrap();
}

/// One column of a table in Parquet, changed.
fn with(content: &[u8], column: &str, change: fn(&ArrayRef) -> ArrayRef) -> Vec<u8> {
    let content = bytes::Bytes::copy_from_slice(content);
    let reader = ParquetRecordBatchReaderBuilder::try_new(content).unwrap().build().unwrap();
    let batch: RecordBatch = reader.map(Result::unwrap).next().unwrap();
    let at = batch.schema().index_of(column).unwrap();
    let mut columns = batch.columns().to_vec();
    columns[at] = change(&columns[at]);
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn heavier(weights: &ArrayRef) -> ArrayRef {
    let weights = weights.as_primitive::<Float64Type>();
    Arc::new(Float64Array::from_iter_values(weights.values().iter().map(|weight| weight + 1.0)))
}

fn other(texts: &ArrayRef) -> ArrayRef {
    let texts = texts.as_string::<i32>();
    let changed = texts.iter().map(|text| text.map(|text| format!("{text}x")));
    Arc::new(changed.collect::<StringArray>())
}

fn reversed(decisions: &ArrayRef) -> ArrayRef {
    let changed = decisions.as_string::<i32>().iter().flatten();
    let changed = changed.map(|text| if text == "merge" { "separate" } else { "merge" });
    Arc::new(StringArray::from_iter_values(changed))
}

#[test]
fn decisions_are_made_again_without_the_warehouse_and_forgeries_are_found() {
    let store = Store::disk();
    let project = Project::tiny();
    let place = store.place();
    for date in project.dates() {
        project.run(&place, &date, &[]).expect(0, "published");
    }
    let warehouse = Warehouse::at(&place);
    let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
    for member in warehouse.rows("entity_members") {
        *sizes.entry(member["golden_id"].clone()).or_default() += 1;
    }
    let largest = sizes.iter().max_by_key(|(_, records)| **records).unwrap();
    assert!(*largest.1 > 1, "a customer of several records");
    let run = warehouse.current()["run_id"].as_str().unwrap().to_owned();
    let pipeline = ["--pipeline", "pipelines/tiny.yaml"];
    let empty = store.place();
    for (what, pairs) in [(largest.0.as_str(), 1), (run.as_str(), 2)] {
        let file = project.folder().join("bundle.zip");
        let name = file.display().to_string();
        let arguments = [&["audit", "export", what, "--out", &name][..], &pipeline].concat();
        let (output, answer) = project.ask(&place, &arguments);
        assert_eq!(output.status.code(), Some(0), "{answer}");
        // The check is given another warehouse, where nothing is.
        let (output, answer) = project.ask(&empty, &["audit", "check", &name]);
        assert_eq!(output.status.code(), Some(0), "{answer:#}");
        assert_eq!(answer["outcome"], "recomputed");
        assert!(answer["pairs"].as_u64() >= Some(pairs), "{answer}");
        assert!(answer["values"].as_u64() > Some(3), "{answer}");

        let whole = unpacked(&file);
        type Forgery = (&'static str, &'static str, fn(&ArrayRef) -> ArrayRef, &'static str);
        let forgeries: &[Forgery] = &[
            ("scored_pairs", "match_weight", heavier, "the match weight is another"),
            ("scored_pairs", "decision", reversed, "the decision is another"),
            ("records", "family_name", other, "`family_name` is not what survives"),
            ("customers", "full_name", other, "`full_name` is not what survives"),
            ("customer_lineage", "reason", other, "`reason` is not what survives"),
        ];
        for (table, column, change, expected) in forgeries {
            let member = format!("{table}.parquet");
            let mut members = whole.clone();
            members.insert(member.clone(), with(&whole[&member], column, *change));
            packed(members, &file);
            let (output, answer) = project.ask(&empty, &["audit", "check", &name]);
            assert_eq!(output.status.code(), Some(1), "{table}.{column}: {answer}");
            let findings = answer["findings"].to_string();
            assert!(findings.contains(expected), "{table}.{column}: {findings}");
        }
        // A forger who leaves the hashes as they were is found by them.
        let mut members = whole.clone();
        members.insert("customers.parquet".to_owned(), vec![0]);
        let mut zip = zip::ZipWriter::new(File::create(&file).unwrap());
        for (name, content) in members {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(&content).unwrap();
        }
        zip.finish().unwrap();
        let (output, answer) = project.ask(&empty, &["audit", "check", &name]);
        assert_eq!(output.status.code(), Some(1), "{answer}");
    }
    fs::write(project.folder().join("no.zip"), "no bundle").unwrap();
    let no = project.folder().join("no.zip").display().to_string();
    let (output, answer) = project.ask(&empty, &["audit", "check", &no]);
    assert_eq!((output.status.code(), answer["outcome"].as_str()), (Some(1), Some("stopped")));
    let nobody = [&["audit", "export", "crm_contacts:nobody"][..], &pipeline].concat();
    assert_eq!(project.ask(&place, &nobody).0.status.code(), Some(2));
}
