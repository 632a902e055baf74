//! `previous_<table>`: in SQL, a table as the run before left it; empty where there was none.
//!
//! Knows how such a name is read and which columns it has: those of the table's contract, so that
//! the first run, and one after a column was added, read what every other does. Refuses to know
//! what the rows are for.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::logical_expr::{cast, lit};
use datafusion::prelude::{DataFrame, Expr, ident};
use datafusion::scalar::ScalarValue;

use super::run::Run;
use crate::config::{Loaded, sql};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::land::delta;
use crate::tables::PREVIOUS;

/// The tables whose earlier rows a statement reads.
fn named(statement: &str) -> Vec<String> {
    let Ok(references) = sql::check_sql(statement) else { return Vec::new() };
    let tables = references.tables.into_iter();
    tables.filter_map(|table| table.name.strip_prefix(PREVIOUS).map(str::to_owned)).collect()
}

/// The columns of `previous_<table>`, every one of which may be null.
fn schema(loaded: &Loaded, table: &str) -> Result<SchemaRef> {
    let contract = super::check::landed_contract(loaded, table)?.ok_or_else(|| {
        Error::configuration(format!("`{PREVIOUS}{table}` is read, and `{table}` has no contract"))
            .help(format!("its columns are those of {table}.odcs.yaml in `land.contracts`"))
    })?;
    let fields: Vec<Arc<Field>> =
        contract.arrow_schema().fields().iter().map(|field| nullable(field)).collect();
    Ok(Arc::new(Schema::new(fields)))
}

fn nullable(field: &Field) -> Arc<Field> {
    Arc::new(Field::new(field.name(), field.data_type().clone(), true))
}

/// Names what a statement reads of the run before as empty tables, so that it can be planned.
pub(super) fn register_empty(loaded: &Loaded, engine: &Engine, statement: &str) -> Result<()> {
    for table in named(statement) {
        let frame = engine.batches(schema(loaded, &table)?, Vec::new())?;
        engine.register(&format!("{PREVIOUS}{table}"), frame)?;
    }
    Ok(())
}

/// Names what a statement reads of the run before.
pub(super) async fn register(run: &Run, statement: &str) -> Result<()> {
    register_empty(&run.loaded, &run.engine, statement)?;
    for table in named(statement) {
        let Some(version) = run.predecessor.as_ref().and_then(|entry| entry.tables.get(&table))
        else {
            continue;
        };
        let files = delta::files(&run.warehouse, &table, *version).await?;
        if files.is_empty() {
            continue;
        }
        let frame = run.engine.parquet(&run.warehouse, &files).await?;
        let frame = conform(frame, schema(&run.loaded, &table)?.as_ref(), &table)?;
        run.engine.register(&format!("{PREVIOUS}{table}"), frame)?;
    }
    Ok(())
}

/// The columns of the contract; one that the table did not have yet is null.
fn conform(frame: DataFrame, schema: &Schema, table: &str) -> Result<DataFrame> {
    let columns: Vec<Expr> = schema
        .fields()
        .iter()
        .map(|field| {
            let there = frame.schema().field_with_unqualified_name(field.name()).is_ok();
            let value = if there { ident(field.name()) } else { lit(ScalarValue::Null) };
            cast(value, field.data_type().clone()).alias(field.name())
        })
        .collect();
    frame.select(columns).map_err(|_| {
        Error::data(format!("{table}: the run before left columns that its contract cannot read"))
            .help("give the changed column another name")
    })
}
