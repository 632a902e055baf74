//! What a pipeline says about landing: `land`, and what it does not let pass: `gate`, `drift`.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::limit::Limit;

/// How tables are landed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Land {
    /// Tables that are also written as plain Parquet: `exports/<table>/date=<logical date>/`.
    pub export: Vec<String>,
    /// Tables that are also written as plain Parquet with keyed tokens in the place of personal
    /// values, for analysts: `exports/pseudonymous_<table>/date=<logical date>/`. Their contracts say
    /// which columns are personal; `SIMURGH_HASH_KEY` is the key.
    pub pseudonymous: Vec<String>,
    /// Contracts (ODCS) of landed tables, relative to the pipeline file: a folder with `<table>.odcs.yaml`.
    pub contracts: Option<String>,
    /// How many logical dates `simurgh maintain` keeps, the newest: rollback, replay and time travel reach these. 0: all.
    pub retain_runs: u32,
}

/// What a run may change of the entities that readers have, at most: a count, or a share such as
/// `0.5%`. A run past a limit stops before it publishes; `run --accept` publishes it. What is left
/// out has no limit. A run is compared with what is published of its date, else of the date before.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    /// Entities none of whose records was there before; a share is of the entities before.
    pub max_created: Option<Limit>,
    /// Entities none of whose records is there any more.
    pub max_retired: Option<Limit>,
    /// Entities that went into another.
    pub max_merged: Option<Limit>,
    /// Entities that came out of another.
    pub max_split: Option<Limit>,
    /// Golden ids that are gone though their records are not: old joins need `id_redirects`.
    pub max_redirected: Option<Limit>,
    /// Entities that keep their id and get another value of any attribute; a share is of the entities that keep their id.
    pub max_changed: Option<Limit>,
    /// Rows of facts that move to another golden id; a share is of the rows of the same table.
    pub max_moved_rows: Option<Limit>,
    /// Money that moves to another golden id, in whole units; a share is of all of the column. Needs `amounts`.
    pub max_moved_amount: Option<Limit>,
    /// The column of money of each fact whose moves are summed, such as `transactions: net`.
    pub amounts: IndexMap<String, String>,
}

/// How much a run may differ from the run of the date before: from `warn` on it warns, from `stop`
/// on it stops before it publishes (`run --accept` publishes it).
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Drift {
    /// The share of records that are in an entity with others, up or down, in points: `5%` is from 40% to 45%.
    pub match_rate: DriftLimit,
    /// The share of nulls of any column of `records` and `raw_<source>`, up, in points.
    pub nulls: DriftLimit,
    /// The records of the largest entity, up: `50%` is from 10 to 15.
    pub largest_cluster: DriftLimit,
    /// The rows read of any source, up or down.
    pub rows: DriftLimit,
}

/// Two bounds: a count, or a share such as `5%`.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DriftLimit {
    /// Past this, the run warns.
    pub warn: Option<Limit>,
    /// Past this, the run stops.
    pub stop: Option<Limit>,
}
