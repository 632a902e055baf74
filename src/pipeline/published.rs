//! The tables that a warehouse has published, for commands that look at them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::DataType;

use crate::engine::{Engine, Options, Store};
use crate::error::{Error, Result};
use crate::land::{self, History, Published};
use crate::resolve::RecordKey;
use crate::tables;

/// One consistent set of tables, and a session that can read them.
pub struct PublishedTables {
    /// The warehouse.
    pub warehouse: Store,
    /// Which versions belong together.
    pub entry: Published,
    engine: Engine,
}

impl PublishedTables {
    /// The newest date's set of a pipeline, or where none is named of the pipeline that published
    /// last.
    ///
    /// # Errors
    /// Where nothing is published, or the warehouse is of another layout.
    pub async fn open(uri: &str, pipeline: Option<&str>) -> Result<Self> {
        let warehouse = Store::open(uri)?;
        land::refuse_other_formats(&warehouse).await?;
        let history = History::read(&warehouse).await?;
        let last = history.entries().last().map(|entry| entry.pipeline.clone());
        let name = pipeline.map(str::to_owned).or(last).unwrap_or_default();
        let entry = history.current(&name).cloned().ok_or_else(|| {
            Error::data(format!("{}: nothing is published yet", warehouse.url()))
                .help("run a pipeline first: simurgh run PIPELINE --date DATE")
        })?;
        Ok(Self { warehouse, entry, engine: Engine::new(&Options::default())? })
    }

    /// Makes tables readable by SQL: those named, as far as they are published and have rows; all
    /// where none is named. Gives the names of those that are readable.
    ///
    /// # Errors
    /// A table that cannot be read.
    pub async fn register(&self, names: &[&str]) -> Result<Vec<&str>> {
        let mut readable = Vec::new();
        for (name, version) in &self.entry.tables {
            if !names.is_empty() && !names.contains(&name.as_str()) {
                continue;
            }
            let files = land::delta::files(&self.warehouse, name, *version).await?;
            if !files.is_empty() {
                self.engine.register(name, self.engine.parquet(&self.warehouse, &files).await?)?;
                readable.push(name.as_str());
            }
        }
        Ok(readable)
    }

    /// The session that reads them.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What a SELECT over the registered tables gives; `what` names it in errors.
    ///
    /// # Errors
    /// SQL that is not a SELECT over them.
    pub async fn query(&self, sql: &str, what: &str) -> Result<Vec<arrow::array::RecordBatch>> {
        self.engine.collect(self.engine.sql(sql, what).await?, what).await
    }

    /// The golden id in use of what is named: a golden id, also one that was redirected, or a record
    /// as `SOURCE:RECORD_ID`.
    ///
    /// # Errors
    /// Where no published customer or record is named.
    pub async fn golden_id(&self, named: &str) -> Result<String> {
        let readable = self.register(&[tables::ENTITY_MEMBERS, tables::ID_REDIRECTS]).await?;
        let first = async |table: &str, sql: String| -> Result<Option<String>> {
            match readable.contains(&table) {
                true => Ok(self.texts(&sql, table).await?.into_iter().flatten().next()),
                false => Ok(None),
            }
        };
        let mut id = named.to_owned();
        if let Some(key) = RecordKey::parse(named) {
            let sql = format!(
                "SELECT golden_id FROM entity_members WHERE source = {} AND record_id = {}",
                quoted(&key.source),
                quoted(&key.record_id)
            );
            id = first(tables::ENTITY_MEMBERS, sql).await?.ok_or_else(|| {
                Error::usage("no published record has this address")
                    .help("a record's address is SOURCE:RECORD_ID, as in the table entity_members")
            })?;
        }
        let redirected = format!(
            "SELECT golden_id FROM id_redirects WHERE old_golden_id = {} AND valid_to IS NULL",
            quoted(&id)
        );
        if let Some(now) = first(tables::ID_REDIRECTS, redirected).await? {
            return Ok(now);
        }
        let there =
            format!("SELECT golden_id FROM entity_members WHERE golden_id = {}", quoted(&id));
        first(tables::ENTITY_MEMBERS, there).await?.ok_or_else(|| {
            Error::usage("no published customer has this id")
                .help("name a golden id of the table customers, or a record as SOURCE:RECORD_ID")
        })
    }

