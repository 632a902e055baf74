//! `simurgh show`: one customer, each value with the record and the rule it comes from.

use clap::Args;
use serde_json::{Map, Value, json};

use super::out::say;
use super::rows::{Rows, plain, quoted, text};
use super::{Done, Global};
use crate::engine::run_blocking;
use crate::error::{Error, Result};
use crate::pipeline::PublishedTables;
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
];

async fn show(arguments: &Arguments, global: &Global) -> Result<Done> {
    let published = PublishedTables::open(&global.warehouse, None).await?;
    let read = Rows::of(&published, TABLES).await?;
    let rows = async |table: &str, sql: String| -> Result<Vec<Map<String, Value>>> {
        read.of_table(table, &sql).await
    };
    let asked = arguments.id.trim();
    let id = published.golden_id(asked).await?;
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
        if asked != id && !asked.contains(':') {
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
