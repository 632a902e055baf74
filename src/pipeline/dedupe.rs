//! Files to entities in one go, without a warehouse: what `simurgh dedupe` does.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::resolution;
use crate::config;
use crate::engine::{Engine, Options};
use crate::error::{Error, Result};
use crate::resolve;

/// What is asked for.
pub struct Request<'a> {
    /// The files.
    pub files: &'a [PathBuf],
    /// Where the results go.
    pub out: &'a Path,
    /// The column that identifies a record.
    pub id: Option<&'a str>,
    /// The column that names a record's source.
    pub source: Option<&'a str>,
    /// The file with the `resolve` section.
    pub settings: &'a Path,
    /// How the engine runs.
    pub options: Options,
}

/// What came of it.
pub struct Found {
    /// Rows read.
    pub rows: usize,
    /// Pairs compared.
    pub pairs_compared: u64,
    /// Entities.
    pub entities: usize,
    /// Whether training converged.
    pub converged: bool,
    /// What a person should look at.
    pub warnings: Vec<String>,
    /// Seconds by phase.
    pub seconds: Vec<(&'static str, f64)>,
}

/// Resolves the records of files and writes `clusters.parquet`, `pairs.parquet` and `model.json`.
///
/// # Errors
/// Files that cannot be read, columns that are not there, settings that do not fit.
pub async fn dedupe(request: &Request<'_>) -> Result<Found> {
    let mut seconds = Vec::new();
    let mut begun = Instant::now();
    let mut phase = |name| {
        seconds.push((name, begun.elapsed().as_secs_f64()));
        begun = Instant::now();
    };
    let (kind, settings) = config::resolution(request.settings)?;
    let engine = Engine::new(&request.options)?;
    let records = read(request)?;
    let rows = records.num_rows();
    phase("read");
    let frame = engine.batches(records.schema(), vec![records])?;
    engine.register("records", frame)?;
    let input = resolution::input_of(&engine, "record", &kind, &settings).await?;
    phase("prepare");
    let options = resolve::Options { threads: request.options.threads };
    let resolved = resolve::resolve(&input, &[], None, options)?;
    phase("resolve");
    std::fs::create_dir_all(request.out).map_err(|error| unwritable(request.out, error))?;
    let ids = &input.record_id;
    let golden = StringArray::from_iter_values(
        resolved.clusters.iter().map(|cluster| ids.value(*cluster as usize)),
    );
    let text = |name: &str, array: StringArray| (name.to_owned(), Arc::new(array) as ArrayRef);
    write(request, "clusters.parquet", vec![text("id", ids.clone()), text("golden_id", golden)])?;
    let pair = |name: &str, column: &str| -> Result<(String, ArrayRef)> {
        let column = resolved.pairs.column_by_name(column).cloned();
        let column = column.ok_or_else(|| Error::bug("scored_pairs lacks a column"))?;
        Ok((name.to_owned(), column))
    };
    let pairs = [
        pair("id_l", "record_id_l")?,
        pair("id_r", "record_id_r")?,
        pair("match_weight", "match_weight")?,
        pair("match_probability", "match_probability")?,
    ];
    write(request, "pairs.parquet", pairs.to_vec())?;
    let model = request.out.join("model.json");
    std::fs::write(&model, resolved.model.to_json()?).map_err(|error| unwritable(&model, error))?;
    phase("write");
    let entities = resolved.clusters.iter().max().map_or(0, |last| *last as usize + 1);
    Ok(Found {
        rows,
        pairs_compared: resolved.pairs_compared,
        entities,
        converged: resolved.converged,
        warnings: resolved.warnings,
        seconds,
    })
}

/// The rows of all files, with `source`, `record_id` and `kind`.
fn read(request: &Request<'_>) -> Result<RecordBatch> {
    let mut batches = Vec::new();
    for path in request.files {
        let unreadable = || {
            Error::data(format!("{}: cannot be read as Parquet", path.display()))
                .help("name a Parquet file")
        };
        let file = File::open(path).map_err(|_| unreadable())?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|_| unreadable())?;
        let reader = reader.with_batch_size(65_536).build().map_err(|_| unreadable())?;
        let own: Vec<RecordBatch> =
            reader.collect::<std::result::Result<_, _>>().map_err(|_| unreadable())?;
        let schema = own.first().map(RecordBatch::schema).ok_or_else(unreadable)?;
        let batch = concat_batches(&schema, &own).map_err(|_| unreadable())?;
        batches.push(keyed(&batch, path, request)?);
    }
    let schema = batches[0].schema();
    concat_batches(&schema, &batches).map_err(|_| {
        Error::data("the files have different columns").help("name files of one layout")
    })
}

fn keyed(batch: &RecordBatch, path: &Path, request: &Request<'_>) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let column = |name: &str| -> Result<ArrayRef> {
        let column = batch.column_by_name(name).ok_or_else(|| {
            Error::data(format!("{}: there is no column `{name}`", path.display()))
                .help("name one of the file's columns")
        })?;
        cast(column, &DataType::Utf8)
            .map_err(|_| Error::data(format!("column `{name}` has no text form")))
    };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let same = |text: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)))
    };
    let source = match request.source {
        Some(name) => column(name)?,
        None => same(&stem),
    };
    let record_id = match request.id {
        Some(name) => column(name)?,
        None => Arc::new(StringArray::from_iter_values((1..=rows).map(|row| row.to_string()))),
    };
    let mut fields: Vec<Arc<Field>> = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    let own = batch.schema();
    let taken = ["source", "record_id", "kind"];
    for (field, column) in own.fields().iter().zip(batch.columns()) {
        if !taken.contains(&field.name().as_str()) {
            let plain = match field.data_type() {
                DataType::LargeUtf8 | DataType::Utf8View => {
                    cast(column, &DataType::Utf8).map_err(|_| Error::bug("a text is no text"))?
                }
                _ => Arc::clone(column),
            };
            fields.push(Arc::new(Field::new(field.name(), plain.data_type().clone(), true)));
            columns.push(plain);
        }
    }
    for (name, column) in taken.iter().zip([source, record_id, same("record")]) {
        fields.push(Arc::new(Field::new(*name, DataType::Utf8, true)));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|_| Error::bug("records do not fit their columns"))
}

fn write(request: &Request<'_>, name: &str, columns: Vec<(String, ArrayRef)>) -> Result<()> {
    let path = request.out.join(name);
    let bug = || Error::bug(format!("{name} could not be put together"));
    let batch = RecordBatch::try_from_iter(columns).map_err(|_| bug())?;
    let file = File::create(&path).map_err(|error| unwritable(&path, error))?;
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).map_err(|_| bug())?;
    writer.write(&batch).map_err(|_| bug())?;
    writer.close().map_err(|_| bug())?;
    Ok(())
}

fn unwritable(path: &Path, error: std::io::Error) -> Error {
    Error::data(format!("{}: cannot be written", path.display()))
        .help("choose another --out")
        .because(error)
}
