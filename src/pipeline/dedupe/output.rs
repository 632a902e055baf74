//! The files that a dedupe leaves: clusters, pairs, golden records, the model, the pipeline.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{concat_batches, take};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::compute_leaves;
use rustc_hash::FxHashSet;

use super::{Inferred, Work};
use crate::consent::Consents;
use crate::error::{Error, Result};
use crate::golden::{self, Golden};
use crate::resolve::{Input, ResolvedRows, RowPair};
use crate::tables;
use crate::threads::{self, both, parallel, ranges};

/// The id of each row as it is written: the record's own, with its source before it where two
/// sources share one.
fn ids(source: &StringArray, record_id: &StringArray) -> StringArray {
    // Rows are sorted by source, and within one no id is there twice.
    let rows = source.len();
    let one_source = rows < 2 || source.value(0) == source.value(rows - 1);
    let mut seen: FxHashSet<&str> = FxHashSet::default();
    if one_source || record_id.iter().flatten().all(|id| seen.insert(id)) {
        return record_id.clone();
    }
    let whole = source.iter().flatten().zip(record_id.iter().flatten());
    StringArray::from_iter_values(whole.map(|(source, id)| format!("{source}:{id}")))
}

/// Writes everything to the folder.
pub(super) fn write(
    work: &Work<'_>,
    records: &RecordBatch,
    input: &Input<'_>,
    resolved: &ResolvedRows,
    text: Option<&str>,
    inferred: Option<&Inferred>,
    settings: &Golden,
) -> Result<()> {
    let out = work.request.out;
    std::fs::create_dir_all(out).map_err(|error| unwritable(out, error))?;
    put(out, "model.json", &resolved.model.to_json()?)?;
    if let (Some(text), Some(inferred)) = (text, inferred) {
        put(out, "pipeline.yaml", text)?;
        for (name, text) in work.contracts(&inferred.understood)? {
            put(out, &name, &text)?;
        }
    }
    let ids: ArrayRef = Arc::new(ids(&input.source, &input.record_id));
    let golden_ids = of_rows(&ids, resolved.clusters.iter().copied())?;
    let named = |name: &str, array: &ArrayRef| (name.to_owned(), Arc::clone(array));
    let clusters = batch(vec![named("id", &ids), named("golden_id", &golden_ids)])?;
    let members = members(input, golden_ids)?;
    let consents = Consents::default();
    let material = golden::Material {
        records: std::slice::from_ref(records),
        members: &[members],
        settings,
        logical_date: 0,
        overrides: &[],
        consents: &consents,
    };
    // Laying records out by customer takes one thread: the other writes.
    let (written, golden) = both(
        threads::count(),
        || {
            parquet(out, "clusters.parquet", &clusters)?;
            parquet(out, "pairs.parquet", &pairs(&ids, &resolved.pairs)?)
        },
        || golden::survive(&material),
    )?;
    let golden = written.and(golden)?;
    parquet(out, "golden.parquet", &customers(&golden.customers, inferred)?)
}

/// The values of these rows.
fn of_rows(values: &ArrayRef, rows: impl Iterator<Item = u32>) -> Result<ArrayRef> {
    let rows = UInt32Array::from_iter_values(rows);
    take(values, &rows, None).map_err(|_| Error::bug("a result names a row that is not there"))
}

/// `entity_members` of this run.
fn members(input: &Input<'_>, golden_ids: ArrayRef) -> Result<RecordBatch> {
    let since = StringArray::from_iter_values(std::iter::repeat_n("", golden_ids.len()));
    let columns: Vec<ArrayRef> = vec![
        golden_ids,
        Arc::new(input.source.clone()),
        Arc::new(input.record_id.clone()),
        Arc::new(since),
    ];
    RecordBatch::try_new(tables::entity_members(), columns)
        .map_err(|_| Error::bug("members do not fit their table"))
}

fn pairs(ids: &ArrayRef, pairs: &[RowPair]) -> Result<RecordBatch> {
    let number = |of: fn(&RowPair) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(pairs.iter().map(of)))
    };
    batch(vec![
        ("id_l".to_owned(), of_rows(ids, pairs.iter().map(|pair| pair.l))?),
        ("id_r".to_owned(), of_rows(ids, pairs.iter().map(|pair| pair.r))?),
        ("match_weight".to_owned(), number(|pair| pair.weight)),
        ("match_probability".to_owned(), number(|pair| pair.probability)),
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

/// Rows of a row group.
const ROW_GROUP: usize = 1 << 20;

/// Writes a table, each column of a row group on a thread.
fn parquet(out: &Path, name: &str, batch: &RecordBatch) -> Result<()> {
    let path = out.join(name);
    let bug = |_| Error::bug(format!("{name} could not be put together"));
    let file = File::create(&path).map_err(|error| unwritable(&path, error))?;
    let schema = batch.schema();
    let writer = ArrowWriter::try_new(file, Arc::clone(&schema), None).map_err(bug)?;
    let (mut file, columns) = writer.into_serialized_writer().map_err(bug)?;
    for (group, rows) in ranges(batch.num_rows(), ROW_GROUP).into_iter().enumerate() {
        let part = batch.slice(rows.start, rows.len());
        let mut leaves = Vec::new();
        for (field, column) in schema.fields().iter().zip(part.columns()) {
            leaves.extend(compute_leaves(field, column).map_err(bug)?);
        }
        let writers = columns.create_column_writers(group).map_err(bug)?;
        let tasks: Vec<_> =
            writers.into_iter().zip(leaves).map(|task| Mutex::new(Some(task))).collect();
        let chunks = parallel(
            tasks.len(),
            threads::count(),
            || (),
            |(), task| {
                let (mut writer, leaf) = tasks[task].lock().ok()?.take()?;
                writer.write(&leaf).ok()?;
                writer.close().ok()
            },
        )?;
        let mut group = file.next_row_group().map_err(bug)?;
        for chunk in chunks {
            let chunk = chunk.ok_or_else(|| Error::bug(format!("{name} could not be encoded")))?;
            chunk.append_to_row_group(&mut group).map_err(bug)?;
        }
        group.close().map_err(bug)?;
    }
    file.close().map_err(bug)?;
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
