//! The gate before publishing: what a run would change of what readers have, against the limits
//! that the pipeline sets.
//!
//! A run is compared with the entry in force of its date, for that is what it replaces; else with
//! the one before its date. The first run of a warehouse has nothing to compare with.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::difference::{self, Difference};
use super::run::Run;
use crate::config::Loaded;
use crate::engine::{Done, Engine, Store};
use crate::error::{Error, Result};
use crate::land::{Gate, History, Published, delta, manifest_of};
use crate::limit::Limit;
use crate::tables;

/// What a run changes of what readers have, and which limits that is past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateReport {
    /// The run that it is compared with.
    pub against: String,
    /// That run's logical date.
    pub against_date: String,
    /// Whether the pipeline file, its SQL or its contracts are others than that run's.
    pub configuration_changed: bool,
    /// What lies between them.
    pub difference: Difference,
    /// The limits that it is past.
    pub past: Vec<Past>,
}

impl GateReport {
    /// What was found, for people: a line each.
    pub fn lines(&self) -> Vec<String> {
        let changed = match self.configuration_changed {
            true => ", whose pipeline file, SQL or contracts were others",
            false => "",
        };
        let against =
            format!("compared with run {} of {}{changed}", self.against, self.against_date);
        [against].into_iter().chain(lines(&self.difference)).collect()
    }
}

/// A limit that a run is past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Past {
    /// The limit's key.
    pub limit: String,
    /// What it allows.
    pub allowed: String,
    /// What was found.
    pub found: u64,
    /// Of how many.
    pub of: u64,
}

impl std::fmt::Display for Past {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = self.found as f64 / (self.of as f64).max(1.0) * 100.0;
        let Self { limit, allowed, found, of } = self;
        write!(f, "{limit}: {found} of {of} ({share:.1}%), and {allowed} are allowed")
    }
}

/// What a run is compared with; none for the first.
pub(super) fn baseline<'a>(
    history: &'a History,
    pipeline: &str,
    logical_date: &str,
) -> Option<&'a Published> {
    let in_force = history.by_date(pipeline).get(logical_date).copied();
    let readable = in_force.filter(|entry| history.retired(entry).is_none());
    readable.or_else(|| history.predecessor(pipeline, logical_date))
}

/// Compares what a run has staged with the entry that it replaces or follows.
pub(super) async fn check(run: &Run, staged: &[Done]) -> Result<Option<GateReport>> {
    let Some(baseline) = &run.baseline else { return Ok(None) };
    let gate = &run.loaded.pipeline.gate;
    let mut facts = Vec::new();
    for table in staged.iter().flat_map(|done| &done.tables) {
        let own = run.loaded.pipeline.facts.contains_key(&table.name);
        let fact = own && is_fact(|name| table.schema.field_with_name(name).is_ok());
        if fact {
            facts.push(table.name.clone());
        }
        if fact || difference::READ.contains(&table.name.as_str()) {
            let file = [table.file.path.clone()];
            let frame = run.engine.parquet(run.staging.store(), &file).await?;
            run.engine.register(&format!("after_{}", table.name), frame)?;
        }
    }
    for table in difference::READ {
        register(&run.engine, &run.warehouse, baseline, table, "before").await?;
    }
    let amounts = gate.amounts.clone().into_iter().collect();
    let names = comparisons(&run.loaded);
    let difference = difference::difference(&run.engine, &facts, &amounts, &names).await?;
    let manifest = manifest_of(&run.warehouse, baseline).await?;
    Ok(Some(GateReport {
        configuration_changed: manifest["configuration"] != run.identity.configuration.as_str(),
        against: baseline.run_id.clone(),
        against_date: baseline.logical_date.clone(),
        past: past(gate, &difference),
        difference,
    }))
}

/// Whether a table's rows belong to records.
pub(super) fn is_fact(has: impl Fn(&str) -> bool) -> bool {
    has("source") && has("record_id") && !has("golden_id")
}

/// The names of each kind's comparisons, in their order.
pub(super) fn comparisons(loaded: &Loaded) -> BTreeMap<String, Vec<String>> {
    let kinds = loaded.pipeline.resolve.iter();
    kinds
        .map(|(kind, own)| {
            (kind.clone(), own.comparisons.iter().map(|one| one.name.clone()).collect())
        })
        .collect()
}

/// Names a table of an entry as `<side>_<table>`.
pub(super) async fn register(
    engine: &Engine,
    warehouse: &Store,
    entry: &Published,
    table: &str,
    side: &str,
) -> Result<()> {
    let version = entry.tables.get(table).ok_or_else(|| {
        Error::data(format!("run {}: it has no table `{table}`", entry.run_id))
            .help("compare with a run of a pipeline that resolves records")
    })?;
    let files = delta::files(warehouse, table, *version).await?;
    let frame = match files.is_empty() {
        false => engine.parquet(warehouse, &files).await?,
        true => {
            let (_, schema) = tables::fixed()
                .into_iter()
                .find(|(name, _)| *name == table)
                .ok_or_else(|| Error::data(format!("run {}: `{table}` is empty", entry.run_id)))?;
            engine.batches(schema, Vec::new())?
        }
    };
    engine.register(&format!("{side}_{table}"), frame)
}

