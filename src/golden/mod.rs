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
//! | `overrides` | golden values that stewards state |
//! | `units` | attributes and groups of them, each with its rule |
//! | `survivors` | the winner of each, and why |
//! | `customers` | the winners, as `customers` |
//! | `lineage` | every candidate and its verdict, as `customer_lineage` |
//! | `relations` | `customer_relations` |

mod customers;
mod entities;
mod lineage;
mod overrides;
mod relations;
mod rules;
mod settings;
mod survivors;
#[cfg(test)]
mod tests;
mod units;

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::error::ArrowError;

use self::entities::Entities;
use self::overrides::InForce;
use self::survivors::{Survivors, Winners};
use crate::consent::Consents;
use crate::error::{Error, Result};
use crate::tables;

pub use lineage::Lineage;
pub use overrides::{Override, overrides};
pub use rules::{RULES, Rule};
pub use settings::*;

/// The tables of golden customers.
pub struct GoldenTables {
    /// `customers`, sorted by golden_id; at least one batch, possibly without rows.
    pub customers: Vec<RecordBatch>,
    /// The same with only the values that may be used for a purpose, for each that is asked about.
    pub purposes: Vec<(&'static str, Vec<RecordBatch>)>,
    /// `customer_lineage`, sorted by (golden_id, attribute, source, record_id), made batch by
    /// batch as it is asked for: it has a row for each value that was known.
    pub lineage: Lineage,
    /// `customer_relations`, sorted by (golden_id, relation, other_golden_id); at least one batch.
    pub relations: Vec<RecordBatch>,
    /// What was left out, in words without any value of a record.
    pub warnings: Vec<String>,
}

/// What golden customers are made of.
#[derive(Clone, Copy)]
pub struct Material<'a> {
    /// The columns of `tables::RECORD_COLUMNS` that name a record (`source`, `record_id`, `kind`,
    /// `updated_at`), any attributes, and [`expression_column`] for each of `Golden::expressions`.
    pub records: &'a [RecordBatch],
    /// Whose each record is.
    pub members: Members<'a>,
    /// How values survive.
    pub settings: &'a Golden,
    /// The day, since 1970-01-01, from which trust is aged.
    pub logical_date: i32,
    /// What stewards state.
    pub overrides: &'a [Override],
    /// What customers allow.
    pub consents: &'a Consents,
}

/// Whose each record is.
#[derive(Clone, Copy)]
pub enum Members<'a> {
    /// `entity_members`, naming each record once.
    Table(&'a [RecordBatch]),
    /// By row of records that are sorted by (source, record_id), a customer; and the golden id of
    /// each, no two the same.
    Rows {
        /// Customers by row, as places in `golden_ids`; none is without a row.
        customer_of: &'a [u32],
        /// One for each customer.
        golden_ids: &'a StringArray,
        /// Whether dictionaries among the columns of records hold each value once.
        coded: bool,
    },
}

/// Makes golden customers of records and their members.
///
/// Neither needs to be sorted: the order of rows and batches never shows in the result. A null
/// value is not known and never wins over a known one; a group of attributes moves whole, nulls
/// included, if any attribute of the group is known. A value that is not `valid` never wins; one
/// that a steward states always does.
///
/// `customers` has the attributes with the names and types that they have in `records`, the lists
/// of `keep_all`, then `member_count`, `source_count`, `first_seen` (the earliest `created_at`
/// where records have one, else `updated_at`) and `last_updated` (the latest `updated_at`).
///
/// # Errors
/// Configuration: settings that name an unknown column or rule, or a column twice; overrides that
/// fit no attribute. Bug: records and members that do not fit together.
pub fn survive(given: &Material<'_>) -> Result<GoldenTables> {
    let entities = Arc::new(Entities::new(given)?);
    let survivors = Survivors::new(Arc::clone(&entities), given)?;
    let rulings = in_force(given, &entities, &survivors)?;
    let everything = survivors.survive(&entities, None)?;
    let values = |winners: &Winners, allowed: Option<&[bool]>| {
        let own = customers::values(&entities, &survivors, winners, &rulings, allowed)?;
        customers::customers(&entities, own)
    };
    let customers = values(&everything, None)?;
    let mut purposes = Vec::new();
    for purpose in tables::PURPOSES.iter().filter(|purpose| given.consents.asks(purpose)) {
        let allowed = entities.allowed(given.consents, purpose);
        let own = survivors.survive(&entities, Some(&allowed))?;
        purposes.push((*purpose, sliced(&values(&own, Some(&allowed))?)));
    }
    let (relations, mut warnings) =
        relations::relations(&entities, &customers, given.settings, given.consents)?;
    if rulings.dangling > 0 {
        warnings.push(format!(
            "golden.overrides: {} rows name a record that is not there",
            rulings.dangling
        ));
    }
    let lineage = Lineage::new(entities, Arc::new(survivors), everything, &rulings)?;
    Ok(GoldenTables { customers: sliced(&customers), purposes, lineage, relations, warnings })
}

/// The golden values alone, of who asks for neither evidence nor relations: `golden_id`, rising, then
/// what `customers` has of each attribute.
///
/// # Errors
/// As [`survive`].
pub fn values(given: &Material<'_>) -> Result<RecordBatch> {
    let entities = Arc::new(Entities::new(given)?);
    let survivors = Survivors::new(Arc::clone(&entities), given)?;
    let rulings = in_force(given, &entities, &survivors)?;
    let winners = survivors.survive(&entities, None)?;
    customers::values(&entities, &survivors, &winners, &rulings, None)
}

fn in_force<'a>(
    given: &Material<'a>,
    entities: &Entities,
    survivors: &Survivors,
) -> Result<InForce<'a>> {
    InForce::new(given.overrides, entities, |name| {
        let at = entities.records.schema().index_of(name).ok()?;
        survivors.attributes.iter().any(|(own, _)| *own == at).then_some(at)
    })
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
