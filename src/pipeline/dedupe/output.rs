//! The files that a dedupe leaves: clusters, pairs, golden records, the model, the pipeline.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, UInt32Array, new_empty_array,
};
use arrow::compute::take;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use rustc_hash::FxHashSet;

use super::{Inferred, Work};
use crate::consent::Consents;
use crate::error::{Error, Result};
use crate::golden::{self, Golden};
use crate::resolve::{Input, ResolvedRows, RowPair};
use crate::threads::{self, both, largest_first, ranges};

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

/// The folder of the results.
pub(super) struct Results<'a> {
    out: &'a Path,
    ids: ArrayRef,
    /// Whether columns of records are coded.
    coded: bool,
}

impl<'a> Results<'a> {
    /// Makes the folder where it is not there.
    pub(super) fn new(out: &'a Path, input: &Input<'_>) -> Result<Self> {
        std::fs::create_dir_all(out).map_err(|error| unwritable(out, error))?;
        let ids = Arc::new(ids(&input.source, &input.record_id));
        Ok(Self { out, ids, coded: input.coded })
    }

    /// Writes the pairs.
    pub(super) fn pairs(&self, all: &[RowPair]) -> Result<()> {
        parquet(self.out, "pairs.parquet", &[pairs(&self.ids, all)?])
    }

    /// Writes all else.
    pub(super) fn write(
        &self,
        work: &Work<'_>,
        records: &RecordBatch,
        resolved: &ResolvedRows,
        text: Option<&str>,
        inferred: Option<&Inferred>,
        settings: &Golden,
    ) -> Result<()> {
        let Self { out, ids, coded } = self;
        if let (Some(text), Some(inferred)) = (text, inferred) {
            put(out, "pipeline.yaml", text)?;
            for (name, text) in work.contracts(&inferred.understood)? {
                put(out, &name, &text)?;
            }
        }
        // A cluster is called after its first record.
        let clusters = &resolved.clusters;
        let golden_ids = of_rows(ids, firsts(clusters).into_iter())?;
        let consents = Consents::default();
        let material = golden::Material {
            records: std::slice::from_ref(records),
            members: golden::Members::Rows {
                customer_of: clusters,
                golden_ids: golden_ids.as_string(),
                coded: *coded,
            },
            settings,
            logical_date: 0,
            overrides: &[],
            consents: &consents,
        };
        // Laying records out by customer takes one thread: the other writes.
        let (written, golden) = both(
            threads::count(),
            || {
                put(out, "model.json", &resolved.model.to_json()?)?;
                let of_records = of_rows(&golden_ids, clusters.iter().copied())?;
                let columns = [("id", Arc::clone(ids)), ("golden_id", of_records)];
                let columns = columns.map(|(name, array)| (name.to_owned(), array));
                parquet(out, "clusters.parquet", &[batch(columns.into())?])
            },
            || golden::values(&material),
        )?;
        let golden = written.and(golden)?;
        parquet(out, "golden.parquet", &[named(golden, inferred)?])
    }
}

/// The values of these rows.
fn of_rows(values: &ArrayRef, rows: impl Iterator<Item = u32>) -> Result<ArrayRef> {
    let rows = UInt32Array::from_iter_values(rows);
    take(values, &rows, None).map_err(|_| Error::bug("a result names a row that is not there"))
}

