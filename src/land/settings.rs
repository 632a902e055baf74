//! What a pipeline says about landing: `land`.

use schemars::JsonSchema;
use serde::Deserialize;

/// How tables are landed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Land {
    /// Tables that are also written as plain Parquet: `exports/<table>/date=<logical date>/`.
    pub export: Vec<String>,
    /// Contracts (ODCS) of landed tables, relative to the pipeline file: a folder with `<table>.odcs.yaml`.
    pub contracts: Option<String>,
}
