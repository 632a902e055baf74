//! Writing a plan as one sorted Parquet file, hashed as it is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use bytes::Bytes;
use datafusion::dataframe::DataFrame;
use futures::StreamExt;
use futures::future::BoxFuture;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::AsyncArrowWriter;
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;

use super::session::{Engine, translate};
use super::store::{Store, refused_by_disk, store_cause, store_error};
use crate::error::{Error, Result};
use crate::memory;

/// How a file is written.
#[derive(Debug, Clone)]
pub struct WriteOptions<'a> {
    /// The columns to sort by.
    pub sort: &'a [String],
    /// Whether `sort` is a key: two rows that share it are an error.
    pub unique: bool,
    /// The rows of a group; the last holds the rest.
    pub row_group: usize,
    /// Zstandard for what is kept; else LZ4, for what is handed over.
    pub keep: bool,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The path, relative to the store.
    pub path: String,
    /// How many rows it holds.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// BLAKE3 of its content, in hexadecimal.
    pub blake3: String,
    /// How many values are null, by column; those of none are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nulls: BTreeMap<String, u64>,
}

/// The smallest row group that a scan of a columnar engine uses well.
pub(crate) const ROW_GROUP: usize = 122_880;

impl Engine {
    /// Writes a plan to one Parquet file, its rows sorted, its types those that every reader knows:
    /// unsigned integers become the next larger signed ones.
    pub async fn write(
        &self,
        frame: DataFrame,
        store: &Store,
        path: &str,
        options: &WriteOptions<'_>,
    ) -> Result<(Written, SchemaRef)> {
        self.write_inspected(frame, store, path, options, &mut |_| Ok(())).await
    }

    /// As [`Engine::write`]; `inspect` sees each batch as it is written, in order, and an error of it
    /// ends the writing.
    pub async fn write_inspected(
        &self,
        frame: DataFrame,
        store: &Store,
        path: &str,
        options: &WriteOptions<'_>,
        inspect: &mut (dyn FnMut(&RecordBatch) -> Result<()> + Send),
    ) -> Result<(Written, SchemaRef)> {
        let what = format!("writing {path}");
        let _work = memory::at(&*what);
        let frame = self.sorted(frame, options.sort)?;
        let schema = readable_schema(frame.schema().as_arrow());
        let mut begun = self.begin(frame, &what).await?;
        let compression = if options.keep {
            Compression::ZSTD(ZstdLevel::default())
        } else {
            Compression::LZ4_RAW
        };
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_max_row_group_row_count(Some(options.row_group.max(1)))
            .set_created_by("simurgh".to_owned())
            .build();
        let sink = HashingWriter::new(store, path);
        let counters = Arc::clone(&sink.counters);
        let mut writer = AsyncArrowWriter::try_new(sink, Arc::clone(&schema), Some(properties))
            .map_err(|_| {
                Error::configuration(format!("{what}: Parquet cannot hold this schema"))
            })?;
        let mut rows = 0;
        let mut key = options.unique.then(|| KeyCheck::new(&schema, options.sort)).transpose()?;
        let mut nulls = vec![0; schema.fields().len()];
        while let Some(batch) = begun.rows.next().await {
            let batch = readable(&batch.map_err(|error| translate(&what, error))?, &schema)?;
            if let Some(key) = &mut key {
                key.check(&batch, &what)?;
            }
            inspect(&batch)?;
            rows += batch.num_rows() as u64;
            for (count, column) in nulls.iter_mut().zip(batch.columns()) {
                *count += column.null_count() as u64;
            }
            writer.write(&batch).await.map_err(|error| failed(&what, error))?;
        }
        writer.close().await.map_err(|error| failed(&what, error))?;
        let counted =
            counters.lock().map_err(|_| Error::bug(format!("{what}: the writer broke off")))?;
        let written = Written {
            path: path.to_owned(),
            rows,
            bytes: counted.bytes,
            blake3: counted.hasher.finalize().to_hex().to_string(),
            nulls: schema
                .fields()
                .iter()
                .zip(nulls)
                .filter(|(_, count)| *count > 0)
                .map(|(field, count)| (field.name().clone(), count))
                .collect(),
        };
        Ok((written, schema))
    }
}

fn failed(what: &str, error: parquet::errors::ParquetError) -> Error {
    match error {
        parquet::errors::ParquetError::External(cause) => {
            if let Some(refused) = refused_by_disk(what, cause.as_ref()) {
                return refused;
            }
            if let Some(cause) = store_cause(cause.as_ref()) {
                return store_error(what, cause);
            }
            Error::retry(format!("{what}: the store refused it"))
                .help("check that there is room and that the store answers, then run again")
        }
        _ => Error::bug(format!("{what}: the Parquet writer failed")),
    }
}

/// Finds two rows of one key in rows sorted by it.
struct KeyCheck {
    converter: RowConverter,
    columns: Vec<usize>,
    names: String,
    last: Option<arrow::row::OwnedRow>,
}

