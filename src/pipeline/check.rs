//! What can be known to be wrong before anything is read: contracts, and every SELECT planned over
//! empty tables of the right columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::Serialize;

use super::sql::Parameters;
use crate::config::{Known, Loaded};
use crate::contract::Contract;
use crate::engine::{Engine, Options, refuse_unstable};
use crate::error::{Error, Result};
use crate::land::Gate;
use crate::profile::{Computation, Settings};
use crate::tables::{self, SqlTable, SqlTables, timestamp};
use crate::{clean, golden, profile, resolve};

/// What a pipeline is, once it is known to be right.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    /// The pipeline's name.
    pub pipeline: String,
    /// Sources, in order.
    pub sources: Vec<String>,
    /// The tables that a run lands, with their columns and types.
    pub tables: BTreeMap<String, Vec<(String, String)>>,
}

/// Checks a pipeline file and all it refers to, without reading any export.
///
/// # Errors
/// Everything that is wrong, at once where it is the file's shape and references; the first that
/// is wrong where it is SQL.
pub async fn check(loaded: &Loaded, date: &str, options: &Options) -> Result<Checked> {
    let contracts = contracts(loaded)?;
    let parameters = Parameters::new(&loaded.pipeline, date);
    let schemas = plan_all(loaded, &contracts, &parameters, options).await?;
    Ok(Checked {
        pipeline: loaded.pipeline.name.clone(),
        sources: loaded.pipeline.sources.keys().cloned().collect(),
        tables: schemas
            .into_iter()
            .map(|(name, schema)| {
                let columns = schema
                    .fields()
                    .iter()
                    .map(|field| (field.name().clone(), field.data_type().to_string()))
                    .collect();
                (name, columns)
            })
            .collect(),
    })
}

/// The contract of each source. References are checked here, with all else that the file says.
pub(super) fn contracts(loaded: &Loaded) -> Result<BTreeMap<String, Contract>> {
    let comparisons: Vec<&str> = resolve::COMPARISONS.iter().map(|kind| kind.name).collect();
    let computations: Vec<&str> = profile::COMPUTATIONS.iter().map(|c| c.name).collect();
    let survivorship: Vec<&str> = golden::RULES.iter().map(|rule| rule.name).collect();
    loaded.check(&Known {
        comparisons: &comparisons,
        computations: &computations,
        survivorship: &survivorship,
        parameters: super::sql::GIVEN,
        ..Known::default()
    })?;
    loaded
        .pipeline
        .sources
        .iter()
        .map(|(name, source)| Ok((name.clone(), contract(loaded, &source.contract)?)))
        .collect()
}

pub(super) fn contract(loaded: &Loaded, path: &str) -> Result<Contract> {
    let path = loaded.directory.join(path);
    let text = std::fs::read_to_string(&path).map_err(|source| {
        Error::configuration(format!("{}: the contract cannot be read", path.display()))
            .help("a contract is a YAML file in UTF-8 that simurgh's user may read")
            .because(source)
    })?;
    Contract::parse(&text, &path.display().to_string())
}

/// The contract of a landed table, where there is one.
pub(super) fn landed_contract(loaded: &Loaded, table: &str) -> Result<Option<Contract>> {
    let Some(folder) = &loaded.pipeline.land.contracts else { return Ok(None) };
    let path = format!("{folder}/{table}.odcs.yaml");
    if loaded.directory.join(&path).exists() { contract(loaded, &path).map(Some) } else { Ok(None) }
}

