//! The land stage: staged tables as the files that Delta tables will hold, plain exports, and the draft
//! of what is to be published.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use serde_json::json;

use super::drift::DriftReport;
use super::gate::GateReport;
use super::pseudonyms;
use super::run::Run;
use crate::contract::Checker;
use crate::engine::{Attempt, Done, StagedTable, WriteOptions};
use crate::error::{Error, Result};
use crate::keyed::HashKey;
use crate::land::{Draft, Published, delta};
use crate::tables::{self, Growth};

/// Rewrites every staged table as the file that its Delta table will hold, and the plain exports.
pub(super) async fn stage(
    run: &Run,
    attempt: &mut Attempt,
    before: &[Done],
) -> Result<serde_json::Value> {
    super::checks::run(run).await?;
    let (gate, drift) = gate(run, before).await?;
    let mut broken: Vec<String> = Vec::new();
    for table in landed(before) {
        let folder = match tables::partition(&table.name) {
            Some(column) => {
                delta::partition_folder(&table.name, column, &run.identity.logical_date)
            }
            None => delta::folder(&table.name),
        };
        let path = format!("{folder}/{}-{}.parquet", run.identity.run_id, attempt.id());
        let frame =
            run.engine.parquet(run.staging.store(), std::slice::from_ref(&table.file.path)).await?;
        let options = WriteOptions {
            sort: &table.sort,
            unique: false,
            row_group: row_group(table.file.rows),
            keep: true,
        };
        let contract = super::check::landed_contract(&run.loaded, &table.name)?;
        let mut checker = contract.as_ref().map(|contract| Checker::new(contract, &table.sort));
        // Held against its contract as it is written: a table may be larger than memory.
        let mut inspect = |batch: &RecordBatch| match &mut checker {
            Some(checker) => checker.batch(batch),
            None => Ok(()),
        };
        let (file, schema) = run
            .engine
            .write_inspected(frame, &run.warehouse, &path, &options, &mut inspect)
            .await?;
        attempt.add(StagedTable { file, schema, ..table.clone() });
        for violation in checker.map(Checker::finish).unwrap_or_default() {
            broken.push(format!(
                "{}: {} rows break `{}` of `{}`",
                table.name,
                violation.count,
                violation.rule.as_str(),
                violation.column
            ));
        }
    }
    if !broken.is_empty() {
        return Err(Error::data(format!(
            "landed tables break {} rules of their contracts: {}",
            broken.len(),
            broken.join("; ")
        ))
        .help("mend the SQL that makes the table, or its contract; nothing was published"));
    }
    let exports = &run.loaded.pipeline.land;
    let plain = exports.export.iter().map(|name| (name, None));
    let key = (!exports.pseudonymous.is_empty()).then(pseudonyms::key).transpose()?;
    let tokens = exports.pseudonymous.iter().map(|name| (name, key.as_ref()));
    for (name, key) in plain.chain(tokens) {
        let Some(table) = landed(before).find(|table| table.name == *name) else {
            return Err(Error::configuration(format!("land.export: `{name}` is not a table")));
        };
        let mut frame = export(run, table, before).await?;
        let mut to = name.clone();
        if let Some(key) = key {
            frame = pseudonymous(run, table, frame, key).await?;
            to = format!("{}{name}", pseudonyms::PREFIX);
        }
        let path = format!("{}/exports/{to}.parquet", attempt.folder());
        let options = WriteOptions {
            sort: &table.sort,
            unique: false,
            row_group: row_group(table.file.rows),
            keep: true,
        };
        let (file, schema) = run.engine.write(frame, &run.warehouse, &path, &options).await?;
        attempt.add(StagedTable { name: to, file, schema, landed: false, ..table.clone() });
    }
    let (alerts, mut warnings) = super::alerts::run(run).await?;
    let drifted = drift.drifted.iter();
    warnings.extend(drifted.map(|one| format!("{}: {}", one.limit, one.what)));
    let past = gate.iter().flat_map(|gate| &gate.past);
    warnings.extend(past.map(|past| format!("accepted: {past}")));
    Ok(json!({ "warnings": warnings, "alerts": alerts, "gate": gate, "drift": drift }))
}

