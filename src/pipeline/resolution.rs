//! The resolve stage: each kind's records through its model, then golden ids over all kinds at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray, UInt32Array,
};
use arrow::datatypes::{DataType, SchemaRef};
use serde_json::json;

use super::consent::LINKABLE;
use super::incremental;
use super::judged::Applied;
use super::models::{self, Choice};
use super::run::Run;
use super::stages::{earlier_as, hand_over};
use crate::engine::{Attempt, Engine, PairConditions, PairPlan, RowPlan};
use crate::error::{Error, Result};
use crate::keyed::HashKey;
use crate::memory;
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
    let decisions = resolve::Decisions::of_batch(&run.decisions)?;
    refuse_contradictions(&decisions)?;
    let mut told = 0;
    let consents = super::consent::stated(&run.engine, &run.loaded, &run.parameters).await?;
    let apart = super::consent::link(&run.engine, &consents).await?;
    let apart_hash = incremental::apart_hash(&apart);
    let mut kind_of: HashMap<&RecordKey, &str> = HashMap::new();
    let earlier_models = models::earlier(run).await?;
    let work = memory::at("resolve, reading what the run before left");
    let earlier = incremental::earlier(run).await?;
    drop(work);
    let mut extents = Vec::new();
    let mut staying = resolve::Staying::new(&earlier.members, decisions.list())?;
    for (kind, settings) in &run.loaded.pipeline.resolve {
        let judged = Applied::to(kind, settings, &run.loaded.directory)?;
        let settings: &resolve::Resolve = &judged.settings;
        let work = memory::at(format!("resolve.{kind}, reading records"));
        let (input, also) =
            input_and(&run.engine, kind, kind, settings, &["content_hash".to_owned()]).await?;
        drop(work);
        let hash = also.first().ok_or_else(|| Error::bug("records have no content hash"))?;
        let options = resolve::Options { threads: run.engine.options().threads };
        let choice = models::choose(run, kind, settings, &earlier_models).await?;
        let present = |key: &RecordKey| input.row(key).is_some();
        let own = resolve::standing(decisions.list(), &present);
        let addressed = decisions.list().iter().flat_map(|own| [&own.a, &own.b]);
        kind_of.extend(addressed.filter(|key| present(key)).map(|key| (key, kind.as_str())));
        told += own.len();
        let _work = memory::at(format!("resolve.{kind}, finding what changed"));
        let earlier_run = (&earlier, &earlier_models[..], apart_hash.as_str());
        let before = incremental::before(run, &input, hash, &choice, earlier_run).await?;
        let model = choice.model.clone();
        let resolved = incremental::resolve(&input, before, &own, model, options)?;
        kinds.insert(kind.clone(), report(&resolved, &choice));
        let grown = choice.warning(input.source.len() as u64);
        warnings.extend(resolved.warnings.iter().chain(&grown).map(|own| format!("{kind}: {own}")));
        let own = others(&input, &resolved.clusters, &staying.take(&resolved.extent));
        quality.extend(
            resolved.quality.iter().filter_map(|of| Some((own.get(&of.cluster)?[0].clone(), *of))),
        );
        clusters.extend(own.into_values());
        let model = &resolved.model;
        let known = judged.warnings(&model.hash()?);
        warnings.extend(known.into_iter().map(|own| format!("{kind}: {own}")));
        let mut entry = models::keep(run, kind, settings, &choice, &resolved).await?;
        entry.resolution = incremental::decided_by(run, kind, settings, model, &apart_hash).await?;
        named.push(entry);
        pairs.push(resolved.pairs);
        links.extend(resolved.links);
        extents.push(resolved.extent);
    }
    warnings.extend(idle(&decisions, &kind_of));
    unresolved_kinds(run).await?;
    let without_consent = apart.len();
    clusters.extend(apart.into_iter().map(|record| vec![record]));

    let earlier_events = earlier_as(run, tables::ENTITY_EVENTS, tables::entity_events()).await?;
    let earlier_redirects = earlier_as(run, tables::ID_REDIRECTS, tables::id_redirects()).await?;
    let previous = run.predecessor.as_ref().map(|_| resolve::Previous {
        members: &earlier.members,
        events: &earlier_events,
        redirects: &earlier_redirects,
    });
    let identify = resolve::IdentifyRun {
        pipeline: &run.identity.pipeline,
        run_id: &run.identity.run_id,
        logical_date: days(run.date),
        decisions: decisions.list(),
    };
    let _work = memory::at("resolve, giving golden ids");
    let Identified { members, events, redirects, golden_ids: given } = match &previous {
        Some(before) => resolve::identify_since(&identify, &clusters, &staying, before, &links)?,
        None => resolve::identify(&identify, &clusters, None, &links)?,
    };
    let schema = tables::scored_pairs();
    let work = memory::at("resolve, putting pairs together");
    let pairs = resolve::together(pairs)?;
    drop(work);
    let _work = memory::at("resolve, making the match log");
    let (before, now) =
        incremental::log_of(&earlier.pairs, &pairs, &extents, earlier_models.len())?;
    let log_run = resolve::LogRun {
        run_id: &run.identity.run_id,
        logical_date: days(run.date),
        configuration: &run.identity.configuration,
    };
    let log = resolve::match_log(Some(&before), &now, &log_run)?;
    drop((before, now));
    let entities = golden_ids(&members);
    let standing = decisions.list().iter().filter(|own| own.stands()).count();
    let quality = quality_table(&clusters, &given, &quality)?;
    let quality = staying.with(&earlier.quality, &quality)?;
    let _work = memory::at("resolve, writing tables");
    hand_over(run, attempt, tables::SCORED_PAIRS, schema, vec![pairs]).await?;
    hand_over(run, attempt, tables::MATCH_LOG, tables::match_log(), vec![log]).await?;
    hand_over(run, attempt, tables::ENTITY_MEMBERS, tables::entity_members(), vec![members])
        .await?;
    hand_over(run, attempt, tables::ENTITY_QUALITY, tables::entity_quality(), vec![quality])
        .await?;
    hand_over(run, attempt, tables::ENTITY_EVENTS, tables::entity_events(), vec![events]).await?;
    hand_over(run, attempt, tables::ID_REDIRECTS, tables::id_redirects(), vec![redirects]).await?;
    hand_over(run, attempt, tables::DECISIONS, tables::decisions(), vec![run.decisions.clone()])
        .await?;
    Ok(json!({
        "kinds": kinds,
        "entities": entities,
        "not_compared": without_consent,
        "models": named,
        "decisions": { "standing": standing, "pairs": told },
        "warnings": warnings,
    }))
}

