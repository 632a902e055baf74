//! `alerts`: what a reader of the run's results should act on, such as a stage of the journey under
//! its threshold, as queries.
//!
//! Knows that the rows of an alert stand in the run's results, and stop nothing. So that no personal
//! data gets there, a column that is made of a personal one is refused before anything is read.

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Map, Value, json};

use super::run::Run;
use crate::config::Loaded;
use crate::engine::{Engine, refuse_unstable};
use crate::error::{Error, Result};

/// The rows of one alert that are told at most; all are counted.
const MOST_ROWS: usize = 100;

/// Asks every alert: for each that gave rows, what it is, how many and which; and a warning of it.
pub(super) async fn run(run: &Run) -> Result<(Vec<Value>, Vec<String>)> {
    let (mut alerts, mut warnings) = (Vec::new(), Vec::new());
    for alert in &run.loaded.pipeline.alerts {
        let what = format!("alerts.{}", alert.name);
        let sql = run.parameters.bind(&alert.sql, &what)?;
        super::previous::register(run, &sql).await?;
        let frame = run.engine.sql(&sql, &what).await?;
        refuse_personal(&run.loaded, &run.engine, &frame, &what)?;
        let count = run.engine.count(frame.clone(), &what).await?;
        if count > 0 {
            // The first in an order of their own: which rows are told must not depend on the threads.
            let columns: Vec<String> =
                frame.schema().fields().iter().map(|field| field.name().clone()).collect();
            let told = run.engine.sorted(frame, &columns)?.limit(0, Some(MOST_ROWS));
            let told = told.map_err(|_| Error::bug(format!("{what}: cannot be cut short")))?;
            let rows = rows(&run.engine.collect(told, &what).await?, &what)?;
            warnings.push(format!("alert `{}`: {count} rows, in run_results.json", alert.name));
            alerts.push(json!({ "alert": alert.name, "count": count, "rows": rows }));
        }
    }
    Ok((alerts, warnings))
}

/// Plans every alert over empty tables.
pub(super) async fn plan(
    loaded: &Loaded,
    engine: &Engine,
    parameters: &super::sql::Parameters,
) -> Result<()> {
    for alert in &loaded.pipeline.alerts {
        let what = format!("alerts.{}", alert.name);
        let sql = parameters.bind(&alert.sql, &what)?;
        super::previous::register_empty(loaded, engine, &sql)?;
        let frame = engine.sql(&sql, &what).await?;
        refuse_unstable(&frame, &what)?;
        refuse_personal(loaded, engine, &frame, &what)?;
    }
    Ok(())
}

/// Refuses a column whose value is made of one that a contract calls personal, or that has none.
fn refuse_personal(
    loaded: &Loaded,
    engine: &Engine,
    frame: &datafusion::dataframe::DataFrame,
    what: &str,
) -> Result<()> {
    for (name, sources) in engine.lineage(frame).columns {
        for source in sources.iter().filter(|source| source.used.is_direct()) {
            let contract = super::check::landed_contract(loaded, &source.table)?;
            let public = contract.as_ref().is_some_and(|contract| {
                contract.column(&source.column).is_some_and(|column| !column.personal)
            });
            if !public {
                return Err(Error::configuration(format!(
                    "{what}: column `{name}` is made of `{}.{}`, which no contract calls free of personal data",
                    source.table, source.column
                ))
                .help("its rows stand in the run's results: give counts, rates, names of stages and the like"));
            }
        }
    }
    Ok(())
}

/// Rows as objects: numbers that are exact as numbers, all else as text.
fn rows(batches: &[RecordBatch], what: &str) -> Result<Vec<Value>> {
    let bug = |_| Error::bug(format!("{what}: a column cannot be shown"));
    let options = FormatOptions::default();
    let mut shown = Vec::new();
    for batch in batches {
        let schema = batch.schema();
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).map_err(bug))
            .collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let mut object = Map::new();
            for ((field, column), array) in
                schema.fields().iter().zip(&columns).zip(batch.columns())
            {
                let text = column.value(row).to_string();
                let value = if array.is_null(row) {
                    Value::Null
                } else if field.data_type().is_integer() {
                    text.parse::<i64>().map_or(Value::String(text), Value::from)
                } else {
                    Value::String(text)
                };
                object.insert(field.name().clone(), value);
            }
            shown.push(Value::Object(object));
        }
    }
    Ok(shown)
}