/// Compares the run with what readers have and with the run before. Past a limit it stops, unless
/// that was accepted.
async fn gate(run: &Run, before: &[Done]) -> Result<(Option<GateReport>, DriftReport)> {
    let gate = super::gate::check(run, before).await?;
    let drift = super::drift::check(run, before).await?;
    let past = gate.iter().flat_map(|gate| &gate.past).map(ToString::to_string);
    let drifted = drift.drifted.iter().filter(|one| one.stops);
    let reasons: Vec<String> =
        past.chain(drifted.map(|one| format!("{}: {}", one.limit, one.what))).collect();
    if reasons.is_empty() || run.accept {
        return Ok((gate, drift));
    }
    let found = gate.iter().flat_map(|gate| gate.lines());
    let count = reasons.len();
    Err(Error::data(format!(
        "run {}: past {count} of its limits; nothing was published",
        run.identity.run_id
    ))
    .notes(reasons.into_iter().chain(found))
    .help("mend the exports or the pipeline file; or publish it all the same: the same command with --accept")
    .detail("run_id", run.identity.run_id.clone().into())
    .detail("logical_date", run.identity.logical_date.clone().into())
    .detail("gate", json!(gate))
    .detail("drift", json!(drift)))
}

/// An export with tokens in the place of personal values.
async fn pseudonymous(
    run: &Run,
    table: &StagedTable,
    frame: datafusion::dataframe::DataFrame,
    key: &HashKey,
) -> Result<datafusion::dataframe::DataFrame> {
    let what = format!("land.pseudonymous: {}", table.name);
    let contract = super::check::landed_contract(&run.loaded, &table.name)?
        .ok_or_else(|| Error::bug(format!("{what} has no contract")))?;
    if frame.schema().field_with_unqualified_name("golden_id").is_err() {
        return Err(Error::configuration(format!("{what} has no golden_id")).help(
            "export tables of customers, or facts, which are given the golden id of their record",
        ));
    }
    let schema = pseudonyms::schema(frame.schema().as_arrow(), &contract);
    let rows = run.engine.collect(frame, &what).await?;
    let rows = rows.iter().map(|batch| pseudonyms::tokens(batch, &contract, key));
    run.engine.batches(schema, rows.collect::<Result<_>>()?)
}

/// A plain export: facts carry the golden id of their record.
async fn export(
    run: &Run,
    table: &StagedTable,
    before: &[Done],
) -> Result<datafusion::dataframe::DataFrame> {
    let plain =
        run.engine.parquet(run.staging.store(), std::slice::from_ref(&table.file.path)).await?;
    let has = |name: &str| plain.schema().field_with_unqualified_name(name).is_ok();
    let fact = run.loaded.pipeline.facts.contains_key(&table.name);
    if !fact || has("golden_id") || !(has("source") && has("record_id")) {
        return Ok(plain);
    }
    let members = before
        .iter()
        .flat_map(|done| &done.tables)
        .any(|table| table.name == tables::ENTITY_MEMBERS);
    if !members {
        return Ok(plain);
    }
    let sql = format!(
        "SELECT m.golden_id, t.* FROM \"{}\" t LEFT JOIN entity_members m \
         ON t.source = m.source AND t.record_id = m.record_id",
        table.name
    );
    run.engine.sql(&sql, &format!("land.export: {}", table.name)).await
}

fn landed(before: &[Done]) -> impl Iterator<Item = &StagedTable> {
    before.iter().flat_map(|done| &done.tables).filter(|table| table.landed)
}

/// Row groups of at least 122,880 rows where there are as many, and about one million at most:
/// the rows are divided evenly, so that no small group is left over.
pub(super) fn row_group(rows: u64) -> usize {
    const LEAST: u64 = 122_880;
    let groups = (rows / (8 * LEAST)).max(1);
    usize::try_from(rows.div_ceil(groups).max(LEAST)).unwrap_or(usize::MAX)
}

