//! A pipeline file as it is written: serde and nothing else. `resolved` gives it meaning.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::clean::RecordMapping;
use crate::consent::Consent;
use crate::extract::Source;
use crate::golden::Golden;
use crate::land::{Drift, Gate, Land};
use crate::resolve::Resolve;
use crate::tables::{SqlTables, TableAlert, TableCheck};

/// A simurgh pipeline: exports in, golden customers out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// The layout of this file; 1.
    pub version: u32,
    /// The pipeline's name: part of each run's identity.
    pub name: String,
    /// Where exports are: a folder or a URL (`s3://bucket/prefix`); relative to the working directory.
    pub inputs: String,
    /// The currency and time zone of reports.
    #[serde(default)]
    pub reporting: Reporting,
    /// Where each source's exports are and what is tolerated of them.
    pub sources: IndexMap<String, Source>,
    /// How sources become conformed customer records.
    pub records: Vec<RecordMapping>,
    /// Facts, keyed by source and record: tables made by SQL over `raw_<source>`.
    #[serde(default)]
    pub facts: SqlTables,
    /// What customers allow, by purpose; without it everything is allowed.
    pub consent: Option<Consent>,
    /// How records of each kind are resolved to entities.
    pub resolve: IndexMap<String, Resolve>,
    /// How entities become golden customers.
    pub golden: Golden,
    /// Enrichment: tables made by SQL over golden customers and reference data.
    #[serde(default)]
    pub enrich: SqlTables,
    /// The customer 360: tables made by SQL over all of these.
    #[serde(default)]
    pub profile: SqlTables,
    /// What must be true before anything is landed: queries that must give no rows.
    #[serde(default)]
    pub checks: Vec<TableCheck>,
    /// What the run's results should tell whoever acts on them: queries whose rows stand there.
    #[serde(default)]
    pub alerts: Vec<TableAlert>,
    /// Settings that SQL may read as `$name`: thresholds of the customer 360.
    #[serde(default)]
    pub parameters: IndexMap<String, Scalar>,
    /// What a run may change of what readers have, before it stops.
    #[serde(default)]
    pub gate: Gate,
    /// How much a run may differ from the run before, before it warns or stops.
    #[serde(default)]
    pub drift: Drift,
    /// How tables are landed.
    #[serde(default)]
    pub land: Land,
}

/// The currency and time zone of reports.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reporting {
    /// ISO 4217 code.
    pub currency: String,
    /// IANA time zone.
    pub time_zone: String,
}

impl Default for Reporting {
    fn default() -> Self {
        Self { currency: "USD".to_owned(), time_zone: "UTC".to_owned() }
    }
}

/// A number, a text or a truth value.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// true or false
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with decimals.
    Number(f64),
    /// Text.
    Text(String),
}
