//! Names and schemas of the tables between stages: what every stage may know of the others.
//!
//! `records` and `customers` hold the pipeline's own attributes beside the columns named here;
//! all other tables of resolution have exactly these columns. Times are UTC timestamps in
//! microseconds, dates are days, text is UTF-8, `match_weight` is a multiple of 2^-20.

use std::sync::Arc;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// A UTC timestamp in microseconds.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The file beside a run's results that holds their BLAKE3.
pub const RESULT_SUMS: &str = "results.b3";

/// Money: `Decimal128(18, 2)`, beside a `currency` column.
pub const MONEY: DataType = DataType::Decimal128(18, 2);

/// How a table's rows relate to those of the run before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Growth {
    /// A run replaces all rows.
    #[default]
    Snapshot,
    /// A run adds rows; the earlier ones stay.
    Log,
}

/// A table of the house: its name, how it grows, and what its rows are sorted by.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The table's name, in staging, in the warehouse and in SQL.
    pub name: &'static str,
    /// How its rows relate to those of the run before.
    pub growth: Growth,
    /// The columns that sort it, which together are its key.
    pub sort: &'static [&'static str],
}

/// Every table of resolution and golden records, sorted by name. The tables of sources
/// (`raw_<source>`), of facts, of enrichment and of the profile are named by the pipeline.
pub const TABLES: &[Table] = &[
    Table {
        name: CUSTOMER_LINEAGE,
        growth: Growth::Snapshot,
        sort: &["golden_id", "attribute", "source", "record_id"],
    },
    Table {
        name: CUSTOMER_RELATIONS,
        growth: Growth::Snapshot,
        sort: &["golden_id", "relation", "other_golden_id"],
    },
    Table { name: CUSTOMERS, growth: Growth::Snapshot, sort: &["golden_id"] },
    Table { name: "customers_for_enrichment", growth: Growth::Snapshot, sort: &["golden_id"] },
    Table { name: "customers_for_marketing", growth: Growth::Snapshot, sort: &["golden_id"] },
    Table { name: DECISIONS, growth: Growth::Snapshot, sort: &["decision_id"] },
    Table {
        name: ENTITY_EVENTS,
        growth: Growth::Log,
        sort: &["golden_id", "event", "other_golden_id"],
    },
    Table {
        name: ENTITY_MEMBERS,
        growth: Growth::Snapshot,
        sort: &["golden_id", "source", "record_id"],
    },
    Table { name: ENTITY_QUALITY, growth: Growth::Snapshot, sort: &["golden_id"] },
    Table {
        name: ID_REDIRECTS,
        growth: Growth::Snapshot,
        sort: &["old_golden_id", "valid_from", "golden_id"],
    },
    Table {
        name: MATCH_LOG,
        growth: Growth::Log,
        sort: &["source_l", "record_id_l", "source_r", "record_id_r"],
    },
    Table {
        name: QUARANTINE,
        growth: Growth::Log,
        sort: &["source", "file", "row_number", "rule"],
    },
    Table { name: RECORDS, growth: Growth::Snapshot, sort: &["source", "record_id"] },
    Table {
        name: SCORED_PAIRS,
        growth: Growth::Snapshot,
        sort: &["source_l", "record_id_l", "source_r", "record_id_r"],
    },
];

/// Conformed customer records, one row a (source, record_id).
pub const RECORDS: &str = "records";
/// The crosswalk: which records are which golden customer.
pub const ENTITY_MEMBERS: &str = "entity_members";
/// What happened to golden ids, run by run.
pub const ENTITY_EVENTS: &str = "entity_events";
/// How well the records of a golden customer hold together.
pub const ENTITY_QUALITY: &str = "entity_quality";
/// Which id an old golden id became.
pub const ID_REDIRECTS: &str = "id_redirects";
/// The pairs at or above the review threshold, and those that a rule or a steward decided.
pub const SCORED_PAIRS: &str = "scored_pairs";
/// `scored_pairs` through time: what each run added, changed and removed.
pub const MATCH_LOG: &str = "match_log";
/// What stewards decided.
pub const DECISIONS: &str = "decisions";
/// Golden customers.
pub const CUSTOMERS: &str = "customers";
/// Purposes for which values survive apart, each into a table of its own.
pub const PURPOSES: &[&str] = &[ENRICHMENT, MARKETING];
/// The purpose of adding what others know of a customer.
pub const ENRICHMENT: &str = "enrichment";
/// The purpose of addressing a customer.
pub const MARKETING: &str = "marketing";

