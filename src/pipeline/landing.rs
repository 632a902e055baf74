//! The land stage: staged tables as the files that Delta tables will hold, plain exports, and the draft
//! of what is to be published.

use std::collections::BTreeMap;

use serde_json::json;

use super::run::Run;
use crate::engine::{Attempt, Done, StagedTable, WriteOptions};
use crate::error::{Error, Result};
use crate::land::{Draft, Published, delta};
use crate::tables::{self, Growth};

/// Rewrites every staged table as the file that its Delta table will hold, and the plain exports.
pub(super) async fn stage(
    run: &Run,
    attempt: &mut Attempt,
    before: &[Done],
) -> Result<serde_json::Value> {
    super::checks::run(run).await?;
    let mut warnings: Vec<String> = Vec::new();
    for table in landed(before) {
        let path = format!(
            "{}/{}-{}.parquet",
            delta::folder(&table.name),
            run.identity.run_id,
            attempt.id()
        );
        let frame =
            run.engine.parquet(run.staging.store(), std::slice::from_ref(&table.file.path)).await?;
        let options = WriteOptions {
            sort: &table.sort,
            unique: false,
            row_group: row_group(table.file.rows),
            keep: true,
        };
        let (file, schema) = run.engine.write(frame, &run.warehouse, &path, &options).await?;
        attempt.add(StagedTable { file, schema, ..table.clone() });
    }
    for name in &run.loaded.pipeline.land.export {
        let Some(table) = landed(before).find(|table| table.name == *name) else {
            return Err(Error::configuration(format!("land.export: `{name}` is not a table")));
        };
        let path = format!("{}/exports/{name}.parquet", attempt.folder());
        let frame = export(run, table, before).await?;
        let options = WriteOptions {
            sort: &table.sort,
            unique: false,
            row_group: row_group(table.file.rows),
            keep: true,
        };
        let (file, schema) = run.engine.write(frame, &run.warehouse, &path, &options).await?;
        attempt.add(StagedTable { file, schema, landed: false, ..table.clone() });
    }
    for table in landed(before) {
        if let Some(contract) = super::check::landed_contract(&run.loaded, &table.name)? {
            let frame = run
                .engine
                .parquet(run.staging.store(), std::slice::from_ref(&table.file.path))
                .await?;
            let batches = run.engine.collect(frame, &table.name).await?;
            for violation in crate::contract::check(&batches, &contract)? {
                warnings.push(format!(
                    "{}: {} rows break `{}` of `{}`",
                    table.name,
                    violation.count,
                    violation.rule.as_str(),
                    violation.column
                ));
            }
        }
    }
    if !warnings.is_empty() {
        return Err(Error::data(format!(
            "landed tables break {} rules of their contracts: {}",
            warnings.len(),
            warnings.join("; ")
        ))
        .help("mend the SQL that makes the table, or its contract; nothing was published"));
    }
    Ok(json!({ "warnings": warnings }))
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
fn row_group(rows: u64) -> usize {
    const LEAST: u64 = 122_880;
    let groups = (rows / (8 * LEAST)).max(1);
    usize::try_from(rows.div_ceil(groups).max(LEAST)).unwrap_or(usize::MAX)
}

/// What the run wants published, from what its stages handed over.
pub(super) fn draft(run: &Run, done: &[Done]) -> Result<Draft> {
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
        let keep = match table.growth {
            Growth::Snapshot => None,
            Growth::Log => {
                run.predecessor.as_ref().and_then(|entry| entry.tables.get(&table.name).copied())
            }
        };
        let contract = super::check::landed_contract(&run.loaded, &table.name)?;
        commits.push(crate::land::delta::TableCommit {
            table: table.name.clone(),
            schema: table.schema.as_ref().clone(),
            description: contract.and_then(|contract| contract.description).unwrap_or_default(),
            keep,
            statistics: statistics(table),
            files: vec![table.file.clone()],
            written_at: now(),
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
    manifest.insert("leaves".to_owned(), json!(leaves));
    Ok(Draft {
        run_id: run.identity.run_id.clone(),
        pipeline: run.identity.pipeline.clone(),
        logical_date: run.identity.logical_date.clone(),
        predecessor: run.identity.predecessor,
        commits,
        exports,
        manifest,
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
fn now() -> i64 {
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
        let prefix = format!("{}/{}-", delta::folder(&commit.table), run.identity.run_id);
        for listed in run.warehouse.list(&delta::folder(&commit.table)).await? {
            let own = commit.files.iter().any(|file| file.path == listed.path);
            let earlier = by_us && run.first_publication && listed.path.starts_with(&prefix);
            if (own || earlier) && !kept.contains(&listed.path) {
                run.warehouse.delete(&listed.path).await?;
            }
        }
    }
    Ok(())
}