    /// The golden ids of records, of those that are published.
    ///
    /// # Errors
    /// A table that cannot be read.
    pub async fn golden_ids(&self, keys: &[RecordKey]) -> Result<BTreeMap<RecordKey, String>> {
        if self.register(&[tables::ENTITY_MEMBERS]).await?.is_empty() {
            return Ok(BTreeMap::new());
        }
        ask(&self.engine, keys)?;
        let sql = "SELECT source, record_id, golden_id FROM entity_members JOIN _asked \
                   ON source = asked_source AND record_id = asked_id";
        let rows = self.texts(sql, tables::ENTITY_MEMBERS).await?;
        let own = |row: Vec<String>| match &row[..] {
            [source, record_id, id] => Ok((RecordKey::new(source, record_id), id.clone())),
            _ => Err(Error::bug("a record without a golden id")),
        };
        rows.into_iter().map(own).collect()
    }

    /// The match probabilities of pairs, of those that are scored.
    ///
    /// # Errors
    /// A table that cannot be read.
    pub async fn probabilities(
        &self,
        pairs: &[(RecordKey, RecordKey)],
    ) -> Result<BTreeMap<(RecordKey, RecordKey), f64>> {
        let mut found = BTreeMap::new();
        if self.register(&[tables::SCORED_PAIRS]).await?.is_empty() {
            return Ok(found);
        }
        let lefts: Vec<RecordKey> =
            pairs.iter().flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
        ask(&self.engine, &lefts)?;
        let sql = "SELECT DISTINCT source_l, record_id_l, source_r, record_id_r, \
                   CAST(match_probability AS VARCHAR) FROM scored_pairs JOIN _asked \
                   ON source_l = asked_source AND record_id_l = asked_id";
        for row in self.texts(sql, tables::SCORED_PAIRS).await? {
            if let [a, b, c, d, text] = &row[..]
                && let Ok(probability) = text.parse::<f64>()
            {
                let (l, r) = (RecordKey::new(a, b), RecordKey::new(c, d));
                found.insert((r.clone(), l.clone()), probability);
                found.insert((l, r), probability);
            }
        }
        Ok(found)
    }

    /// The kind of a golden customer.
    ///
    /// # Errors
    /// A table that cannot be read.
    pub(super) async fn kind_of(&self, golden_id: &str) -> Result<String> {
        let mut rows = Vec::new();
        if !self.register(&[tables::CUSTOMERS]).await?.is_empty() {
            let sql = format!("SELECT kind FROM customers WHERE golden_id = {}", quoted(golden_id));
            rows = self.texts(&sql, tables::CUSTOMERS).await?;
        }
        let kind = rows.into_iter().flatten().next();
        kind.ok_or_else(|| Error::bug("a golden id that is no customer"))
    }

    /// The records of a golden id, in the order of their keys.
    ///
    /// # Errors
    /// A table that cannot be read.
    pub async fn records_of(&self, golden_id: &str) -> Result<Vec<RecordKey>> {
        if self.register(&[tables::ENTITY_MEMBERS]).await?.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT source, record_id FROM entity_members WHERE golden_id = {} \
             ORDER BY source, record_id",
            quoted(golden_id)
        );
        let rows = self.texts(&sql, tables::ENTITY_MEMBERS).await?;
        let key = |row: Vec<String>| match &row[..] {
            [source, record_id] => Ok(RecordKey::new(source, record_id)),
            _ => Err(Error::bug("a record without an address")),
        };
        rows.into_iter().map(key).collect()
    }

    /// The rows of a SELECT of texts; nulls are empty.
    pub(super) async fn texts(&self, sql: &str, what: &str) -> Result<Vec<Vec<String>>> {
        let mut rows = Vec::new();
        for batch in self.query(sql, what).await? {
            let mut columns = Vec::new();
            for column in batch.columns() {
                let column = arrow::compute::cast(column, &DataType::Utf8)
                    .map_err(|_| Error::data(format!("{what}: a column that is not text")))?;
                columns.push(column.as_string::<i32>().clone());
            }
            let of = |row: usize| columns.iter().map(|own| own.value(row).to_owned()).collect();
            rows.extend((0..batch.num_rows()).map(of));
        }
        Ok(rows)
    }
}

/// Names these records `_asked`, with the columns `asked_source` and `asked_id`.
pub(super) fn ask(engine: &Engine, keys: &[RecordKey]) -> Result<()> {
    let column = |of: fn(&RecordKey) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(keys.iter().map(of)))
    };
    let columns =
        [("asked_source", column(|key| &key.source)), ("asked_id", column(|key| &key.record_id))];
    let batch =
        RecordBatch::try_from_iter(columns).map_err(|_| Error::bug("addresses of two lengths"))?;
    engine.register("_asked", engine.batches(batch.schema(), vec![batch])?)
}

/// A text as SQL writes it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
