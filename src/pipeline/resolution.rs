//! The resolve stage: each kind's records through its model, then golden ids over all kinds at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray, UInt32Array,
};
use arrow::datatypes::{DataType, SchemaRef};
use serde_json::json;

use super::models::{self, Choice};
use super::run::Run;
use super::stages::{earlier_as, hand_over, sort_of};
use crate::engine::{Attempt, Engine, PairConditions, PairPlan, RowPlan};
use crate::error::{Error, Result};
use crate::resolve::{self, Identified, RecordKey};
use crate::tables;

pub(super) async fn stage(run: &Run, attempt: &mut Attempt) -> Result<serde_json::Value> {
    let mut kinds = serde_json::Map::new();
    let mut warnings: Vec<String> = Vec::new();
    let mut pairs = Vec::new();
    let mut clusters: Vec<Vec<RecordKey>> = Vec::new();
    let mut links = Vec::new();
    let mut named = Vec::new();
    let mut quality: Vec<(RecordKey, resolve::ClusterQuality)> = Vec::new();
    let earlier_models = models::earlier(run).await?;
    for (kind, settings) in &run.loaded.pipeline.resolve {
        let input = input(run, kind, settings).await?;
        let options = resolve::Options { threads: run.engine.options().threads };
        let choice = models::choose(run, kind, settings, &earlier_models).await?;
        let resolved = resolve::resolve(&input, &[], choice.model.clone(), options)?;
        kinds.insert(kind.clone(), report(&resolved, &choice));
        let grown = choice.warning(input.source.len() as u64);
        warnings.extend(resolved.warnings.iter().chain(&grown).map(|own| format!("{kind}: {own}")));
        let own = members(&input, &resolved.clusters);
        quality
            .extend(resolved.quality.iter().map(|of| (own[of.cluster as usize][0].clone(), *of)));
        clusters.extend(own);
        named.push(models::keep(run, kind, settings, &choice, &resolved.model).await?);
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
    let quality = quality_table(&members, &quality)?;
    hand_over(run, attempt, tables::SCORED_PAIRS, schema, vec![pairs]).await?;
    hand_over(run, attempt, tables::MATCH_LOG, tables::match_log(), vec![log]).await?;
    hand_over(run, attempt, tables::ENTITY_MEMBERS, tables::entity_members(), vec![members])
        .await?;
    hand_over(run, attempt, tables::ENTITY_QUALITY, tables::entity_quality(), vec![quality])
        .await?;
    hand_over(run, attempt, tables::ENTITY_EVENTS, tables::entity_events(), vec![events]).await?;
    hand_over(run, attempt, tables::ID_REDIRECTS, tables::id_redirects(), vec![redirects]).await?;
    hand_over(run, attempt, tables::DECISIONS, tables::decisions(), Vec::new()).await?;
    Ok(json!({ "kinds": kinds, "entities": entities, "models": named, "warnings": warnings }))
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
    let records = engine.sql("SELECT * FROM records", &what).await?;
    let schema = Arc::new(records.schema().as_arrow().clone());
    let asked = Asked::of(engine, schema, kind, settings).await?;
    let columns = asked.columns().into_iter().map(|name| column(&name)).collect::<Vec<_>>();
    let frame = engine.sql(&sql(of, &columns), &what).await?;
    let batch = engine.collect_one(frame, &what).await?;
    let fields = ["source", "record_id"].map(str::to_owned).into_iter().chain(asked.columns());
    let columns = fields.zip(batch.columns()).map(|(name, own)| (name, Arc::clone(own), true));
    let records = RecordBatch::try_from_iter_with_nullable(columns)
        .map_err(|_| Error::bug(format!("{what}: columns of two lengths")))?;
    asked.over(&records)
}

/// A column's name as SQL.
fn column(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What a kind's settings ask of records, planned over their columns.
pub(super) struct Asked<'a> {
    kind: &'a str,
    settings: &'a resolve::Resolve,
    expressions: Vec<String>,
    rows: RowPlan,
    conditions: Vec<(String, String)>,
    pairs: Option<PairPlan>,
}

impl<'a> Asked<'a> {
    /// Plans over records of this schema.
    ///
    /// # Errors
    /// What is no SQL over these columns.
    pub(super) async fn of(
        engine: &Engine,
        records: SchemaRef,
        kind: &'a str,
        settings: &'a resolve::Resolve,
    ) -> Result<Self> {
        let (expressions, conditions) = (settings.expressions(), settings.conditions());
        let pairs = plan_conditions(engine, Arc::clone(&records), kind, &conditions).await?;
        let what = format!("resolve.{kind}");
        let rows = engine.row_plan(records, &expressions, &what).await?;
        Ok(Self { kind, settings, expressions, rows, conditions, pairs })
    }

    /// The columns that are read beside those that every record has first.
    fn columns(&self) -> Vec<String> {
        let mut names = self.rows.columns();
        names.extend(self.pairs.as_ref().map_or_else(Vec::new, PairPlan::columns));
        names.sort();
        names.dedup();
        names.retain(|name| !["source", "record_id"].contains(&name.as_str()));
        names
    }

    /// Evaluates over records, which are sorted by (source, record_id).
    ///
    /// # Errors
    /// A column that is not there; a value that a function refuses.
    pub(super) fn over(self, records: &RecordBatch) -> Result<resolve::Input<'a>> {
        let what = format!("resolve.{}", self.kind);
        let text = |name: &str| -> Result<StringArray> {
            let column = records
                .column_by_name(name)
                .and_then(|column| arrow::compute::cast(column, &DataType::Utf8).ok())
                .ok_or_else(|| Error::bug(format!("{what}: a key that is not text")))?;
            Ok(column.as_string::<i32>().clone())
        };
        let evaluated = self.rows.over(records)?;
        let conditions = match self.pairs {
            None => None,
            Some(plan) => {
                let compiled = plan.over(records)?;
                let places = self.conditions.into_iter().zip(0..);
                let places = places.map(|((_, sql), place)| (sql, place)).collect();
                Some(Arc::new(Conditions { places, compiled }) as Arc<dyn resolve::PairConditions>)
            }
        };
        Ok(resolve::Input {
            kind: self.kind,
            settings: self.settings,
            source: text("source")?,
            record_id: text("record_id")?,
            expressions: self.expressions.into_iter().zip(evaluated).collect(),
            conditions,
        })
    }
}