impl KeyCheck {
    fn new(schema: &Schema, key: &[String]) -> Result<Self> {
        let mut columns = Vec::new();
        let mut fields = Vec::new();
        for name in key {
            let index = schema
                .index_of(name)
                .map_err(|_| Error::configuration(format!("key column `{name}` is missing")))?;
            columns.push(index);
            fields.push(SortField::new(schema.field(index).data_type().clone()));
        }
        let converter = RowConverter::new(fields)
            .map_err(|_| Error::configuration(format!("({}) cannot be a key", key.join(", "))))?;
        Ok(Self { converter, columns, names: key.join(", "), last: None })
    }

    fn check(&mut self, batch: &RecordBatch, what: &str) -> Result<()> {
        let columns: Vec<ArrayRef> =
            self.columns.iter().map(|index| Arc::clone(batch.column(*index))).collect();
        let rows = self
            .converter
            .convert_columns(&columns)
            .map_err(|_| Error::bug(format!("{what}: keys cannot be compared")))?;
        let twice = (1..rows.num_rows()).any(|i| rows.row(i) == rows.row(i - 1))
            || (rows.num_rows() > 0
                && self.last.as_ref().is_some_and(|last| last.row() == rows.row(0)));
        if twice {
            return Err(Error::data(format!("{what}: two rows share the key ({})", self.names))
                .help("the SQL must give one row a key: group by it, or choose one row of each"));
        }
        if rows.num_rows() > 0 {
            self.last = Some(rows.row(rows.num_rows() - 1).owned());
        }
        Ok(())
    }
}

/// The schema with types that Delta Lake and every reader of Parquet know.
pub(crate) fn readable_schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| {
            Field::new(field.name(), readable_type(field.data_type()), field.is_nullable())
        })
        .collect();
    Arc::new(Schema::new(fields))
}

fn readable_type(data_type: &DataType) -> DataType {
    use arrow::datatypes::TimeUnit;
    match data_type {
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Null => DataType::Utf8,
        DataType::Date64 => DataType::Date32,
        DataType::Float16 => DataType::Float32,
        DataType::Timestamp(_, Some(_)) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Dictionary(_, value) => readable_type(value),
        DataType::List(item) | DataType::LargeList(item) => DataType::List(Arc::new(Field::new(
            "item",
            readable_type(item.data_type()),
            item.is_nullable(),
        ))),
        other => other.clone(),
    }
}

fn readable(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| {
            if column.data_type() == field.data_type() {
                Ok(Arc::clone(column))
            } else {
                cast(column, field.data_type()).map_err(|_| {
                    Error::data(format!("column `{}` does not fit its type", field.name()))
                })
            }
        })
        .collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|_| Error::data("a column that must be known holds nulls"))
}

struct Counters {
    hasher: blake3::Hasher,
    bytes: u64,
}

/// Passes bytes on to the store, counting and hashing them.
struct HashingWriter {
    inner: BufWriter,
    counters: Arc<std::sync::Mutex<Counters>>,
}

impl HashingWriter {
    fn new(store: &Store, path: &str) -> Self {
        Self {
            inner: BufWriter::new(store.object_store(), Path::from(path)),
            counters: Arc::new(std::sync::Mutex::new(Counters {
                hasher: blake3::Hasher::new(),
                bytes: 0,
            })),
        }
    }
}

impl AsyncFileWriter for HashingWriter {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, parquet::errors::Result<()>> {
        Box::pin(async move {
            if let Ok(mut counters) = self.counters.lock() {
                counters.hasher.update(&bytes);
                counters.bytes += bytes.len() as u64;
            }
            self.inner.put(bytes).await.map_err(external)
        })
    }

    fn complete(&mut self) -> BoxFuture<'_, parquet::errors::Result<()>> {
        Box::pin(async move { self.inner.shutdown().await.map_err(external) })
    }
}

fn external(
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> parquet::errors::ParquetError {
    parquet::errors::ParquetError::External(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Options;

    async fn write(sql: &str, unique: bool) -> Result<(Written, bytes::Bytes)> {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap())?;
        let engine = Engine::new(&Options { threads: 2, memory: 64 << 20 })?;
        let options =
            WriteOptions { sort: &["k".to_owned()], unique, row_group: ROW_GROUP, keep: true };
        let (written, _) =
            engine.write(engine.sql(sql, "a test").await?, &store, "t.parquet", &options).await?;
        let bytes = store.get("t.parquet").await?;
        Ok((written, bytes))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_hash_and_size_are_those_of_the_file() {
        let (written, bytes) =
            write("SELECT * FROM (VALUES (2, 'b'), (1, 'a')) t(k, v)", true).await.unwrap();
        assert_eq!(written.rows, 2);
        assert_eq!(written.bytes, bytes.len() as u64);
        assert_eq!(written.blake3, blake3::hash(&bytes).to_hex().to_string());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_key_that_two_rows_share_is_refused() {
        let sql = "SELECT * FROM (VALUES (1, 'b'), (2, 'c'), (1, 'a')) t(k, v)";
        let error = write(sql, true).await.unwrap_err();
        assert!(error.to_string().contains("share the key (k)"), "{error}");
        assert!(write(sql, false).await.is_ok());
    }
}
