//! Whom a request means, which records and ids they ever had, and which values only they held.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::person::{People, plain};
use super::{ForgetRequest, Who, stop};
use crate::config::Loaded;
use crate::contract::Contract;
use crate::engine::{Engine, Store};
use crate::error::{Error, Result};
use crate::land::{Published, delta};
use crate::resolve::RecordKey;
use crate::tables;

/// The warehouse that people are looked for in.
pub(super) struct World<'a> {
    pub warehouse: &'a Store,
    pub engine: &'a Engine,
    pub loaded: &'a Loaded,
    pub leaves: &'a BTreeMap<String, String>,
}

/// The table that a data file is of, and whether it is a plain export.
pub(super) fn table_of(path: &str) -> Option<(&str, bool)> {
    if !path.ends_with(".parquet") || path.contains("/_delta_log/") {
        return None;
    }
    let (folder, rest) = path.split_once('/')?;
    let table = rest.split('/').next()?;
    match folder {
        "tables" => Some((table, false)),
        "exports" => Some((table, true)),
        _ => None,
    }
}

/// A Parquet file of a store as one batch; none where it has no rows.
pub(super) async fn read(store: &Store, path: &str) -> Result<Option<RecordBatch>> {
    decoded(store.get(path).await?).ok_or_else(|| {
        Error::data(format!("{}: not the Parquet file that a run wrote", store.url_of(path)))
            .help("run `simurgh verify`: it names what was changed")
    })
}

/// A Parquet file's rows; the outer none where it is no such file.
pub(super) fn decoded(bytes: bytes::Bytes) -> Option<Option<RecordBatch>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).ok()?;
    let reader = reader.with_batch_size(1 << 16).build().ok()?;
    let batches = reader.collect::<std::result::Result<Vec<_>, _>>().ok()?;
    match batches.first() {
        None => Some(None),
        Some(first) => concat_batches(&first.schema(), &batches).ok().map(Some),
    }
}

fn text(batch: &RecordBatch, name: &str) -> Result<StringArray> {
    let column = batch.column_by_name(name).and_then(|own| cast(own, &DataType::Utf8).ok());
    column
        .map(|column| column.as_string::<i32>().clone())
        .ok_or_else(|| Error::data(format!("a table of the warehouse lacks `{name}`")))
}