/// The limits that a difference is past.
fn past(gate: &Gate, found: &Difference) -> Vec<Past> {
    let entities = found.entities_before;
    let mut past = Vec::new();
    let mut check = |key: &str, limit: Option<Limit>, count: u64, of: u64| {
        if let Some(limit) = limit.filter(|limit| limit.exceeded(count, of)) {
            past.push(Past { limit: key.to_owned(), allowed: allowed(limit), found: count, of });
        }
    };
    check("gate.max_created", gate.max_created, found.created, entities);
    check("gate.max_retired", gate.max_retired, found.retired, entities);
    check("gate.max_merged", gate.max_merged, found.merged, entities);
    check("gate.max_split", gate.max_split, found.split, entities);
    check("gate.max_redirected", gate.max_redirected, found.redirected, entities);
    check("gate.max_changed", gate.max_changed, found.changed, found.kept);
    for (table, moved) in &found.facts {
        let key = format!("gate.max_moved_rows ({table})");
        check(&key, gate.max_moved_rows, moved.moved, moved.rows);
        if let (Some(amount), Some(moves)) = (&moved.amount, &moved.moved_amount) {
            let key = format!("gate.max_moved_amount ({table})");
            check(&key, gate.max_moved_amount, whole(moves), whole(amount));
        }
    }
    past
}

/// A limit without the unit, which each says itself.
pub(super) fn allowed(limit: Limit) -> String {
    match limit {
        Limit::Rows(count) => count.to_string(),
        share @ Limit::Share(_) => share.to_string(),
    }
}

/// The whole units of a sum that is written out.
fn whole(amount: &str) -> u64 {
    amount.split('.').next().and_then(|units| units.parse().ok()).unwrap_or(0)
}

/// What lies between two runs, for people: a line each.
pub fn lines(found: &Difference) -> Vec<String> {
    let mut lines = vec![
        format!(
            "entities {} -> {}: {} created, {} retired, {} merged, {} split",
            found.entities_before,
            found.entities_after,
            found.created,
            found.retired,
            found.merged,
            found.split
        ),
        format!(
            "golden ids: {} redirected; {} records move to another",
            found.redirected, found.records_moved
        ),
    ];
    let mut attributes: Vec<(&String, &u64)> = found.attributes.iter().collect();
    attributes.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let named: Vec<String> =
        attributes.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let named = if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) };
    lines.push(format!("attributes: {} of {} entities changed{named}", found.changed, found.kept));
    for (table, moved) in &found.facts {
        let amount = match (&moved.column, &moved.amount, &moved.moved_amount) {
            (Some(column), Some(all), Some(moves)) => format!(", {moves} of {all} {column}"),
            _ => String::new(),
        };
        lines.push(format!(
            "downstream: {} of {} rows of {table} move to another id{amount}",
            moved.moved, moved.rows
        ));
    }
    for cluster in &found.largest {
        lines.push(format!(
            "merged: {} of {} entities, {} records",
            cluster.golden_id, cluster.entities_before, cluster.records
        ));
    }
    for (place, cause) in found.causes.iter().enumerate() {
        let what = if place == 0 { "likeliest cause" } else { "also" };
        lines.push(format!("{what}: {} ({} of {} pairs)", cause.cause, cause.pairs, cause.of));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::difference::Moved;

    #[test]
    fn each_limit_stops_by_itself() {
        let fact = Moved {
            rows: 100,
            moved: 7,
            column: Some("net".to_owned()),
            amount: Some("900.50".to_owned()),
            moved_amount: Some("90.10".to_owned()),
        };
        let found = Difference {
            entities_before: 1000,
            created: 10,
            retired: 20,
            merged: 5,
            split: 4,
            redirected: 3,
            kept: 900,
            changed: 90,
            facts: [("transactions".to_owned(), fact)].into(),
            ..Difference::default()
        };
        let share = |percent: f64| Some(Limit::Share(percent / 100.0));
        let exact = Gate {
            max_created: share(1.0),
            max_retired: Some(Limit::Rows(20)),
            max_merged: share(0.5),
            max_split: share(0.4),
            max_redirected: Some(Limit::Rows(3)),
            max_changed: share(10.0),
            max_moved_rows: share(7.0),
            max_moved_amount: Some(Limit::Rows(90)),
            amounts: indexmap::IndexMap::new(),
        };
        assert_eq!(past(&exact, &found), []);
        let tighter = Gate {
            max_created: share(0.9),
            max_retired: Some(Limit::Rows(19)),
            max_merged: share(0.4),
            max_split: share(0.3),
            max_redirected: Some(Limit::Rows(2)),
            max_changed: share(9.9),
            max_moved_rows: share(6.9),
            max_moved_amount: Some(Limit::Rows(89)),
            amounts: indexmap::IndexMap::new(),
        };
        assert_eq!(past(&tighter, &found).len(), 8);
        let one = past(&Gate { max_merged: share(0.4), ..Gate::default() }, &found);
        assert_eq!(one[0].to_string(), "gate.max_merged: 5 of 1000 (0.5%), and 0.4% are allowed");
        assert_eq!(past(&Gate::default(), &found), []);
    }
}