/// The first row of each cluster: clusters are numbered by it.
fn firsts(clusters: &[u32]) -> Vec<u32> {
    let mut firsts = Vec::new();
    for (row, cluster) in (0..).zip(clusters) {
        if *cluster as usize == firsts.len() {
            firsts.push(row);
        }
    }
    firsts
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

/// Golden records with the columns' names in the files.
fn named(golden: RecordBatch, inferred: Option<&Inferred>) -> Result<RecordBatch> {
    let (schema, columns, _) = golden.into_parts();
    let named = schema.fields().iter().zip(columns).map(|(field, array)| {
        let export = inferred.and_then(|inferred| {
            inferred.proposal.attributes.iter().find(|own| own.name == *field.name())
        });
        let name = export.map_or(field.name().as_str(), |own| own.export.as_str());
        // A column of the file may have the id's own name.
        let clash = name == "golden_id" && field.name() != "golden_id";
        (if clash { field.name().clone() } else { name.to_owned() }, array)
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
const ROW_GROUP: usize = 1 << 18;

/// Rows of it that are encoded together.
const PART: usize = 1 << 16;

/// Batches cut into parts, and those into row groups.
fn groups(batches: &[RecordBatch]) -> Vec<Vec<RecordBatch>> {
    let mut groups: Vec<Vec<RecordBatch>> = Vec::new();
    let mut room = 0;
    for batch in batches {
        for rows in ranges(batch.num_rows(), PART) {
            if rows.len() > room {
                groups.push(Vec::new());
                room = ROW_GROUP;
            }
            room -= rows.len();
            if let Some(group) = groups.last_mut() {
                group.push(batch.slice(rows.start, rows.len()));
            }
        }
    }
    groups
}

/// Writes the batches of a table, each column of a row group on a thread.
fn parquet(out: &Path, name: &str, batches: &[RecordBatch]) -> Result<()> {
    let path = out.join(name);
    let bug = |_| Error::bug(format!("{name} could not be put together"));
    let first = batches.first().ok_or_else(|| Error::bug(format!("{name} has no batch")))?;
    let file = File::create(&path).map_err(|error| unwritable(&path, error))?;
    let schema = first.schema();
    let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties(first)));
    let (mut file, columns) = writer.and_then(ArrowWriter::into_serialized_writer).map_err(bug)?;
    type Task = (usize, Vec<ArrowColumnWriter>);
    type Chunks = Vec<Option<Vec<ArrowColumnChunk>>>;
    let encoded = |number: usize, parts: &[RecordBatch]| -> Result<Chunks> {
        // A column of structs has a writer for each of its leaves.
        let mut writers = columns.create_column_writers(number).map_err(bug)?.into_iter();
        let mut tasks: Vec<Task> = Vec::new();
        for field in schema.fields() {
            let leaves = compute_leaves(field, &new_empty_array(field.data_type())).map_err(bug)?;
            tasks.push((tasks.len(), writers.by_ref().take(leaves.len()).collect()));
        }
        let column = |(place, mut writers): Task| -> Option<Vec<ArrowColumnChunk>> {
            for part in parts {
                let leaves = compute_leaves(schema.field(place), part.column(place)).ok()?;
                for (writer, leaf) in writers.iter_mut().zip(&leaves) {
                    writer.write(leaf).ok()?;
                }
            }
            writers.into_iter().map(|writer| writer.close().ok()).collect()
        };
        let bytes = |(place, _): &Task| -> usize {
            parts.iter().map(|part| part.column(*place).get_buffer_memory_size()).sum()
        };
        largest_first(tasks, threads::count(), bytes, column)
    };
    let mut append = |chunks: Chunks| -> Result<()> {
        let mut group = file.next_row_group().map_err(bug)?;
        for chunks in chunks {
            let lost = || Error::bug(format!("{name} could not be encoded"));
            for chunk in chunks.ok_or_else(lost)? {
                chunk.append_to_row_group(&mut group).map_err(bug)?;
            }
        }
        group.close().map_err(bug)?;
        Ok(())
    };
    // A row group is written while the next one is encoded.
    let mut ready: Option<Chunks> = None;
    for (number, parts) in groups(batches).iter().enumerate() {
        let before = ready.take();
        let written = || before.map_or(Ok(()), &mut append);
        let (written, chunks) = both(threads::count(), written, || encoded(number, parts))?;
        written?;
        ready = Some(chunks?);
    }
    ready.map_or(Ok(()), append)?;
    file.close().map_err(bug)?;
    Ok(())
}

/// How columns are encoded, judged by the first batch.
fn properties(first: &RecordBatch) -> WriterProperties {
    let mut properties = WriterProperties::builder();
    for (place, (field, column)) in first.schema().fields().iter().zip(first.columns()).enumerate()
    {
        let Some(text) = column.as_string_opt::<i32>() else { continue };
        let path = || ColumnPath::new(vec![field.name().clone()]);
        // Rows rise by the first column of a table: by another, a reader could pass none over.
        if place > 0 {
            properties = properties.set_column_statistics_enabled(path(), EnabledStatistics::None);
        }
        if nearly_unique(text) {
            properties = properties.set_column_dictionary_enabled(path(), false);
        }
    }
    properties.build()
}

/// Values that are looked at to judge a column.
const SAMPLE: usize = 8192;

/// Whether a dictionary of these values is not worth having: of the sample, fewer than one in fifty
/// is a repetition. Then there are either few rows, or some hundreds of thousands of values, which
/// would outgrow a dictionary's page.
fn nearly_unique(text: &StringArray) -> bool {
    let mut seen: FxHashSet<&str> = FxHashSet::default();
    let sample = (0..text.len()).step_by((text.len() / SAMPLE).max(1));
    let mut known = 0;
    for row in sample.filter(|row| text.is_valid(*row)) {
        known += 1;
        seen.insert(text.value(row));
    }
    (known - seen.len()) * 50 < known
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

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StructArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::{DataType, Field};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::basic::Encoding;

    use super::*;

    /// Ids, a text of few values, one of many, and a struct of two; some of them not known.
    fn rows(range: std::ops::Range<i64>) -> RecordBatch {
        let text = |of: &dyn Fn(i64) -> Option<String>| -> ArrayRef {
            Arc::new(range.clone().map(of).collect::<StringArray>())
        };
        let number: ArrayRef = Arc::new(range.clone().collect::<Int64Array>());
        let few = text(&|n| (n % 5 > 0).then(|| format!("city {}", n % 97)));
        let field = |name: &str, array: &ArrayRef| {
            Arc::new(Field::new(name, array.data_type().clone(), true))
        };
        let both = StructArray::from(vec![
            (field("number", &number), Arc::clone(&number)),
            (field("few", &few), Arc::clone(&few)),
        ]);
        assert!(matches!(both.data_type(), DataType::Struct(_)));
        let many = text(&|n| (n % 3 > 0).then(|| format!("{}@x.org", n * 7919 % 1_000_003)));
        batch(vec![
            ("id".to_owned(), text(&|n| Some(format!("{n:07}")))),
            ("few".to_owned(), few),
            ("many".to_owned(), many),
            ("both".to_owned(), Arc::new(both)),
        ])
        .unwrap()
    }

    #[test]
    fn every_row_is_read_again_and_columns_are_encoded_as_their_values_ask() {
        let folder = tempfile::tempdir().unwrap();
        for batches in [vec![rows(0..0)], vec![rows(0..70_000), rows(70_000..70_000 + 999)]] {
            parquet(folder.path(), "t.parquet", &batches).unwrap();
            let file = File::open(folder.path().join("t.parquet")).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            let groups = reader.metadata().row_groups().to_vec();
            let schema = batches[0].schema();
            let read: Vec<_> = reader.build().unwrap().map(|batch| batch.unwrap()).collect();
            let whole = |batches: &[RecordBatch]| concat_batches(&schema, batches).unwrap();
            assert_eq!(whole(&read), whole(&batches));
            for group in groups {
                let dictionary = |place: usize| {
                    group.column(place).encodings().any(|own| own == Encoding::RLE_DICTIONARY)
                };
                assert_eq!([0, 1, 2].map(dictionary), [false, true, false]);
                let bounds = |place: usize| group.column(place).statistics().is_some();
                assert_eq!([0, 1, 2].map(bounds), [true, false, false]);
            }
        }
    }

    #[test]
    fn row_groups_are_of_bounded_size_and_lose_no_row() {
        let numbers = |count: i64| -> RecordBatch {
            let numbers: ArrayRef = Arc::new((0..count).collect::<Int64Array>());
            batch(vec![("n".to_owned(), numbers)]).unwrap()
        };
        let sizes = |batches: &[RecordBatch]| -> Vec<usize> {
            let size = |parts: &Vec<RecordBatch>| parts.iter().map(RecordBatch::num_rows).sum();
            groups(batches).iter().map(size).collect()
        };
        let group = ROW_GROUP as i64;
        assert!(sizes(&[numbers(0)]).is_empty());
        assert_eq!(sizes(&[numbers(2 * group + 1)]), [ROW_GROUP, ROW_GROUP, 1]);
        assert_eq!(sizes(&[numbers(group - 1), numbers(5)]), [ROW_GROUP - 1, 5]);
        assert_eq!(sizes(&[numbers(3), numbers(0), numbers(4)]), [7]);
    }
}