impl World<'_> {
    fn files(&self, table: &str) -> impl Iterator<Item = &String> {
        let own = table.to_owned();
        self.leaves.keys().filter(move |path| table_of(path) == Some((own.as_str(), false)))
    }

    /// Which rows of a source's table are these people's, by whose they say they are.
    pub(super) async fn subjects(
        &self,
        table: &str,
        batch: &RecordBatch,
        people: &People,
    ) -> Result<Option<Vec<bool>>> {
        let named = self.named(table, batch).await?;
        let theirs =
            |rows: &Vec<(String, String)>| rows.iter().any(|(source, id)| people.holds(source, id));
        Ok(named.map(|rows| rows.iter().map(theirs).collect()))
    }

    /// The records that each row of a source's table is of.
    async fn named(
        &self,
        table: &str,
        batch: &RecordBatch,
    ) -> Result<Option<Vec<Vec<(String, String)>>>> {
        let source = table.strip_prefix("raw_").and_then(|n| self.loaded.pipeline.sources.get(n));
        match source {
            Some(source) => stop::subjects(self.engine, source, batch).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Every record's golden ids, in any version.
type Ever = BTreeMap<RecordKey, BTreeSet<String>>;

/// The people that a request means.
pub(super) async fn people(
    world: &World<'_>,
    onto: &Published,
    request: &ForgetRequest,
) -> Result<People> {
    let mut ever = Ever::new();
    let mut current: BTreeMap<RecordKey, String> = BTreeMap::new();
    let in_force: BTreeSet<String> = match onto.tables.get(tables::ENTITY_MEMBERS) {
        Some(version) => delta::files(world.warehouse, tables::ENTITY_MEMBERS, *version)
            .await?
            .into_iter()
            .collect(),
        None => BTreeSet::new(),
    };
    for path in world.files(tables::ENTITY_MEMBERS) {
        let Some(batch) = read(world.warehouse, path).await? else { continue };
        let (ids, sources, records) =
            (text(&batch, "golden_id")?, text(&batch, "source")?, text(&batch, "record_id")?);
        for row in 0..batch.num_rows() {
            let key = RecordKey::new(sources.value(row), records.value(row));
            ever.entry(key.clone()).or_default().insert(ids.value(row).to_owned());
            if in_force.contains(path) {
                current.insert(key, ids.value(row).to_owned());
            }
        }
    }
    let meant = meant(world, onto, request, &ever, &current).await?;
    if meant.is_empty() {
        return Err(Error::usage("nobody is found by this").help(
            "name a record (SOURCE:RECORD_ID), a golden id (--golden), an --email or a --phone",
        ));
    }
    if meant.len() > 1 && !request.all {
        let counted = |id: &String| {
            let records = ever.values().filter(|ids| ids.contains(id)).count();
            format!("{id} ({records} records)")
        };
        return Err(Error::usage(format!(
            "{} customers are found: {}",
            meant.len(),
            meant.iter().map(counted).collect::<Vec<_>>().join(", ")
        ))
        .help("look at each with `simurgh show ID`; forget one with --golden ID, or all of them with --all"));
    }
    let customers = meant.len();
    Ok(People { customers, ..closure(meant, &ever, &current) })
}

/// All records and ids of the customers that are meant: every record that was ever theirs and is
/// not another's now, and every id that no record of another's ever had.
fn closure(meant: BTreeSet<String>, ever: &Ever, current: &BTreeMap<RecordKey, String>) -> People {
    let mut held: BTreeMap<&String, Vec<&RecordKey>> = BTreeMap::new();
    for (record, of) in ever {
        of.iter().for_each(|id| held.entry(id).or_default().push(record));
    }
    let of = |id: &String| held.get(id).into_iter().flatten().copied();
    let mut ids = meant;
    let mut records: BTreeSet<RecordKey> = BTreeSet::new();
    loop {
        let before = (ids.len(), records.len());
        let theirs = |record: &&RecordKey| current.get(*record).is_none_or(|id| ids.contains(id));
        let found: Vec<RecordKey> = ids.iter().flat_map(of).filter(theirs).cloned().collect();
        records.extend(found);
        let more: BTreeSet<&String> =
            records.iter().filter_map(|own| ever.get(own)).flatten().collect();
        for id in more {
            // An id of a record that is another customer's now stays.
            if of(id).all(|record| records.contains(record) || !current.contains_key(record)) {
                ids.insert(id.clone());
            }
        }
        if (ids.len(), records.len()) == before {
            break;
        }
    }
    People { records, golden_ids: ids, ..People::default() }
}

/// The golden ids that a request means.
async fn meant(
    world: &World<'_>,
    onto: &Published,
    request: &ForgetRequest,
    ever: &Ever,
    current: &BTreeMap<RecordKey, String>,
) -> Result<BTreeSet<String>> {
    let of = |record: &RecordKey| -> BTreeSet<String> {
        match (current.get(record), ever.get(record)) {
            (Some(id), _) => BTreeSet::from([id.clone()]),
            (None, Some(ids)) => {
                // It is nobody's now: the ids that it had, as far as nobody has them.
                let in_use: BTreeSet<&String> = current.values().collect();
                ids.iter().filter(|id| !in_use.contains(id)).cloned().collect()
            }
            (None, None) => BTreeSet::new(),
        }
    };
    match &request.who {
        Who::Records(records) => Ok(records.iter().flat_map(of).collect()),
        Who::Golden(id) => {
            if ever.values().any(|ids| ids.contains(id)) {
                return Ok(BTreeSet::from([id.clone()]));
            }
            redirected(world, onto, id).await
        }
        Who::Holding(columns, value) => {
            let wanted = plain(value);
            let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
            let number = digits(&wanted);
            let mut found = BTreeSet::new();
            for path in world.files(tables::RECORDS) {
                let Some(batch) = read(world.warehouse, path).await? else { continue };
                let (sources, ids) = (text(&batch, "source")?, text(&batch, "record_id")?);
                for name in *columns {
                    let Ok(column) = text(&batch, name) else { continue };
                    for row in (0..batch.num_rows()).filter(|row| column.is_valid(*row)) {
                        let own = plain(column.value(row));
                        // A number may be written with or without its country.
                        let called = !own.contains('@')
                            && number.len() >= 7
                            && digits(&own).ends_with(number.trim_start_matches('0'));
                        if own == wanted || called {
                            found.extend(of(&RecordKey::new(sources.value(row), ids.value(row))));
                        }
                    }
                }
            }
            Ok(found)
        }
    }
}

/// The id that an old one leads to now.
async fn redirected(world: &World<'_>, onto: &Published, id: &str) -> Result<BTreeSet<String>> {
    let Some(version) = onto.tables.get(tables::ID_REDIRECTS) else { return Ok(BTreeSet::new()) };
    for path in delta::files(world.warehouse, tables::ID_REDIRECTS, *version).await? {
        let Some(batch) = read(world.warehouse, &path).await? else { continue };
        let (old, new) = (text(&batch, "old_golden_id")?, text(&batch, "golden_id")?);
        let open = batch.column_by_name("valid_to");
        for row in 0..batch.num_rows() {
            if old.value(row) == id && open.is_none_or(|column| column.is_null(row)) {
                return Ok(BTreeSet::from([new.value(row).to_owned()]));
            }
        }
    }
    Ok(BTreeSet::new())
}

/// Finds the values that only these people held: in personal columns of their records and raw rows,
/// and in no row that is of another record.
pub(super) async fn values(
    world: &World<'_>,
    contracts: &BTreeMap<String, Contract>,
    people: &mut People,
) -> Result<()> {
    let mut others: BTreeSet<RecordKey> = BTreeSet::new();
    for path in world.files(tables::RECORDS) {
        let Some(batch) = read(world.warehouse, path).await? else { continue };
        let (sources, ids) = (text(&batch, "source")?, text(&batch, "record_id")?);
        let all =
            (0..batch.num_rows()).map(|row| RecordKey::new(sources.value(row), ids.value(row)));
        others.extend(all.filter(|key| !people.records.contains(key)));
    }
    let of_records = super::super::check::landed_contract(world.loaded, tables::RECORDS)?;
    let personal = |table: &str, batch: &RecordBatch| -> Vec<String> {
        let contract = match table.strip_prefix("raw_") {
            Some(source) => contracts.get(source),
            None => of_records.as_ref(),
        };
        match contract {
            Some(contract) => contract.personal_columns().into_iter().map(str::to_owned).collect(),
            None => {
                let schema = batch.schema();
                let names = schema.fields().iter().map(|field| field.name().clone());
                names.filter(|name| !tables::RECORD_COLUMNS.contains(&name.as_str())).collect()
            }
        }
    };
    let sources: Vec<&String> = world
        .leaves
        .keys()
        .filter(|path| match table_of(path) {
            Some((table, false)) => table == tables::RECORDS || table.starts_with("raw_"),
            _ => false,
        })
        .collect();
    for release in [false, true] {
        for path in &sources {
            let (Some((table, _)), Some(batch)) =
                (table_of(path), read(world.warehouse, path).await?)
            else {
                continue;
            };
            let named = world.named(table, &batch).await?;
            let mut owned = people.owns(&batch);
            if let Some(named) = &named {
                for (own, rows) in owned.iter_mut().zip(named) {
                    *own |= rows.iter().any(|(source, id)| people.holds(source, id));
                }
            }
            if !release {
                people.collect(&batch, &owned, &personal(table, &batch));
                continue;
            }
            // A row that is of nobody known says nothing of whose a value is.
            let nobodys: Vec<bool> = match &named {
                None => owned,
                Some(named) => named
                    .iter()
                    .zip(owned)
                    .map(|(rows, own)| {
                        own || !rows.iter().any(|(s, id)| others.contains(&RecordKey::new(s, id)))
                    })
                    .collect(),
            };
            people.release(&batch, &nobodys);
        }
    }
    people.name_ids(&others);
    people.references = references(world.loaded);
    Ok(())
}

/// Columns that hold the id of a record, as the pipeline says.
pub(super) fn references(loaded: &Loaded) -> BTreeSet<String> {
    let relations = loaded.pipeline.golden.relations.iter();
    let mut references: BTreeSet<String> =
        relations.filter_map(|own| own.reference.clone()).collect();
    for source in loaded.pipeline.sources.values() {
        let plain = |sql: &&str| sql.chars().all(|c| c.is_alphanumeric() || c == '_');
        references.extend(source.subjects().map(|(_, sql)| sql).filter(plain).map(str::to_owned));
    }
    references
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_was_ever_theirs_is_and_nothing_that_is_anothers_now() {
        let key = |id: &str| RecordKey::new("crm", id);
        let ids = |own: &[&str]| own.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        let ever = Ever::from([
            (key("1"), ids(&["a", "old"])),
            (key("2"), ids(&["a"])),
            (key("3"), ids(&["a", "b"])),
            (key("4"), ids(&["old"])),
            (key("5"), ids(&["c"])),
        ]);
        let current = BTreeMap::from([
            (key("1"), "a".to_owned()),
            (key("3"), "b".to_owned()),
            (key("5"), "c".to_owned()),
        ]);
        let found = closure(ids(&["a"]), &ever, &current);
        // 2 and 4 are in no export any more; 3 was split off and is another's.
        assert_eq!(found.records, BTreeSet::from([key("1"), key("2"), key("4")]));
        assert_eq!(found.golden_ids, ids(&["a", "old"]));
    }

    #[test]
    fn data_files_are_known_by_their_place() {
        assert_eq!(table_of("tables/records/r-1.parquet"), Some(("records", false)));
        assert_eq!(
            table_of("exports/customers/date=2026-11-01/customers.parquet"),
            Some(("customers", true))
        );
        assert_eq!(table_of("tables/records/_delta_log/00.checkpoint.parquet"), None);
        assert_eq!(table_of("runs/seq/1.json"), None);
    }
}
