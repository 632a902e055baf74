//! The files that a dedupe leaves: clusters, pairs, golden records, the model, the pipeline.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use parquet::arrow::ArrowWriter;

use super::{Inferred, Work};
use crate::error::{Error, Result};
use crate::golden::{self, Golden};
use crate::resolve::{Input, Resolved};
use crate::tables;

/// The id of each row as it is written: the record's own, with its source before it where two
/// sources share one.
pub(super) fn ids(source: &StringArray, record_id: &StringArray) -> Vec<String> {
    let mut seen: std::collections::BTreeSet<&str> = std::collections::BTreeSet::new();
    let shared = record_id.iter().flatten().any(|id| !seen.insert(id));
    let rows = source.iter().flatten().zip(record_id.iter().flatten());
    rows.map(|(source, id)| if shared { format!("{source}:{id}") } else { id.to_owned() }).collect()
}

/// Writes everything to the folder.
pub(super) async fn write(
    work: &Work<'_>,
    input: &Input<'_>,
    resolved: &Resolved,
    ids: &[String],
    text: Option<&str>,
    inferred: Option<&Inferred>,
    settings: &Golden,
) -> Result<()> {
    let out = work.request.out;
    std::fs::create_dir_all(out).map_err(|error| unwritable(out, error))?;
    let text_of = |name: &str, values: Vec<&str>| {
        (name.to_owned(), Arc::new(StringArray::from(values)) as ArrayRef)
    };
    let golden_ids: Vec<&str> =
        resolved.clusters.iter().map(|cluster| ids[*cluster as usize].as_str()).collect();
    let own: Vec<&str> = ids.iter().map(String::as_str).collect();
    parquet(
        out,
        "clusters.parquet",
        batch(vec![text_of("id", own), text_of("golden_id", golden_ids.clone())])?,
    )?;
    parquet(out, "pairs.parquet", pairs(input, resolved, ids)?)?;
    put(out, "model.json", &resolved.model.to_json()?)?;
    if let (Some(text), Some(inferred)) = (text, inferred) {
        put(out, "pipeline.yaml", text)?;
        for (name, text) in work.contracts(&inferred.understood)? {
            put(out, &name, &text)?;
        }
    }
    let members = members(input, &golden_ids)?;
    let frame = work.engine.sql("SELECT * FROM records", tables::RECORDS).await?;
    let records = work.engine.collect(frame, tables::RECORDS).await?;
    let golden = golden::survive(&golden::Material {
        records: &records,
        members: &[members],
        settings,
        logical_date: 0,
        overrides: &[],
        consents: &crate::consent::Consents::default(),
    })?;
    parquet(out, "golden.parquet", customers(&golden.customers, inferred)?)
}

/// `entity_members` of this run.
fn members(input: &Input<'_>, golden_ids: &[&str]) -> Result<RecordBatch> {
    let since: ArrayRef = Arc::new(StringArray::from(vec![""; golden_ids.len()]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(golden_ids.to_vec())),
        Arc::new(input.source.clone()),
        Arc::new(input.record_id.clone()),
        since,
    ];
    RecordBatch::try_new(tables::entity_members(), columns)
        .map_err(|_| Error::bug("members do not fit their table"))
}

fn pairs(input: &Input<'_>, resolved: &Resolved, ids: &[String]) -> Result<RecordBatch> {
    let place: rustc_hash::FxHashMap<(&str, &str), usize> = (0..ids.len())
        .map(|row| ((input.source.value(row), input.record_id.value(row)), row))
        .collect();
    let column = |name: &str| {
        let column = resolved.pairs.column_by_name(name).cloned();
        column.ok_or_else(|| Error::bug(format!("scored_pairs lacks `{name}`")))
    };
    let text = |name: &str| -> Result<StringArray> {
        column(name)?
            .as_any()
            .downcast_ref::<StringArray>()
            .cloned()
            .ok_or_else(|| Error::bug(format!("`{name}` is no text")))
    };
    let side = |source: &str, id: &str| -> Result<ArrayRef> {
        let (source, id) = (text(source)?, text(id)?);
        let of = |row| {
            let row = place.get(&(source.value(row), id.value(row))).copied();
            row.map(|row| ids[row].as_str()).ok_or_else(|| Error::bug("a pair of no record"))
        };
        let own: Vec<&str> = (0..resolved.pairs.num_rows()).map(of).collect::<Result<_>>()?;
        Ok(Arc::new(StringArray::from(own)))
    };
    batch(vec![
        ("id_l".to_owned(), side("source_l", "record_id_l")?),
        ("id_r".to_owned(), side("source_r", "record_id_r")?),
        ("match_weight".to_owned(), column("match_weight")?),
        ("match_probability".to_owned(), column("match_probability")?),
    ])
}

/// Golden records: the id and a value for each column of the files, by its name there.
fn customers(batches: &[RecordBatch], inferred: Option<&Inferred>) -> Result<RecordBatch> {
    let schema =
        batches.first().map(RecordBatch::schema).ok_or_else(|| Error::bug("no golden batch"))?;
    let whole =
        concat_batches(&schema, batches).map_err(|_| Error::bug("golden batches differ"))?;
    let not = ["kind", "member_count", "source_count", "first_seen", "last_updated"];
    let columns = schema
        .fields()
        .iter()
        .zip(whole.columns())
        .filter(|(field, _)| !not.contains(&field.name().as_str()));
    let named = columns.map(|(field, array)| {
        let export = inferred.and_then(|inferred| {
            inferred.proposal.attributes.iter().find(|own| own.name == *field.name())
        });
        let name = export.map_or(field.name().as_str(), |own| own.export.as_str());
        // A column of the file may have the id's own name.
        let clash = name == "golden_id" && field.name() != "golden_id";
        (if clash { field.name().clone() } else { name.to_owned() }, Arc::clone(array))
    });
    batch(named.collect())
}

fn batch(columns: Vec<(String, ArrayRef)>) -> Result<RecordBatch> {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .map_err(|_| Error::bug("a result could not be put together"))
}

fn parquet(out: &Path, name: &str, batch: RecordBatch) -> Result<()> {
    let path = out.join(name);
    let bug = || Error::bug(format!("{name} could not be put together"));
    let file = File::create(&path).map_err(|error| unwritable(&path, error))?;
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).map_err(|_| bug())?;
    writer.write(&batch).map_err(|_| bug())?;
    writer.close().map_err(|_| bug())?;
    Ok(())
}

pub(super) fn put(out: &Path, name: &str, text: &str) -> Result<()> {
    let path = out.join(name);
    std::fs::write(&path, text).map_err(|error| unwritable(&path, error))
}

fn unwritable(path: &Path, error: std::io::Error) -> Error {
    Error::usage(format!("{}: cannot be written", path.display()))
        .help("choose another --out")
        .because(error)
}