/// Commands refuse a decision that contradicts others; a table that another writer changed may hold
/// one all the same.
fn refuse_contradictions(decisions: &resolve::Decisions) -> Result<()> {
    let Some(found) = resolve::contradiction(decisions.list()) else { return Ok(()) };
    let id = |place: usize| decisions.list()[place].id.clone();
    let chain: Vec<String> = found.chain.iter().map(|place| id(*place)).collect();
    Err(Error::data(format!(
        "decisions: {} says that two records are different, and {} that they are the same",
        id(found.different),
        chain.join(", ")
    ))
    .help("withdraw one of them: simurgh decisions withdraw DECISION_ID"))
}

/// What a person should know of decisions that do nothing, or not all that they say.
fn idle(decisions: &resolve::Decisions, kinds: &HashMap<&RecordKey, &str>) -> Vec<String> {
    let (mut absent, mut crossing) = (0, 0);
    for own in decisions.list().iter().filter(|own| own.stands()) {
        match (kinds.get(&own.a), kinds.get(&own.b)) {
            (Some(a), Some(b)) => crossing += usize::from(a != b && own.same),
            _ => absent += 1,
        }
    }
    let told = [
        (absent, "decisions name a record that is not there; they hold for what is the same as it"),
        (crossing, "decisions say that records of two kinds are the same, which nothing joins"),
    ];
    let told = told.into_iter().filter(|(count, _)| *count > 0);
    told.map(|(count, what)| format!("{count} {what}")).collect()
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

/// The same of the engine's records: those of kind `of`, for the model of `kind`; where it was found
/// out which of them may be linked, of those.
pub(super) async fn input_of<'a>(
    engine: &Engine,
    of: &str,
    kind: &'a str,
    settings: &'a resolve::Resolve,
) -> Result<resolve::Input<'a>> {
    Ok(input_and(engine, of, kind, settings, &[]).await?.0)
}