/// Golden customers with only the values that may be used for a purpose.
pub fn customers_for(purpose: &str) -> String {
    format!("{CUSTOMERS}_for_{purpose}")
}

/// Where each golden value came from, and why the others lost.
pub const CUSTOMER_LINEAGE: &str = "customer_lineage";
/// How golden customers relate to each other.
pub const CUSTOMER_RELATIONS: &str = "customer_relations";
/// Rows that were refused, raw, with the reason.
pub const QUARANTINE: &str = "quarantine";

/// A table made by SQL (`facts`, `enrich`, `profile`): it may read every table before it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlTable {
    /// The SELECT, here; or give `file`.
    pub sql: Option<String>,
    /// The SELECT, in a file relative to the pipeline file; or give `sql`.
    pub file: Option<String>,
    /// The columns that sort the table and are its key: no two rows share all of them.
    pub key: Vec<String>,
    /// How its rows relate to those of the run before: `snapshot` replaces them, `log` adds to them.
    #[serde(default)]
    pub growth: Growth,
    /// What is computed of the SELECT's rows, where SQL cannot say it: a name of
    /// `docs/computations.md`. Else the rows are the table.
    pub compute: Option<String>,
    /// Settings of the computation, numbers by name.
    #[serde(default)]
    pub settings: IndexMap<String, f64>,
}

/// In SQL, `previous_<table>` is that table as the run before left it.
pub const PREVIOUS: &str = "previous_";

/// One thing that must be true of a run's tables: an entry of `checks`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableCheck {
    /// What is checked, as a plain name.
    pub name: String,
    /// A SELECT over any table of the run that gives what is wrong: a row stops the run.
    pub sql: String,
}

/// One thing to act on that a run's tables may tell: an entry of `alerts`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableAlert {
    /// What is told, as a plain name.
    pub name: String,
    /// A SELECT over any table of the run. Its rows, 100 at most, stand in the run's results, so no
    /// column may be made of a personal one; a row stops nothing.
    pub sql: String,
}

/// Tables made by SQL, by name, in the order in which they are made.
pub type SqlTables = IndexMap<String, SqlTable>;

/// The column that partitions a table in Delta Lake, if one does; never a personal one. Every file holds
/// one value of it.
pub fn partition(name: &str) -> Option<&'static str> {
    (name == MATCH_LOG).then_some("run_day")
}

/// The declared table of this name, if it is one of the house's own.
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// The columns of `records` that every pipeline has; all others are attributes.
pub const RECORD_COLUMNS: &[&str] =
    &["source", "record_id", "kind", "updated_at", "content_hash", "run_id"];

fn schema(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, false)
}

fn optional_text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

/// `quarantine`: rows refused at extraction.
pub fn quarantine() -> SchemaRef {
    schema(vec![
        text("source"),
        text("file"),
        Field::new("row_number", DataType::UInt64, false),
        text("rule"),
        text("reason"),
        optional_text("raw"),
        text("run_id"),
    ])
}

/// `entity_members`: the crosswalk from records to golden ids.
pub fn entity_members() -> SchemaRef {
    schema(vec![text("golden_id"), text("source"), text("record_id"), text("since_run")])
}

/// `entity_events`: created, grown, shrunk, merged, split, retired, restored.
///
/// `merged`: `golden_id` went into `other_golden_id`. `split`: `golden_id` came out of
/// `other_golden_id`. `cause` says which records or pairs brought it about; `records` counts the
/// members after the event; `logical_date` is the run's.
pub fn entity_events() -> SchemaRef {
    schema(vec![
        text("run_id"),
        text("golden_id"),
        text("event"),
        text("cause"),
        optional_text("other_golden_id"),
        Field::new("records", DataType::UInt32, false),
        Field::new("logical_date", DataType::Date32, false),
    ])
}

/// `entity_quality`: one row for each golden id of two records or more.
pub fn entity_quality() -> SchemaRef {
    schema(vec![
        text("golden_id"),
        Field::new("members", DataType::UInt32, false),
        Field::new("cohesion", DataType::Float64, false),
        Field::new("weakest_link", DataType::Float64, false),
        Field::new("bridge", DataType::Boolean, false),
    ])
}

/// `id_redirects`: `valid_to` is null while the redirection holds.
pub fn id_redirects() -> SchemaRef {
    schema(vec![
        text("old_golden_id"),
        text("golden_id"),
        Field::new("valid_from", DataType::Date32, false),
        Field::new("valid_to", DataType::Date32, true),
        text("run_id"),
    ])
}

