//! `checks`: what must be true of a run's tables before any is landed, as queries for what is not.
//!
//! Knows that a check that gives a row stops the run. Tells how many rows, and never what is in
//! them: they may be personal.

use super::run::Run;
use crate::engine::{Engine, refuse_unstable};
use crate::error::{Error, Result};

/// Runs every check.
///
/// # Errors
/// Data: the names of all checks that gave rows, with how many.
pub(super) async fn run(run: &Run) -> Result<()> {
    let mut broken = Vec::new();
    for check in &run.loaded.pipeline.checks {
        let what = format!("checks.{}", check.name);
        let sql = run.parameters.bind(&check.sql, &what)?;
        super::previous::register(run, &sql).await?;
        let frame = run.engine.sql(&sql, &what).await?;
        let rows = run.engine.count(frame, &what).await?;
        if rows > 0 {
            broken.push(format!("`{}` gave {rows}", check.name));
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(Error::data(format!("checks that must give no rows: {}", broken.join(", "))).help(
        "nothing was published; each check's SQL in the pipeline file says what it looks for",
    ))
}

/// Plans every check over empty tables.
pub(super) async fn plan(
    loaded: &crate::config::Loaded,
    engine: &Engine,
    parameters: &super::sql::Parameters,
) -> Result<()> {
    for check in &loaded.pipeline.checks {
        let what = format!("checks.{}", check.name);
        let sql = parameters.bind(&check.sql, &what)?;
        super::previous::register_empty(loaded, engine, &sql)?;
        refuse_unstable(&engine.sql(&sql, &what).await?, &what)?;
    }
    Ok(())
}
