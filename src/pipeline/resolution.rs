//! The resolve stage: each kind's records through its model, then golden ids over all kinds at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use serde_json::json;

use super::run::Run;
use super::stages::{earlier_as, hand_over, sort_of};
use crate::engine::{Attempt, Engine};
use crate::error::{Error, Result};
use crate::resolve::{self, Identified, RecordKey};
use crate::tables;

pub(super) async fn stage(run: &Run, attempt: &mut Attempt) -> Result<serde_json::Value> {
    let mut kinds = serde_json::Map::new();
    let mut warnings: Vec<String> = Vec::new();
    let mut pairs = Vec::new();
    let mut clusters: Vec<Vec<RecordKey>> = Vec::new();
    let mut links = Vec::new();
    let mut models = Vec::new();
    for (kind, settings) in &run.loaded.pipeline.resolve {
        let input = input(run, kind, settings).await?;
        let options = resolve::Options { threads: run.engine.options().threads };
        let resolved = resolve::resolve(&input, &[], None, options)?;
        kinds.insert(kind.clone(), report(&resolved));
        warnings.extend(resolved.warnings.iter().map(|text| format!("{kind}: {text}")));
        clusters.extend(members(&input, &resolved.clusters));
        // Named by its content, it can be written at once: nothing refers to it until the run is
        // published.
        let text = resolved.model.to_json()?;
        let path = format!("models/{}.json", resolved.model.hash()?);
        models.push(json!({
            "kind": kind,
            "path": path,
            "blake3": blake3::hash(text.as_bytes()).to_hex().to_string(),
        }));
        run.warehouse.put(&path, text).await?;
        pairs.push(resolved.pairs);
        links.extend(resolved.links);
    }
    unresolved_kinds(run).await?;

    let earlier_members = earlier_as(run, tables::ENTITY_MEMBERS, tables::entity_members()).await?;
    let earlier_events = earlier_as(run, tables::ENTITY_EVENTS, tables::entity_events()).await?;
    let earlier_redirects = earlier_as(run, tables::ID_REDIRECTS, tables::id_redirects()).await?;
    let previous = run.predecessor.as_ref().map(|_| resolve::Previous {
        members: &earlier_members,
        events: &earlier_events,
        redirects: &earlier_redirects,
    });
    let identify = resolve::IdentifyRun {
        pipeline: &run.identity.pipeline,
        run_id: &run.identity.run_id,
        logical_date: days(run.date),
    };
    let Identified { members, events, redirects, .. } =
        resolve::identify(&identify, &clusters, previous.as_ref(), &links)?;
    let schema = tables::scored_pairs();
    // Each kind's pairs are sorted; all of them together are not yet.
    let pairs = run.engine.batches(Arc::clone(&schema), pairs)?;
    let pairs = run.engine.sorted(pairs, sort_of(tables::SCORED_PAIRS))?;
    let pairs = run.engine.collect_one(pairs, tables::SCORED_PAIRS).await?;
    let pairs_before = earlier_as(run, tables::SCORED_PAIRS, Arc::clone(&schema)).await?;
    let log = resolve::match_log(Some(&pairs_before), &pairs, &run.identity.run_id)?;
    let entities = golden_ids(&members);
    hand_over(run, attempt, tables::SCORED_PAIRS, schema, vec![pairs]).await?;
    hand_over(run, attempt, tables::MATCH_LOG, tables::match_log(), vec![log]).await?;
    hand_over(run, attempt, tables::ENTITY_MEMBERS, tables::entity_members(), vec![members])
        .await?;
    hand_over(run, attempt, tables::ENTITY_EVENTS, tables::entity_events(), vec![events]).await?;
    hand_over(run, attempt, tables::ID_REDIRECTS, tables::id_redirects(), vec![redirects]).await?;
    hand_over(run, attempt, tables::DECISIONS, tables::decisions(), Vec::new()).await?;
    Ok(json!({ "kinds": kinds, "entities": entities, "models": models, "warnings": warnings }))
}

