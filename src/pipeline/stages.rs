//! What each stage is given, and where what it gives goes.

use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use indexmap::IndexMap;
use serde_json::json;

use super::inputs;
use super::run::Run;
use crate::config::Loaded;
use crate::engine::{Attempt, Done, Engine, Store, refuse_unstable};
use crate::error::{Error, Result};
use crate::land::{Published, delta};
use crate::tables::{self, Growth, SqlTables};
use crate::{clean, extract, golden, memory};

/// Runs one stage on what the ones before it handed over.
pub(super) async fn run(name: &str, run: &Run, before: &[Done]) -> Result<Done> {
    for done in before {
        register(run, done).await?;
    }
    let _work = memory::at(format!("stage {name}"));
    let mut attempt = run.staging.attempt(name, run.identity.predecessor);
    let report = match name {
        "extract" => extract_stage(run, &mut attempt).await?,
        "clean" => clean_stage(run, &mut attempt).await?,
        "resolve" => super::resolution::stage(run, &mut attempt).await?,
        "golden" => golden_stage(run, &mut attempt).await?,
        "enrich" => sql_stage(run, &mut attempt, "enrich", &run.loaded.pipeline.enrich).await?,
        "profile" => sql_stage(run, &mut attempt, "profile", &run.loaded.pipeline.profile).await?,
        "land" => super::landing::stage(run, &mut attempt, before).await?,
        other => return Err(Error::bug(format!("stage `{other}` is not wired"))),
    };
    attempt.finish(report).await
}

/// Names the tables that a stage handed over, so that SQL can read them.
pub(super) async fn register(run: &Run, done: &Done) -> Result<()> {
    for table in &done.tables {
        let staged = [table.file.path.clone()];
        let frame = run.engine.parquet(run.staging.store(), &staged).await?;
        run.engine.register(&table.name, frame)?;
    }
    Ok(())
}

/// The rows of a table as the run before left them.
async fn earlier(run: &Run, table: &str) -> Result<Option<Vec<RecordBatch>>> {
    rows_of(&run.engine, &run.warehouse, run.predecessor.as_ref(), table).await
}

/// The rows of a table as an entry has them; none where it has no such table, or no row.
pub(super) async fn rows_of(
    engine: &Engine,
    warehouse: &Store,
    entry: Option<&Published>,
    table: &str,
) -> Result<Option<Vec<RecordBatch>>> {
    let Some(version) = entry.and_then(|entry| entry.tables.get(table)) else {
        return Ok(None);
    };
    let files = delta::files(warehouse, table, *version).await?;
    if files.is_empty() {
        return Ok(None);
    }
    let mut frame = engine.parquet(warehouse, &files).await?;
    // Files are read side by side: the order in which they were written is gone.
    frame = engine.sorted(frame, sort_of(table))?;
    engine.collect(frame, table).await.map(Some)
}

/// The rows of a table of the house as the run before left them, as one batch of its own schema.
pub(super) async fn earlier_as(
    run: &Run,
    table: &str,
    schema: arrow::datatypes::SchemaRef,
) -> Result<RecordBatch> {
    table_as(&run.engine, &run.warehouse, run.predecessor.as_ref(), table, schema).await
}

/// The rows of a table of the house as an entry has them, as one batch of its own schema.
pub(super) async fn table_as(
    engine: &Engine,
    warehouse: &Store,
    entry: Option<&Published>,
    table: &str,
    schema: arrow::datatypes::SchemaRef,
) -> Result<RecordBatch> {
    let batches = rows_of(engine, warehouse, entry, table).await?.unwrap_or_default();
    let batches =
        batches.iter().map(|batch| conform(batch, &schema, table)).collect::<Result<Vec<_>>>()?;
    arrow::compute::concat_batches(&schema, &batches)
        .map_err(|_| Error::bug(format!("{table}: batches of different schemas")))
}

