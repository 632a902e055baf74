//! Entities to golden customers: which value of which record survives, where each value came
//! from, and how customers relate to each other.
//!
//! A compute stage: Arrow batches in, Arrow batches out, one pass a unit of attributes. Knows
//! nothing of how records were resolved, nor of where tables are kept.
//!
//! | file | knows |
//! |---|---|
//! | `settings` | `golden` of a pipeline file |
//! | `entities` | records and members, laid out by customer |
//! | `rules` | survivorship, a file a rule |
//! | `survivors` | attributes and groups of them; the winner of each |
//! | `customers` | the winners, as `customers` |
//! | `lineage` | every candidate and its verdict, as `customer_lineage` |
//! | `relations` | `customer_relations` |

mod customers;
mod entities;
mod lineage;
mod relations;
mod rules;
mod settings;
mod survivors;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use crate::error::{Error, Result};
use crate::steps::Steps;

pub use lineage::Lineage;
pub use rules::{RULES, Rule};
pub use settings::*;

/// The tables of golden customers.
pub struct GoldenTables {
    /// `customers`, sorted by golden_id; at least one batch, possibly without rows.
    pub customers: Vec<RecordBatch>,
    /// `customer_lineage`, sorted by (golden_id, attribute, source, record_id), made batch by
    /// batch as it is asked for: it has a row for each value that was known.
    pub lineage: Lineage,
    /// `customer_relations`, sorted by (golden_id, relation, other_golden_id); at least one batch.
    pub relations: Vec<RecordBatch>,
    /// What was left out, in words without any value of a record.
    pub warnings: Vec<String>,
}

/// Makes golden customers of records and their members.
///
/// `records` has the columns of `tables::RECORD_COLUMNS` that name a record (`source`,
/// `record_id`, `kind`, `updated_at`) and any attributes; `members` is `entity_members`, naming
/// each record once. Neither needs to be sorted: the order of rows and batches never shows in the
/// result. A null value is not known and never wins over a known one; a group of attributes moves
/// whole, nulls included, if any attribute of the group is known.
///
/// `customers` has the attributes with the names and types that they have in `records`, then
/// `member_count`, `source_count`, `first_seen` (the earliest `created_at` where records have
/// one, else `updated_at`) and `last_updated` (the latest `updated_at`).
///
/// # Errors
/// Configuration: settings that name an unknown column or rule, or a column twice. Bug: records
/// and members that do not fit together.
pub fn survive(
    records: &[RecordBatch],
    members: &[RecordBatch],
    settings: &Golden,
) -> Result<GoldenTables> {
    let mut steps = Steps::of("golden records");
    let entities = Arc::new(entities::Entities::new(records, members, settings)?);
    steps.done("laying records out by customer");
    let survivors = Arc::new(survivors::Survivors::new(Arc::clone(&entities), settings)?);
    steps.done("surviving values");
    let customers = customers::customers(&entities, &survivors)?;
    steps.done("customers");
    let (relations, warnings) = relations::relations(&entities, &customers, settings)?;
    let lineage = Lineage::new(entities, survivors)?;
    Ok(GoldenTables { customers: sliced(&customers), lineage, relations, warnings })
}

/// Rows of a batch that leaves this stage.
const BATCH_ROWS: usize = 65_536;

/// A batch cut into batches of bounded size, without copying; at least one.
fn sliced(batch: &RecordBatch) -> Vec<RecordBatch> {
    let rows = batch.num_rows();
    let starts = (0..rows.max(1)).step_by(BATCH_ROWS);
    starts.map(|start| batch.slice(start, BATCH_ROWS.min(rows - start))).collect()
}

/// An Arrow kernel failed where types were checked before. Its message may quote values: dropped.
fn kernel(what: &'static str) -> impl Fn(ArrowError) -> Error {
    move |_| Error::bug(format!("golden records: {what}"))
}
