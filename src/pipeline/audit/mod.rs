//! Audit bundles: all that is needed to recompute the decisions about a customer, and doing so.
//!
//! A bundle holds the customer's records, those on the other side of a pair with one of them, the
//! pairs, the models and settings that judged them, and what came of it. The check makes all of it
//! again, without the warehouse: values to levels to weights to decisions to the cluster, and the
//! survivors of its values.
//!
//! | file | knows |
//! |---|---|
//! | `bundle` | the zip, and the hashes of its members |
//! | `check` | the decisions, made again |

mod bundle;
mod check;

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use serde::Serialize;
use serde_json::json;

use super::check as configuration;
use super::look::{Look, LookRequest};
use crate::engine::{Engine, Store};
use crate::error::{Error, Result};
use crate::land::History;
use crate::resolve::Model;
use crate::tables;

use bundle::{Bundle, Cover};
pub use check::{Audited, check};

/// The tables that a bundle holds, each with the condition on its rows: `audit_ids` are the customers
/// that are told whole, `audit_keys` their records, `audit_records` those and the others of a pair.
const HELD: &[(&str, &str)] = &[
    (tables::CUSTOMER_LINEAGE, "golden_id IN (SELECT golden_id FROM audit_ids)"),
    (tables::CUSTOMERS, "golden_id IN (SELECT golden_id FROM audit_ids)"),
    (
        tables::DECISIONS,
        "a IN (SELECT address FROM audit_keys) OR b IN (SELECT address FROM audit_keys)",
    ),
    (
        tables::ENTITY_EVENTS,
        "golden_id IN (SELECT golden_id FROM audit_ids) OR other_golden_id IN (SELECT golden_id FROM audit_ids)",
    ),
    (tables::ENTITY_MEMBERS, "source || ':' || record_id IN (SELECT address FROM audit_records)"),
    (tables::ENTITY_QUALITY, "golden_id IN (SELECT golden_id FROM audit_ids)"),
    (
        tables::ID_REDIRECTS,
        "golden_id IN (SELECT golden_id FROM audit_ids) OR old_golden_id IN (SELECT golden_id FROM audit_ids)",
    ),
    (tables::RECORDS, "source || ':' || record_id IN (SELECT address FROM audit_records)"),
    (
        tables::SCORED_PAIRS,
        "source_l || ':' || record_id_l IN (SELECT address FROM audit_keys) OR source_r || ':' || record_id_r IN (SELECT address FROM audit_keys)",
    ),
];

/// What was exported.
#[derive(Debug, Clone, Serialize)]
pub struct Exported {
    /// The run whose decisions it holds.
    pub run_id: String,
    /// The customers that are told whole.
    pub golden_ids: Vec<String>,
    /// Rows by table.
    pub rows: BTreeMap<String, usize>,
    /// The bundle.
    #[serde(skip)]
    pub content: Vec<u8>,
}

