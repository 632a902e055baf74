//! What stewards decided, as a run finds it: the table `decisions` of the pipeline's last entry.
//!
//! A decision is of no date: a run of any date, a backfill too, obeys those that stand now, and
//! hands them on. So they are part of what identifies a run: after a decision, the same exports
//! give another run.

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::stages::table_as;
use crate::engine::{Engine, Store};
use crate::error::{Error, Result};
use crate::land::History;
use crate::tables;

/// Every decision that was ever made, those that were withdrawn among them, by `decision_id`.
pub(super) async fn read(
    engine: &Engine,
    warehouse: &Store,
    history: &History,
    pipeline: &str,
) -> Result<RecordBatch> {
    let last = history.last(pipeline);
    table_as(engine, warehouse, last, tables::DECISIONS, tables::decisions()).await
}

/// A hash of what the decisions say; none where there is none.
pub(super) fn hash(decisions: &RecordBatch) -> Result<Option<String>> {
    if decisions.num_rows() == 0 {
        return Ok(None);
    }
    let options = FormatOptions::new().with_null("\u{0}");
    let mut hasher = blake3::Hasher::new();
    for column in decisions.columns() {
        let texts = ArrayFormatter::try_new(column.as_ref(), &options)
            .map_err(|_| Error::bug("a column of decisions that is not text"))?;
        for row in 0..decisions.num_rows() {
            let text = texts.value(row).to_string();
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
    }
    Ok(Some(hasher.finalize().to_hex().to_string()))
}
