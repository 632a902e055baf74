//! What a pipeline says about cleaning: `records` and `facts`.

use schemars::JsonSchema;
use serde::Deserialize;

/// One mapping of a source to conformed customer records: an entry of `records`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordMapping {
    /// The `source` of the records that it gives.
    pub source: String,
    /// A SELECT over `raw_<source>` tables giving `record_id`, `kind`, `updated_at` and attributes. Sources
    /// are united by column name; a column that one lacks is null there.
    pub sql: String,
}