pub(super) fn conform(
    batch: &RecordBatch,
    schema: &arrow::datatypes::SchemaRef,
    table: &str,
) -> Result<RecordBatch> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            let Some(column) = batch.column_by_name(field.name()) else {
                // The run before may be of a version that did not have it.
                if field.is_nullable() {
                    return Ok(new_null_array(field.data_type(), batch.num_rows()));
                }
                let what = format!("{table}: column `{}` is missing", field.name());
                return Err(Error::data(what));
            };
            arrow::compute::cast(column, field.data_type()).map_err(|_| {
                Error::data(format!("{table}: column `{}` has another type", field.name()))
            })
        })
        .collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|_| Error::data(format!("{table}: does not hold what its schema says")))
}

/// The columns that sort a table of the house; none for another's.
pub(super) fn sort_of(table: &str) -> &'static [&'static str] {
    tables::table(table).map_or(&[], |table| table.sort)
}

pub(super) fn owned(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|column| (*column).to_owned()).collect()
}

/// Hands over a table of the house.
pub(super) async fn hand_over(
    run: &Run,
    attempt: &mut Attempt,
    name: &str,
    schema: arrow::datatypes::SchemaRef,
    batches: Vec<RecordBatch>,
) -> Result<u64> {
    let table =
        tables::table(name).ok_or_else(|| Error::bug(format!("`{name}` is not declared")))?;
    let frame = run.engine.batches(schema, batches)?;
    attempt.write(&run.engine, name, table.growth, &owned(table.sort), false, frame).await
}

async fn extract_stage(run: &Run, attempt: &mut Attempt) -> Result<serde_json::Value> {
    let mut sources = serde_json::Map::new();
    let mut warnings: Vec<String> = Vec::new();
    let mut quarantine = Vec::new();
    let forgotten = super::forget::stop::Stop::read(&run.warehouse, &run.loaded).await?;
    for (name, source) in &run.loaded.pipeline.sources {
        let contract = run
            .contracts
            .get(name)
            .ok_or_else(|| Error::bug(format!("source `{name}` has no contract")))?;
        let _work = memory::at(format!("extract, reading source `{name}`"));
        let files = inputs::read(&run.inputs, &run.identity.inputs, name).await?;
        let mut today = extract::read(name, source, contract, &files)?;
        let (kept_out, values_kept_out) = match &forgotten {
            Some(forgotten) => forgotten.apply(&run.engine, source, &mut today).await?,
            None => (0, 0),
        };
        let table = format!("raw_{name}");
        let previous = earlier(run, &table).await?;
        let _work = memory::at(format!("extract, comparing source `{name}` with the run before"));
        let applied = extract::apply(name, source, &contract.key(), previous.as_deref(), &today)?;
        quarantine.push(extract::quarantine_batch(&run.identity.run_id, name, &today.quarantine)?);
        sources.insert(
            name.clone(),
            json!({
                "files": files.len(),
                "rows_read": today.rows_read,
                "rows_accepted": today.rows_accepted,
                "rows_quarantined": today.rows_quarantined,
                "rows_of_the_forgotten": kept_out,
                "values_of_the_forgotten": values_kept_out,
                "added": applied.added,
                "changed": applied.changed,
                "removed": applied.removed,
                "unchanged": applied.unchanged,
            }),
        );
        warnings.extend(today.warnings.iter().map(|warning| format!("{name}: {warning}")));
        let frame = run.engine.batches(applied.schema, applied.batches)?;
        let key = owned(&contract.key());
        attempt.write(&run.engine, &table, Growth::Snapshot, &key, false, frame).await?;
    }
    hand_over(run, attempt, tables::QUARANTINE, tables::quarantine(), quarantine).await?;
    Ok(json!({ "sources": sources, "warnings": warnings }))
}

async fn clean_stage(run: &Run, attempt: &mut Attempt) -> Result<serde_json::Value> {
    let mut mappings = Vec::new();
    for mapping in &run.loaded.pipeline.records {
        let what = format!("records of source `{}`", mapping.source);
        let sql = run.parameters.bind(&mapping.sql, &what)?;
        mappings.push((mapping.source.clone(), run.engine.sql(&sql, &what).await?));
    }
    let records = clean::records(mappings, &run.identity.run_id)?;
    let key = owned(&["source", "record_id"]);
    let rows =
        attempt.write(&run.engine, tables::RECORDS, Growth::Snapshot, &key, true, records).await?;
    let mut report = sql_stage(run, attempt, "facts", &run.loaded.pipeline.facts).await?;
    report["records"] = json!(rows);
    Ok(report)
}

