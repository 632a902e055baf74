//! `simurgh show`: one customer, each value with the record and the rule it comes from.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use clap::Args;
use serde_json::{Map, Value, json};

use super::out::say;
use super::{Done, Global};
use crate::engine::run_blocking;
use crate::error::{Error, Result};
use crate::pipeline::PublishedTables;
use crate::resolve::RecordKey;
use crate::tables;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A golden id, also one that was redirected; or a record, as SOURCE:RECORD_ID
    #[arg(value_name = "ID")]
    id: String,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    run_blocking(show(arguments, global))
}

/// The tables that tell of a customer.
const TABLES: &[&str] = &[
    tables::CUSTOMERS,
    tables::CUSTOMER_LINEAGE,
    tables::CUSTOMER_RELATIONS,
    tables::ENTITY_EVENTS,
    tables::ENTITY_MEMBERS,
    tables::ID_REDIRECTS,
];

async fn show(arguments: &Arguments, global: &Global) -> Result<Done> {
    let published = PublishedTables::open(&global.warehouse, None).await?;
    let readable = published.register(TABLES).await?;
    // A table without rows has no file to read.
    let rows = async |table: &str, sql: String| -> Result<Vec<Map<String, Value>>> {
        if !readable.contains(&table) {
            return Ok(Vec::new());
        }
        Ok(published.query(&sql, "show").await?.iter().flat_map(objects).collect())
    };
    let asked = arguments.id.trim();
    let mut id = asked.to_owned();
    if let Some(key) = RecordKey::parse(asked) {
        let sql = format!(
            "SELECT golden_id FROM entity_members WHERE source = {} AND record_id = {}",
            quoted(&key.source),
            quoted(&key.record_id)
        );
        id = first(&rows(tables::ENTITY_MEMBERS, sql).await?, "golden_id").ok_or_else(|| {
            Error::usage("no published record has this address")
                .help("a record's address is SOURCE:RECORD_ID, as in the table entity_members")
        })?;
    }
    let redirect = format!(
        "SELECT golden_id FROM id_redirects WHERE old_golden_id = {} AND valid_to IS NULL",
        quoted(&id)
    );
    let redirected = first(&rows(tables::ID_REDIRECTS, redirect).await?, "golden_id");
    let id = redirected.clone().unwrap_or(id);
    let of = |table: &str, order: &str| {
        format!("SELECT * FROM \"{table}\" WHERE golden_id = {} ORDER BY {order}", quoted(&id))
    };
    let customer = rows(tables::CUSTOMERS, of(tables::CUSTOMERS, "golden_id")).await?;
    let Some(customer) = customer.into_iter().next() else {
        return Err(Error::usage("no published customer has this id")
            .help("name a golden id of the table customers, or a record as SOURCE:RECORD_ID"));
    };
    let members =
        rows(tables::ENTITY_MEMBERS, of(tables::ENTITY_MEMBERS, "source, record_id")).await?;
    let lineage = of(tables::CUSTOMER_LINEAGE, "attribute, won DESC, source, record_id, value");
    let lineage = rows(tables::CUSTOMER_LINEAGE, lineage).await?;
    let relations = rows(
        tables::CUSTOMER_RELATIONS,
        of(tables::CUSTOMER_RELATIONS, "relation, other_golden_id"),
    )
    .await?;
    let events = of(tables::ENTITY_EVENTS, "logical_date, run_id, event, other_golden_id");
    let events = rows(tables::ENTITY_EVENTS, events).await?;
    if !global.json {
        if let Some(id) = &redirected {
            say!("{asked} is now {id}");
        }
        print(&id, &customer, &members, &lineage, &relations, &events);
    }
    Ok(Done::with(json!({
        "outcome": "shown",
        "golden_id": id,
        "run_id": published.entry.run_id,
        "logical_date": published.entry.logical_date,
        "customer": customer,
        "members": members,
        "lineage": lineage,
        "relations": relations,
        "events": events,
    })))
}

fn print(
    id: &str,
    customer: &Map<String, Value>,
    members: &[Map<String, Value>],
    lineage: &[Map<String, Value>],
    relations: &[Map<String, Value>],
    events: &[Map<String, Value>],
) {
    let kind = text(customer, "kind");
    say!("{kind} {id}, {} records", members.len());
    say!("");
    let width = customer.keys().map(String::len).max().unwrap_or_default();
    for (attribute, value) in customer {
        if ["golden_id", "kind"].contains(&attribute.as_str()) || value.is_null() {
            continue;
        }
        say!("{attribute:<width$}  {}", plain(value));
        for own in lineage.iter().filter(|own| text(own, "attribute") == *attribute) {
            let won = own.get("won") == Some(&Value::Bool(true));
            let record = format!("{}:{}", text(own, "source"), text(own, "record_id"));
            if won {
                say!("{:width$}    from {record} by {}", "", text(own, "rule"));
            } else {
                let reason = text(own, "reason");
                say!("{:width$}    not {} of {record}: {reason}", "", text(own, "value"));
            }
        }
    }
    say!("");
    say!("records");
    for own in members {
        say!("  {}:{}", text(own, "source"), text(own, "record_id"));
    }
    if !relations.is_empty() {
        say!("relations");
        for own in relations {
            say!("  {} {}", text(own, "relation"), text(own, "other_golden_id"));
        }
    }
    say!("history");
    for own in events {
        let other = text(own, "other_golden_id");
        let other = if other.is_empty() { other } else { format!(" {other}") };
        say!(
            "  {} {}{other}: {} ({} records after it)",
            text(own, "logical_date"),
            text(own, "event"),
            text(own, "cause"),
            text(own, "records")
        );
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn first(rows: &[Map<String, Value>], column: &str) -> Option<String> {
    rows.first().map(|row| text(row, column))
}

fn text(row: &Map<String, Value>, column: &str) -> String {
    row.get(column).map(plain).unwrap_or_default()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Rows as JSON: numbers and truth values as such, all else as Arrow writes it.
fn objects(batch: &RecordBatch) -> Vec<Map<String, Value>> {
    let options = FormatOptions::default();
    let schema = batch.schema();
    let columns: Vec<_> = schema.fields().iter().zip(batch.columns()).collect();
    (0..batch.num_rows())
        .map(|row| {
            let value = |array: &dyn Array| -> Value {
                if array.is_null(row) {
                    return Value::Null;
                }
                if let Some(truth) = array.as_boolean_opt() {
                    return truth.value(row).into();
                }
                let written = ArrayFormatter::try_new(array, &options)
                    .map(|formatter| formatter.value(row).to_string())
                    .unwrap_or_default();
                match array.data_type().is_integer() {
                    true => written.parse::<i64>().map_or(Value::String(written), Value::from),
                    false => Value::String(written),
                }
            };
            columns.iter().map(|(field, array)| (field.name().clone(), value(array))).collect()
        })
        .collect()
}