/// What the run wants published, from what its stages handed over.
pub(super) async fn draft(run: &Run, done: &[Done]) -> Result<Draft> {
    let land = done
        .iter()
        .find(|done| done.stage == "land")
        .ok_or_else(|| Error::bug("nothing was landed"))?;
    let mut commits = Vec::new();
    let mut exports = Vec::new();
    let mut leaves = BTreeMap::new();
    for table in &land.tables {
        if !table.landed {
            let to = format!(
                "exports/{}/date={}/{}.parquet",
                table.name, run.identity.logical_date, table.name
            );
            leaves.insert(to.clone(), table.file.blake3.clone());
            exports.push((table.file.path.clone(), to));
            continue;
        }
        leaves.insert(table.file.path.clone(), table.file.blake3.clone());
        let earlier =
            run.predecessor.as_ref().and_then(|entry| entry.tables.get(&table.name).copied());
        let (keep, mut files) = match (table.growth, earlier) {
            (Growth::Log, Some(version)) => {
                delta::kept(&run.warehouse, &table.name, version).await?
            }
            _ => (None, Vec::new()),
        };
        files.push(table.file.clone());
        let contract = super::check::landed_contract(&run.loaded, &table.name)?;
        commits.push(crate::land::delta::TableCommit {
            table: table.name.clone(),
            schema: table.schema.as_ref().clone(),
            description: contract.and_then(|contract| contract.description).unwrap_or_default(),
            keep,
            statistics: statistics(table),
            files,
            written_at: now(),
            rearranged: false,
        });
    }
    let mut manifest = serde_json::Map::new();
    manifest.insert("run_id".to_owned(), run.identity.run_id.clone().into());
    manifest.insert("pipeline".to_owned(), run.identity.pipeline.clone().into());
    manifest.insert("logical_date".to_owned(), run.identity.logical_date.clone().into());
    manifest.insert(
        "predecessor".to_owned(),
        run.predecessor.as_ref().map(|entry| entry.run_id.clone()).into(),
    );
    manifest.insert("inputs".to_owned(), json!(run.identity.inputs));
    manifest.insert("configuration".to_owned(), run.identity.configuration.clone().into());
    manifest.insert("program".to_owned(), format!("simurgh {}", run.identity.program).into());
    let models = done
        .iter()
        .find(|done| done.stage == "resolve")
        .map(|done| done.report["models"].clone())
        .unwrap_or_default();
    for model in models.as_array().into_iter().flatten() {
        if let (Some(path), Some(hash)) = (model["path"].as_str(), model["blake3"].as_str()) {
            leaves.insert(path.to_owned(), hash.to_owned());
        }
    }
    manifest.insert("models".to_owned(), models);
    // What the run measured, for the next one; what it was let through with.
    manifest.insert("measures".to_owned(), land.report["drift"]["measures"].clone());
    manifest.insert("amounts".to_owned(), json!(run.loaded.pipeline.gate.amounts));
    let past = land.report["gate"]["past"].as_array().into_iter().flatten();
    let drifted = land.report["drift"]["drifted"].as_array().into_iter().flatten();
    let stops = drifted.filter(|one| one["stops"] == true);
    let accepted: Vec<_> = past.chain(stops).map(|one| one["limit"].clone()).collect();
    if !accepted.is_empty() {
        manifest.insert("accepted".to_owned(), json!(accepted));
    }
    manifest.insert("leaves".to_owned(), json!(leaves));
    Ok(Draft {
        run_id: run.identity.run_id.clone(),
        pipeline: run.identity.pipeline.clone(),
        logical_date: run.identity.logical_date.clone(),
        predecessor: run.identity.predecessor,
        commits,
        exports,
        manifest,
        command: None,
        removed: Vec::new(),
        decided: run.identity.decided,
    })
}

/// Columns whose least and greatest values may stand in Delta's log: keys that are not personal.
fn statistics(table: &StagedTable) -> Vec<String> {
    let keys = ["golden_id", "run_id"];
    keys.iter()
        .filter(|name| table.schema.field_with_name(name).is_ok())
        .map(|name| (*name).to_owned())
        .collect()
}

/// Milliseconds since 1970, for Delta's log, which no table's rows depend on.
pub(super) fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(0))
}

/// Removes files that attempts of this run landed and that are not what is published: those of this
/// process's own draft, and where it published, those of every attempt before it. What is published
/// may be another process's, of the same run.
pub(super) async fn clear_orphans(
    run: &Run,
    draft: &Draft,
    entry: &Published,
    by_us: bool,
) -> Result<()> {
    for commit in &draft.commits {
        let Some(version) = entry.tables.get(&commit.table) else { continue };
        let kept = delta::files(&run.warehouse, &commit.table, *version).await?;
        let prefix = format!("{}-", run.identity.run_id);
        for listed in run.warehouse.list(&delta::folder(&commit.table)).await? {
            let own = commit.files.iter().any(|file| file.path == listed.path);
            let name = listed.path.rsplit('/').next().unwrap_or_default();
            let earlier = by_us && run.first_publication && name.starts_with(&prefix);
            if (own || earlier) && !kept.contains(&listed.path) {
                run.warehouse.delete(&listed.path).await?;
            }
        }
    }
    Ok(())
}