/// Writes the bundle of a golden id, a record's customer (`SOURCE:RECORD_ID`), or a whole run.
///
/// # Errors
/// Where there is no such customer or run, or the pipeline is not that of the run.
pub async fn export(request: &LookRequest, what: &str) -> Result<Exported> {
    let store = Store::open(&request.warehouse)?;
    let history = History::read(&store).await?;
    let run = history.entries().iter().rev().find(|entry| entry.run_id == what);
    let mut request = LookRequest { published: true, ..request.clone() };
    if let Some(entry) = run {
        request.date = entry.logical_date.parse().ok();
    }
    let look = Look::open(&request).await?;
    let entry = look.published.clone().ok_or_else(|| Error::bug("nothing was published"))?;
    if run.is_some() && entry.run_id != what {
        return Err(Error::usage(format!("run {what} is no longer in force for its date"))
            .help("name the run that is: simurgh tables"));
    }
    let manifest = store.get(&entry.manifest).await?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest)
        .map_err(|_| Error::data(format!("{}: damaged", store.url_of(&entry.manifest))))?;
    if manifest["configuration"] != configuration::configuration_hash(&look.loaded)?.as_str() {
        return Err(Error::usage("the pipeline file is not the one of the run").help(
            "give the pipeline file, and --set, that the run was made with: they judged its pairs",
        ));
    }
    for (table, _) in HELD {
        look.engine.register(table, look.frame(table).await?)?;
    }
    let ids = match run {
        Some(_) => {
            texts(&look.engine, "SELECT DISTINCT golden_id FROM entity_members ORDER BY 1").await?
        }
        None => vec![customer(&look, what).await?],
    };
    names(&look.engine, "audit_ids", "golden_id", &ids)?;
    let own = "SELECT source || ':' || record_id FROM entity_members \
               WHERE golden_id IN (SELECT golden_id FROM audit_ids) ORDER BY 1";
    let own = texts(&look.engine, own).await?;
    names(&look.engine, "audit_keys", "address", &own)?;
    let pairs = HELD.iter().find(|(table, _)| *table == tables::SCORED_PAIRS);
    let pairs = pairs.map_or("", |(_, condition)| condition);
    let others = format!(
        "SELECT address FROM audit_keys \
         UNION SELECT source_l || ':' || record_id_l FROM scored_pairs WHERE {pairs} \
         UNION SELECT source_r || ':' || record_id_r FROM scored_pairs WHERE {pairs} ORDER BY 1"
    );
    let others = texts(&look.engine, &others).await?;
    names(&look.engine, "audit_records", "address", &others)?;

    let cover = Cover::new(&entry.pipeline, &entry.run_id, &entry.logical_date, &entry.head);
    let mut bundle = Bundle::new(cover);
    let mut rows = BTreeMap::new();
    for (table, condition) in HELD {
        let order = super::stages::sort_of(table).join(", ");
        let sql = format!("SELECT * FROM {table} WHERE {condition} ORDER BY {order}");
        let frame = look.engine.sql(&sql, table).await?;
        let batch = look.engine.collect_one(frame, table).await?;
        rows.insert((*table).to_owned(), batch.num_rows());
        bundle.put_table(table, &[batch])?;
    }
    for hash in look.models().await?.values().map(Model::hash) {
        let path = format!("models/{}.json", hash?);
        bundle.put(&path, store.get(&path).await?);
    }
    if let Some(file) = &look.loaded.pipeline.golden.overrides {
        let text = configuration::overrides_text(&look.loaded, file)?;
        bundle.put("overrides.csv", lines_of(&text, &own));
    }
    let section = |name: &str| look.loaded.document[name].clone();
    bundle.cover.settings = json!({ "resolve": section("resolve"), "golden": section("golden") });
    bundle.cover.golden_ids.clone_from(&ids);
    let content = bundle.pack()?;
    Ok(Exported { run_id: entry.run_id, golden_ids: ids, rows, content })
}

/// The header of a file of overrides, and its lines of these records.
fn lines_of(text: &str, addresses: &[String]) -> String {
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let own = lines.filter(|line| addresses.iter().any(|address| line.contains(address.as_str())));
    std::iter::once(header).chain(own).map(|line| format!("{line}\n")).collect()
}

/// The customer that a golden id, a redirected one, or a record names.
async fn customer(look: &Look, what: &str) -> Result<String> {
    let quoted = format!("'{}'", what.replace('\'', "''"));
    let by_record =
        format!("SELECT golden_id FROM entity_members WHERE source || ':' || record_id = {quoted}");
    let by_id = format!("SELECT golden_id FROM customers WHERE golden_id = {quoted}");
    let redirected = format!(
        "SELECT golden_id FROM id_redirects WHERE old_golden_id = {quoted} AND valid_to IS NULL"
    );
    for sql in [by_record, by_id, redirected] {
        if let Some(id) = texts(&look.engine, &sql).await?.into_iter().next() {
            return Ok(id);
        }
    }
    Err(Error::usage("no published customer, record or run has this name")
        .help("name a golden id, a record (SOURCE:RECORD_ID) or a run_id"))
}

/// The first column of a query, as text.
async fn texts(engine: &Engine, sql: &str) -> Result<Vec<String>> {
    let batch = engine.collect_one(engine.sql(sql, "audit").await?, "audit").await?;
    let column = cast(batch.column(0), &DataType::Utf8)
        .map_err(|_| Error::bug("audit: a name that is no text"))?;
    Ok(column.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
}

/// Makes a list of names a table of one column.
fn names(engine: &Engine, table: &str, column: &str, names: &[String]) -> Result<()> {
    let values: StringArray = names.iter().map(Some).collect();
    let batch = RecordBatch::try_from_iter([(column, std::sync::Arc::new(values) as _)])
        .map_err(|_| Error::bug("audit: names do not fit a column"))?;
    engine.register(table, engine.batches(batch.schema(), vec![batch])?)
}