/// `scored_pairs`: `levels` and `weights` are lists in the order of the model's comparisons; a
/// level is 0 where a value is missing, else 1 for the strictest. `match_weight` is log2 of the
/// posterior odds: `prior_weight`, all `weights` and `other_weight` add up to it exactly.
/// `term_frequency_weights` are the part of `weights` that rare and common values make. Columns after
/// `model_hash` are null in rows that an earlier version wrote.
pub fn scored_pairs() -> SchemaRef {
    let list = |name: &str, item: DataType| {
        Field::new(name, DataType::List(Arc::new(Field::new("item", item, false))), false)
    };
    let number = |name: &str| Field::new(name, DataType::Float64, true);
    let hashes = |name: &str| {
        let item = Field::new("item", DataType::Utf8, true);
        Field::new(name, DataType::List(Arc::new(item)), true)
    };
    schema(vec![
        text("source_l"),
        text("record_id_l"),
        text("source_r"),
        text("record_id_r"),
        Field::new("match_weight", DataType::Float64, false),
        Field::new("match_probability", DataType::Float64, false),
        list("levels", DataType::UInt8),
        list("weights", DataType::Float64),
        text("blocking_rule"),
        text("decision"),
        text("decided_by"),
        text("model_hash"),
        number("prior_weight"),
        list("term_frequency_weights", DataType::Float64).with_nullable(true),
        number("other_weight"),
        hashes("value_hashes_l"),
        hashes("value_hashes_r"),
        optional_text("hash_key_id"),
        Field::new("joined", DataType::Boolean, true),
        optional_text("guard"),
    ])
}

/// `match_log`: `scored_pairs` with the run, what changed, the run's day and its configuration.
pub fn match_log() -> SchemaRef {
    let mut fields: Vec<Field> =
        scored_pairs().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.push(text("run_id"));
    fields.push(text("change"));
    fields.push(Field::new("run_day", DataType::Date32, true));
    fields.push(optional_text("configuration"));
    schema(fields)
}

/// `decisions`: `a` and `b` are record addresses, `SOURCE:RECORD_ID`; their golden ids are those of
/// the moment. `keep_golden_id` is the id that the entity of `a` is to keep.
pub fn decisions() -> SchemaRef {
    schema(vec![
        text("decision_id"),
        text("a"),
        text("b"),
        text("verdict"),
        text("by"),
        Field::new("at", timestamp(), false),
        optional_text("why"),
        Field::new("withdrawn_at", timestamp(), true),
        optional_text("withdrawn_by"),
        optional_text("golden_id_a"),
        optional_text("golden_id_b"),
        optional_text("keep_golden_id"),
    ])
}

/// `customer_lineage`: one row for each value that was there, won or lost.
pub fn customer_lineage() -> SchemaRef {
    schema(vec![
        text("golden_id"),
        text("attribute"),
        text("source"),
        text("record_id"),
        optional_text("value"),
        text("rule"),
        Field::new("won", DataType::Boolean, false),
        text("reason"),
    ])
}

/// `customer_relations`: household (the smaller id first), works_for, subsidiary_of, referred.
pub fn customer_relations() -> SchemaRef {
    schema(vec![text("golden_id"), text("relation"), text("other_golden_id"), text("evidence")])
}

/// The tables whose columns are the same in every pipeline, with their schemas, by name.
pub fn fixed() -> Vec<(&'static str, SchemaRef)> {
    vec![
        (CUSTOMER_LINEAGE, customer_lineage()),
        (CUSTOMER_RELATIONS, customer_relations()),
        (DECISIONS, decisions()),
        (ENTITY_EVENTS, entity_events()),
        (ENTITY_MEMBERS, entity_members()),
        (ENTITY_QUALITY, entity_quality()),
        (ID_REDIRECTS, id_redirects()),
        (MATCH_LOG, match_log()),
        (QUARANTINE, quarantine()),
        (SCORED_PAIRS, scored_pairs()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_unique_and_keyed() {
        assert!(TABLES.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(TABLES.iter().all(|table| !table.sort.is_empty()));
    }

    #[test]
    fn fixed_schemas_hold_their_sort_columns() {
        for (name, schema) in fixed() {
            for column in table(name).expect("declared").sort {
                assert!(schema.field_with_name(column).is_ok(), "{name}.{column}");
            }
        }
    }
}