/// The same, with columns of `records` beside it. The records that are compared are read once, in
/// the order of their keys; expressions are planned over their columns and evaluated in memory.
async fn input_and<'a>(
    engine: &Engine,
    of: &str,
    kind: &'a str,
    settings: &'a resolve::Resolve,
    also: &[String],
) -> Result<(resolve::Input<'a>, Vec<ArrayRef>)> {
    let what = format!("resolve.{kind}");
    let table = records_of(engine);
    let records = engine.sql(&format!("SELECT * FROM {table}"), &what).await?;
    let schema = Arc::new(records.schema().as_arrow().clone());
    let asked = Asked::of(engine, schema, kind, settings).await?;
    let mut names = asked.columns();
    names.extend(also.iter().filter(|name| !KEY.contains(&name.as_str())).cloned());
    names.sort();
    names.dedup();
    let frame = engine.sql(&sql(table, of, &[], &names), &what).await?;
    let batch = engine.collect_one(frame, &what).await?;
    let fields = KEY.map(str::to_owned).into_iter().chain(names);
    let columns = fields.zip(batch.columns()).map(|(name, own)| (name, Arc::clone(own), true));
    let records = RecordBatch::try_from_iter_with_nullable(columns)
        .map_err(|_| Error::bug(format!("{what}: columns of two lengths")))?;
    let beside = also.iter().map(|name| {
        let column = records.column_by_name(name).cloned();
        column.ok_or_else(|| Error::bug(format!("{what}: records have no `{name}`")))
    });
    let beside = beside.collect::<Result<_>>()?;
    Ok((asked.over(&records)?, beside))
}

/// The columns by which records are sorted.
const KEY: [&str; 2] = ["source", "record_id"];

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
        names.retain(|name| !KEY.contains(&name.as_str()));
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
            coded: false,
            conditions,
            hash_key: HashKey::of_process()?,
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
        "incremental": match &resolved.extent {
            resolve::Extent::Changes(changes) => json!(changes.counts),
            resolve::Extent::Everything(why) => json!({ "everything": why }),
        },
    })
}

/// The table of the records that are compared.
pub(super) fn records_of(engine: &Engine) -> &'static str {
    if engine.knows(LINKABLE) { LINKABLE } else { tables::RECORDS }
}

/// The SELECT that gives a kind's resolution input of a table: `source`, `record_id`, then the
/// expressions as `e0`, `e1`, ..., then columns as `c0`, `c1`, ...
pub(super) fn sql(table: &str, kind: &str, expressions: &[String], columns: &[String]) -> String {
    let mut sql = "SELECT source, record_id".to_owned();
    for (index, expression) in expressions.iter().enumerate() {
        sql.push_str(&format!(", ({expression}) AS e{index}"));
    }
    for (index, column) in columns.iter().enumerate() {
        sql.push_str(&format!(", \"{}\" AS c{index}", column.replace('"', "\"\"")));
    }
    let kind = kind.replace('\'', "''");
    sql + &format!(" FROM {table} WHERE kind = '{kind}' ORDER BY source, record_id")
}

/// Records by cluster, clusters and members in row order.
pub(super) fn members(input: &resolve::Input<'_>, clusters: &[u32]) -> Vec<Vec<RecordKey>> {
    others(input, clusters, &[]).into_values().collect()
}

/// The same, by cluster, but for records whose entity stays.
fn others(
    input: &resolve::Input<'_>,
    clusters: &[u32],
    stays: &[bool],
) -> BTreeMap<u32, Vec<RecordKey>> {
    let mut members: BTreeMap<u32, Vec<RecordKey>> = BTreeMap::new();
    let stays = |row: usize| stays.get(row).is_some_and(|stays| *stays);
    for (row, cluster) in clusters.iter().enumerate().filter(|(row, _)| !stays(*row)) {
        let record = RecordKey::new(input.source.value(row), input.record_id.value(row));
        members.entry(*cluster).or_default().push(record);
    }
    members
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

/// `entity_quality`: each cluster, known by its first record, under its golden id.
fn quality_table(
    clusters: &[Vec<RecordKey>],
    golden_ids: &[String],
    quality: &[(RecordKey, resolve::ClusterQuality)],
) -> Result<RecordBatch> {
    let of: HashMap<&RecordKey, &str> = clusters
        .iter()
        .zip(golden_ids)
        .filter_map(|(records, id)| Some((records.first()?, id.as_str())))
        .collect();
    let mut rows = Vec::with_capacity(quality.len());
    for (record, own) in quality {
        let id = of.get(record);
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

/// How many there are: members are sorted by golden id.
fn golden_ids(members: &RecordBatch) -> u64 {
    let Some(ids) = members
        .column_by_name("golden_id")
        .and_then(|column| column.as_any().downcast_ref::<StringArray>())
    else {
        return 0;
    };
    (0..ids.len()).filter(|row| *row == 0 || ids.value(*row) != ids.value(row - 1)).count() as u64
}

pub(super) fn days(date: jiff::civil::Date) -> i32 {
    jiff::civil::date(1970, 1, 1).until(date).map_or(0, |span| span.get_days())
}

#[cfg(test)]
#[path = "resolution_tests.rs"]
mod tests;