/// A hash of all that decides results: the file, and the contracts and SQL that it refers to.
pub(super) fn configuration_hash(loaded: &Loaded) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    add(&loaded.hash_material.to_string());
    let pipeline = &loaded.pipeline;
    for (name, table) in pipeline.facts.iter().chain(&pipeline.enrich).chain(&pipeline.profile) {
        add(&loaded.statement(name, table)?);
    }
    for model in pipeline.resolve.values().filter_map(|own| own.training.model.as_ref()) {
        add(&super::models::text(loaded, model)?);
    }
    for sample in pipeline.resolve.values().filter_map(|own| own.thresholds.sample.as_ref()) {
        add(&super::judged::text(loaded, sample)?);
    }
    for source in pipeline.sources.values() {
        let path = loaded.directory.join(&source.contract);
        add(&std::fs::read_to_string(&path).map_err(|cause| {
            Error::configuration(format!("{}: the contract cannot be read", path.display()))
                .because(cause)
        })?);
    }
    if let Some(file) = &pipeline.golden.overrides {
        add(&overrides_text(loaded, file)?);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// The text of a file of overrides.
pub(super) fn overrides_text(loaded: &Loaded, file: &str) -> Result<String> {
    std::fs::read_to_string(loaded.path(file)).map_err(|cause| {
        Error::configuration(format!("golden.overrides: `{file}` cannot be read"))
            .help("a CSV file in UTF-8, relative to the pipeline file's folder")
            .because(cause)
    })
}

/// Plans every SELECT of the pipeline over empty tables, and returns the columns of each table.
pub(super) async fn plan_all(
    loaded: &Loaded,
    contracts: &BTreeMap<String, Contract>,
    parameters: &Parameters,
    options: &Options,
) -> Result<BTreeMap<String, SchemaRef>> {
    let engine = Engine::new(options)?;
    let mut schemas = BTreeMap::new();
    let mut know = |name: &str, schema: SchemaRef| -> Result<()> {
        let frame = engine.batches(Arc::clone(&schema), Vec::new())?;
        schemas.insert(name.to_owned(), schema);
        engine.register(name, frame)
    };
    for (name, contract) in contracts {
        let mut fields: Vec<Field> =
            contract.arrow_schema().fields().iter().map(|f| f.as_ref().clone()).collect();
        fields.push(Field::new("_file", DataType::Utf8, false));
        fields.push(Field::new("_row", DataType::Int64, false));
        know(&format!("raw_{name}"), Arc::new(Schema::new(fields)))?;
    }
    let pipeline = &loaded.pipeline;
    for (name, source) in &pipeline.sources {
        for (of, sql) in source.subjects() {
            let what = format!("sources.{name}.subject.{of}");
            let whole = format!("SELECT CAST(({sql}) AS VARCHAR) FROM raw_{name}");
            refuse_unstable(&engine.sql(&whole, &what).await?, &what)?;
        }
    }
    let mut mappings = Vec::new();
    for mapping in &pipeline.records {
        let what = format!("records of source `{}`", mapping.source);
        let sql = parameters.bind(&mapping.sql, &what)?;
        let frame = engine.sql(&sql, &what).await?;
        refuse_unstable(&frame, &what)?;
        mappings.push((mapping.source.clone(), frame));
    }
    let records = clean::records(mappings, "")?;
    let records: SchemaRef = Arc::new(records.schema().as_arrow().clone());
    know(tables::RECORDS, Arc::clone(&records))?;
    sql_tables(loaded, &engine, parameters, "facts", &pipeline.facts, &mut know).await?;
    super::consent::check(loaded)?;
    // Planned and read: the tables are empty, the columns are those of a run.
    super::consent::stated(&engine, loaded, parameters).await?;
    golden_expressions(&engine, &pipeline.golden).await?;
    for (kind, settings) in &pipeline.resolve {
        let what = format!("resolve.{kind}");
        let of = tables::RECORDS;
        engine.sql(&super::resolution::sql(of, kind, &settings.expressions(), &[]), &what).await?;
        super::resolution::Asked::of(&engine, Arc::clone(&records), kind, settings).await?;
    }
    for (name, schema) in tables::fixed() {
        know(name, schema)?;
    }
    let golden = customers(&records, &pipeline.golden);
    for (purpose, _) in pipeline.consent.iter().flat_map(crate::consent::Consent::purposes) {
        if tables::PURPOSES.contains(&purpose) {
            know(&tables::customers_for(purpose), Arc::clone(&golden))?;
        }
    }
    know(tables::CUSTOMERS, golden)?;
    sql_tables(loaded, &engine, parameters, "enrich", &pipeline.enrich, &mut know).await?;
    sql_tables(loaded, &engine, parameters, "profile", &pipeline.profile, &mut know).await?;
    super::checks::plan(loaded, &engine, parameters).await?;
    super::alerts::plan(loaded, &engine, parameters).await?;
    if let Some(missing) = pipeline.land.export.iter().find(|name| !schemas.contains_key(*name)) {
        return Err(Error::configuration(format!("land.export: `{missing}` is not a table")));
    }
    gate(&pipeline.gate, &pipeline.facts, &schemas)?;
    Ok(schemas)
}

/// What the gate sums: columns of money of facts.
fn gate(gate: &Gate, facts: &SqlTables, schemas: &BTreeMap<String, SchemaRef>) -> Result<()> {
    if gate.max_moved_amount.is_some() && gate.amounts.is_empty() {
        return Err(Error::configuration("gate.max_moved_amount: no column of money is named")
            .help("name one: gate.amounts, such as {transactions: net}"));
    }
    for (table, column) in &gate.amounts {
        let schema = schemas.get(table).filter(|_| facts.contains_key(table)).ok_or_else(|| {
            Error::configuration(format!("gate.amounts: `{table}` is not a table of `facts`"))
                .help("name a fact, whose rows have `source` and `record_id`")
        })?;
        let has = |name: &str| schema.field_with_name(name).is_ok();
        if !super::gate::is_fact(has) {
            return Err(Error::configuration(format!(
                "gate.amounts: the rows of `{table}` belong to no record"
            ))
            .help("name a fact, whose rows have `source` and `record_id`"));
        }
        match schema.field_with_name(column).map(|field| field.data_type()) {
            Ok(DataType::Decimal128(..) | DataType::Int32 | DataType::Int64) => {}
            Ok(other) => {
                return Err(Error::configuration(format!(
                    "gate.amounts.{table}: `{column}` is {other}, which sums differ of by order"
                ))
                .help("name a column of decimals or whole numbers"));
            }
            Err(_) => {
                return Err(Error::configuration(format!(
                    "gate.amounts.{table}: the table has no column `{column}`"
                ))
                .help("name a column of decimals or whole numbers"));
            }
        }
    }
    Ok(())
}

async fn sql_tables(
    loaded: &Loaded,
    engine: &Engine,
    parameters: &Parameters,
    section: &str,
    settings: &SqlTables,
    know: &mut impl FnMut(&str, SchemaRef) -> Result<()>,
) -> Result<()> {
    for (name, table) in settings {
        let what = format!("{section}.{name}");
        let sql = loaded.statement(name, table)?;
        super::previous::register_empty(loaded, engine, &sql)?;
        let frame = engine.sql(&parameters.bind(&sql, &what)?, &what).await?;
        refuse_unstable(&frame, &what)?;
        let selected: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
        let (schema, maker) = match computation(table, &what)? {
            Some((computation, _)) => (computation.output(&selected, &what)?, computation.name),
            None => (selected, "SQL"),
        };
        for column in &table.key {
            if schema.field_with_name(column).is_err() {
                return Err(Error::configuration(format!(
                    "{what}.key: the {maker} gives no column `{column}`"
                ))
                .help("name columns of the table that together tell its rows apart"));
            }
        }
        know(name, schema)?;
    }
    Ok(())
}

/// The computation that a table names, with its settings; `what` is the table.
pub(super) fn computation(
    table: &SqlTable,
    what: &str,
) -> Result<Option<(&'static Computation, Settings)>> {
    let Some(name) = &table.compute else { return Ok(None) };
    let computation = Computation::find(name)
        .ok_or_else(|| Error::bug(format!("{what}.compute: `{name}` was not checked")))?;
    Ok(Some((computation, computation.settings(&table.settings, what)?)))
}

/// All records with what survivorship asks of them in SQL.
pub(super) async fn golden_expressions(
    engine: &Engine,
    settings: &golden::Golden,
) -> Result<datafusion::dataframe::DataFrame> {
    let mut sql = "SELECT *".to_owned();
    for (n, expression) in settings.expressions().iter().enumerate() {
        sql.push_str(&format!(", ({expression}) AS {}", golden::expression_column(n)));
    }
    let frame = engine.sql(&(sql + " FROM records"), "golden.attributes").await?;
    refuse_unstable(&frame, "golden.attributes")?;
    Ok(frame)
}

/// The columns of `customers`, from those of `records`.
fn customers(records: &Schema, settings: &golden::Golden) -> SchemaRef {
    let mut fields = vec![
        Field::new("golden_id", DataType::Utf8, false),
        Field::new("kind", DataType::Utf8, false),
    ];
    for field in records.fields() {
        let name = field.name();
        if !tables::RECORD_COLUMNS.contains(&name.as_str()) && !settings.exclude.contains(name) {
            fields.push(Field::new(name, field.data_type().clone(), true));
        }
    }
    for (name, own) in &settings.attributes {
        let column = own.columns.first().unwrap_or(name);
        if let (Some(list), Ok(field)) = (&own.keep_all, records.field_with_name(column)) {
            let item = Arc::new(Field::new("item", field.data_type().clone(), true));
            fields.push(Field::new(list, DataType::List(item), true));
        }
    }
    fields.push(Field::new("member_count", DataType::Int32, false));
    fields.push(Field::new("source_count", DataType::Int32, false));
    fields.push(Field::new("first_seen", timestamp(), true));
    fields.push(Field::new("last_updated", timestamp(), true));
    Arc::new(Schema::new(fields))
}