/// One kind's records: every expression that its settings name, evaluated in order of
/// (source, record_id).
pub(super) async fn input<'a>(
    run: &Run,
    kind: &'a str,
    settings: &'a resolve::Resolve,
) -> Result<resolve::Input<'a>> {
    input_of(&run.engine, kind, kind, settings).await
}

/// The same of the engine's table `records`: those of kind `of`, for the model of `kind`.
pub(super) async fn input_of<'a>(
    engine: &Engine,
    of: &str,
    kind: &'a str,
    settings: &'a resolve::Resolve,
) -> Result<resolve::Input<'a>> {
    let what = format!("resolve.{kind}");
    let frame = engine.sql(&sql(of, &settings.expressions()), &what).await?;
    let batch = engine.collect_one(frame, &what).await?;
    let text = |index: usize| -> Result<StringArray> {
        let column = arrow::compute::cast(batch.column(index), &DataType::Utf8)
            .map_err(|_| Error::bug(format!("{what}: a key that is not text")))?;
        Ok(column.as_string::<i32>().clone())
    };
    let columns = batch.columns().iter().skip(2).map(Arc::clone);
    Ok(resolve::Input {
        kind,
        settings,
        source: text(0)?,
        record_id: text(1)?,
        expressions: settings.expressions().into_iter().zip(columns).collect(),
    })
}

/// What a resolution did, in counts.
fn report(resolved: &resolve::Resolved) -> serde_json::Value {
    let mut guards: BTreeMap<&str, u64> = BTreeMap::new();
    for guard in &resolved.guards {
        *guards.entry(guard.guard.as_str()).or_default() += 1;
    }
    json!({
        "blocking": resolved.blocking,
        "pairs_compared": resolved.pairs_compared,
        "pairs_scored": resolved.pairs.num_rows(),
        "converged": resolved.converged,
        "iterations": resolved.iterations,
        "guards": guards,
    })
}

/// The SELECT that gives a kind's resolution input: `source`, `record_id`, then the expressions as
/// `e0`, `e1`, ...
pub(super) fn sql(kind: &str, expressions: &[String]) -> String {
    let mut sql = "SELECT source, record_id".to_owned();
    for (index, expression) in expressions.iter().enumerate() {
        sql.push_str(&format!(", ({expression}) AS e{index}"));
    }
    let kind = kind.replace('\'', "''");
    sql + &format!(" FROM records WHERE kind = '{kind}' ORDER BY source, record_id")
}

/// Records by cluster, clusters and members in row order.
fn members(input: &resolve::Input<'_>, clusters: &[u32]) -> Vec<Vec<RecordKey>> {
    let mut members: BTreeMap<u32, Vec<RecordKey>> = BTreeMap::new();
    for (row, cluster) in clusters.iter().enumerate() {
        let record = RecordKey::new(input.source.value(row), input.record_id.value(row));
        members.entry(*cluster).or_default().push(record);
    }
    members.into_values().collect()
}

/// Records whose kind no `resolve` entry names would belong to nobody: that is an error.
async fn unresolved_kinds(run: &Run) -> Result<()> {
    let known: Vec<String> =
        run.loaded.pipeline.resolve.keys().map(|kind| format!("'{kind}'")).collect();
    let sql = format!(
        "SELECT source FROM records WHERE kind IS NULL OR kind NOT IN ({})",
        known.join(", ")
    );
    let frame = run.engine.sql(&sql, "records of an unknown kind").await?;
    let count = run.engine.count(frame, "records of an unknown kind").await?;
    if count > 0 {
        return Err(Error::data(format!(
            "{count} records are of a kind that `resolve` does not name"
        ))
        .help(format!("the kinds are {}; mend the SQL of `records`", known.join(", "))));
    }
    Ok(())
}

fn golden_ids(members: &RecordBatch) -> u64 {
    let Some(ids) = members
        .column_by_name("golden_id")
        .and_then(|column| column.as_any().downcast_ref::<StringArray>())
    else {
        return 0;
    };
    ids.iter().flatten().collect::<std::collections::BTreeSet<_>>().len() as u64
}

fn days(date: jiff::civil::Date) -> i32 {
    jiff::civil::date(1970, 1, 1).until(date).map_or(0, |span| span.get_days())
}