/// The plan of a kind's conditions on pairs of records; none where it has none.
async fn plan_conditions(
    engine: &Engine,
    records: SchemaRef,
    kind: &str,
    conditions: &[(String, String)],
) -> Result<Option<PairPlan>> {
    if conditions.is_empty() {
        return Ok(None);
    }
    let what = format!("resolve.{kind}");
    let placed: Vec<(String, String)> =
        conditions.iter().map(|(place, sql)| (format!("{what}: {place}"), sql.clone())).collect();
    engine.pair_plan(records, &placed).await.map(Some)
}

/// The engine's conditions, by their text, as resolution asks for them.
struct Conditions {
    places: HashMap<String, usize>,
    compiled: PairConditions,
}

impl Conditions {
    fn place(&self, condition: &str) -> Result<usize> {
        let place = self.places.get(condition).copied();
        place.ok_or_else(|| Error::bug(format!("the condition `{condition}` was not planned")))
    }
}

impl resolve::PairConditions for Conditions {
    fn columns(&self, condition: &str) -> Result<Vec<(String, ArrayRef)>> {
        Ok(self.compiled.columns(self.place(condition)?))
    }

    fn holds(&self, condition: &str, left: &[u32], right: &[u32]) -> Result<BooleanArray> {
        self.compiled.holds(self.place(condition)?, left, right)
    }
}

/// What a resolution did, in counts.
fn report(resolved: &resolve::Resolved, choice: &Choice) -> serde_json::Value {
    let mut guards: BTreeMap<&str, u64> = BTreeMap::new();
    for guard in &resolved.guards {
        *guards.entry(guard.guard.as_str()).or_default() += 1;
    }
    json!({
        "blocking": resolved.blocking,
        "pairs_compared": resolved.pairs_compared,
        "pairs_scored": resolved.pairs.num_rows(),
        "model": { "origin": choice.origin, "why": choice.why },
        "merge_threshold": resolved.merge_threshold,
        "converged": resolved.converged,
        "iterations": resolved.iterations,
        "guards": guards,
    })
}

/// The SELECT that gives `source` and `record_id` of a kind's records, then expressions as `e0`,
/// `e1`, ...
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

/// `entity_quality`: each cluster, known by one of its records, under its golden id.
fn quality_table(
    members: &RecordBatch,
    quality: &[(RecordKey, resolve::ClusterQuality)],
) -> Result<RecordBatch> {
    let text = |name: &str| {
        let column = members.column_by_name(name).and_then(|own| own.as_string_opt::<i32>());
        column.ok_or_else(|| Error::bug("entity_members lacks a column"))
    };
    let (ids, sources, records) = (text("golden_id")?, text("source")?, text("record_id")?);
    let of: HashMap<(&str, &str), &str> = (0..members.num_rows())
        .map(|row| ((sources.value(row), records.value(row)), ids.value(row)))
        .collect();
    let mut rows = Vec::with_capacity(quality.len());
    for (record, own) in quality {
        let id = of.get(&(record.source.as_str(), record.record_id.as_str()));
        rows.push((*id.ok_or_else(|| Error::bug("a record without a golden id"))?, own));
    }
    rows.sort_unstable_by_key(|(id, _)| *id);
    let own = || rows.iter().map(|(_, own)| own);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(id, _)| id))),
        Arc::new(UInt32Array::from_iter_values(own().map(|own| own.members))),
        Arc::new(Float64Array::from_iter_values(own().map(|own| own.cohesion))),
        Arc::new(Float64Array::from_iter_values(own().map(|own| own.weakest_link))),
        Arc::new(BooleanArray::from_iter(own().map(|own| Some(own.bridge)))),
    ];
    RecordBatch::try_new(tables::entity_quality(), columns)
        .map_err(|_| Error::bug("the quality of entities does not fit its table"))
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

#[cfg(test)]
#[path = "resolution_tests.rs"]
mod tests;