/// Makes tables by SQL, and by what is computed of it, in order; each may read those before it.
async fn sql_stage(
    run: &Run,
    attempt: &mut Attempt,
    section: &str,
    settings: &SqlTables,
) -> Result<serde_json::Value> {
    let mut computed = serde_json::Map::new();
    let mut warnings: Vec<String> = Vec::new();
    for (name, table) in settings {
        let what = format!("{section}.{name}");
        let sql = run.loaded.statement(name, table)?;
        super::previous::register(run, &sql).await?;
        let mut frame = run.engine.sql(&run.parameters.bind(&sql, &what)?, &what).await?;
        refuse_unstable(&frame, &what)?;
        if let Some((computation, settings)) = super::check::computation(table, &what)? {
            let sorted = run.engine.sorted(frame, computation.key())?;
            let input = run.engine.collect_one(sorted, &what).await?;
            let _work = memory::at(format!("{what}, computing"));
            let made = computation.run(&input, &settings, &what)?;
            let findings = made.findings.iter().map(|(name, value)| (*name, *value));
            computed.insert(name.clone(), json!(findings.collect::<IndexMap<_, _>>()));
            warnings.extend(made.warnings.iter().map(|warning| format!("{what}: {warning}")));
            frame = run.engine.batches(made.rows.schema(), vec![made.rows])?;
        }
        attempt.write(&run.engine, name, table.growth, &table.key, true, frame).await?;
        let staged = attempt.last().map(|table| table.file.path.clone()).into_iter();
        let frame = run.engine.parquet(run.staging.store(), &staged.collect::<Vec<_>>()).await?;
        run.engine.register(name, frame)?;
    }
    Ok(json!({ "computed": computed, "warnings": warnings }))
}

/// Golden customers of the tables `records` and `entity_members`; consents are read of the facts.
pub(super) async fn golden(
    engine: &Engine,
    loaded: &Loaded,
    date: jiff::civil::Date,
) -> Result<golden::GoldenTables> {
    let settings = &loaded.pipeline.golden;
    let records = super::check::golden_expressions(engine, settings).await?;
    let records = engine.collect(records, "records").await?;
    let members = engine
        .sql("SELECT * FROM entity_members ORDER BY golden_id, source, record_id", "members")
        .await?;
    let members = engine.collect(members, "members").await?;
    let overrides = match &settings.overrides {
        Some(file) => golden::overrides(&super::check::overrides_text(loaded, file)?, file)?,
        None => Vec::new(),
    };
    let parameters = super::sql::Parameters::new(&loaded.pipeline, &date.to_string());
    let consents = super::consent::stated(engine, loaded, &parameters).await?;
    let _work = memory::at("golden, choosing what survives");
    golden::survive(&golden::Material {
        records: &records,
        members: golden::Members::Table(&members),
        settings,
        logical_date: super::resolution::days(date),
        overrides: &overrides,
        consents: &consents,
    })
}

async fn golden_stage(run: &Run, attempt: &mut Attempt) -> Result<serde_json::Value> {
    let made = golden(&run.engine, &run.loaded, run.date).await?;
    let rows = made.customers.iter().map(RecordBatch::num_rows).sum::<usize>();
    let mut tables_made = vec![(tables::CUSTOMERS.to_owned(), made.customers)];
    let purposes = made.purposes.into_iter();
    tables_made.extend(purposes.map(|(purpose, rows)| (tables::customers_for(purpose), rows)));
    for (name, batches) in tables_made {
        if let Some(first) = batches.first() {
            let schema = first.schema();
            hand_over(run, attempt, &name, schema, batches).await?;
        }
    }
    hand_over(
        run,
        attempt,
        tables::CUSTOMER_LINEAGE,
        tables::customer_lineage(),
        made.lineage.collect::<Result<Vec<_>>>()?,
    )
    .await?;
    hand_over(
        run,
        attempt,
        tables::CUSTOMER_RELATIONS,
        tables::customer_relations(),
        made.relations,
    )
    .await?;
    Ok(json!({ "customers": rows, "warnings": made.warnings }))
}
