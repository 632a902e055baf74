//! A contract as it is written: the part of ODCS 3.1 that is read, by serde and nothing else.
//!
//! The standard is large (servers, prices, teams, service levels); keys that bear on neither
//! columns nor rows are passed over. Scalars of rules are kept as text: what they mean depends on
//! the column's type, which [`super::resolve`] knows.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(super) struct RawContract {
    pub(super) kind: Option<String>,
    #[serde(rename = "apiVersion")]
    pub(super) api_version: Option<String>,
    #[serde(default)]
    pub(super) schema: Vec<RawTable>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawTable {
    pub(super) name: String,
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) properties: Vec<RawColumn>,
    #[serde(default)]
    pub(super) quality: Vec<RawQuality>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawColumn {
    pub(super) name: String,
    pub(super) physical_name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) logical_type: Option<String>,
    pub(super) physical_type: Option<String>,
    pub(super) logical_type_options: Option<RawOptions>,
    pub(super) items: Option<RawItems>,
    #[serde(default)]
    pub(super) required: bool,
    #[serde(default)]
    pub(super) unique: bool,
    #[serde(default)]
    pub(super) primary_key: bool,
    pub(super) primary_key_position: Option<i64>,
    pub(super) classification: Option<String>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    #[serde(default)]
    pub(super) quality: Vec<RawQuality>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawItems {
    pub(super) logical_type: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawOptions {
    pub(super) minimum: Option<String>,
    pub(super) maximum: Option<String>,
    pub(super) exclusive_minimum: Option<String>,
    pub(super) exclusive_maximum: Option<String>,
    pub(super) min_length: Option<u64>,
    pub(super) max_length: Option<u64>,
    pub(super) pattern: Option<String>,
    pub(super) format: Option<String>,
}

/// A quality rule: of the library (`metric`), or one that is text, SQL or a vendor's.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawQuality {
    pub(super) name: Option<String>,
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) metric: Option<String>,
    /// The standard's older name of `metric`.
    pub(super) rule: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) severity: Option<String>,
    pub(super) arguments: Option<RawArguments>,
    pub(super) must_be: Option<String>,
    pub(super) must_be_greater_than: Option<String>,
    pub(super) must_be_greater_or_equal_to: Option<String>,
    pub(super) must_be_less_than: Option<String>,
    pub(super) must_be_less_or_equal_to: Option<String>,
    pub(super) must_be_between: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawArguments {
    pub(super) valid_values: Option<Vec<String>>,
    pub(super) pattern: Option<String>,
    pub(super) properties: Option<Vec<String>>,
}
