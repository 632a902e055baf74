//! Every candidate and its verdict as `customer_lineage`: which value won, which lost and why.
//!
//! A lazy table: a million records have tens of millions of values, which need not be in memory
//! at once. Reasons never quote a value.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanBuilder, RecordBatch, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::entities::Entities;
use super::survivors::{Survivors, Verdicts};
use super::{BATCH_ROWS, kernel};
use crate::error::{Error, Result};
use crate::tables;

/// The batches of `customer_lineage`, in order; at least one.
pub struct Lineage {
    entities: Arc<Entities>,
    survivors: Arc<Survivors>,
    /// (attribute's name, its values as text, its unit), by name.
    attributes: Vec<(String, StringArray, usize)>,
    /// The next customer to write.
    next: usize,
    /// Whether any batch was given: an empty table has a batch too.
    given: bool,
}

impl Lineage {
    /// Renders each attribute as text once.
    pub(super) fn new(entities: Arc<Entities>, survivors: Arc<Survivors>) -> Result<Self> {
        let schema = entities.records.schema();
        let rendered = survivors.attributes.iter().map(|&(at, unit)| {
            let name = schema.field(at).name().clone();
            let values = cast(entities.records.column(at), &DataType::Utf8).map_err(|_| {
                Error::configuration(format!("records.{name}: values cannot be written as text"))
                    .help("cast it in the SQL of `records`, or name it in golden.exclude")
            })?;
            Ok((name, values.as_string::<i32>().clone(), unit))
        });
        let mut attributes = rendered.collect::<Result<Vec<_>>>()?;
        attributes.sort_by(|l, r| l.0.cmp(&r.0));
        Ok(Self { entities, survivors, attributes, next: 0, given: false })
    }

    /// Writes the rows of one customer.
    fn customer(&self, customer: usize, rows: &mut Rows) {
        let golden_id = self.entities.golden_ids.value(customer);
        let units = self.survivors.units.iter();
        let verdicts: Vec<Option<Verdicts>> =
            units.map(|unit| unit.verdicts(&self.entities, customer)).collect();
        for (attribute, values, unit) in &self.attributes {
            let Some(verdicts) = &verdicts[*unit] else { continue };
            let value =
                |row: u32| values.is_valid(row as usize).then(|| values.value(row as usize));
            // A group may know some of its attributes and not this one.
            if verdicts.candidates.iter().all(|(row, _)| value(*row).is_none()) {
                continue;
            }
            for (row, reason) in &verdicts.candidates {
                let won = *row == verdicts.winner;
                // A winner's null is written: the group moved whole, and this null is golden.
                if !won && value(*row).is_none() {
                    continue;
                }
                let place = *row as usize;
                rows.golden_id.append_value(golden_id);
                rows.attribute.append_value(attribute);
                rows.source.append_value(self.entities.sources.value(place));
                rows.record_id.append_value(self.entities.record_ids.value(place));
                rows.value.append_option(value(*row));
                rows.rule.append_value(self.survivors.units[*unit].rule.name);
                rows.won.append_value(won);
                rows.reason.append_value(reason);
                rows.count += 1;
            }
        }
    }
}

impl Iterator for Lineage {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.entities.len() && self.given {
            return None;
        }
        let mut rows = Rows::default();
        while self.next < self.entities.len() && rows.count < BATCH_ROWS {
            self.customer(self.next, &mut rows);
            self.next += 1;
        }
        self.given = true;
        Some(rows.finish())
    }
}

/// Rows of `customer_lineage` being written.
#[derive(Default)]
struct Rows {
    golden_id: StringBuilder,
    attribute: StringBuilder,
    source: StringBuilder,
    record_id: StringBuilder,
    value: StringBuilder,
    rule: StringBuilder,
    won: BooleanBuilder,
    reason: StringBuilder,
    count: usize,
}

impl Rows {
    fn finish(mut self) -> Result<RecordBatch> {
        RecordBatch::try_new(
            tables::customer_lineage(),
            vec![
                Arc::new(self.golden_id.finish()),
                Arc::new(self.attribute.finish()),
                Arc::new(self.source.finish()),
                Arc::new(self.record_id.finish()),
                Arc::new(self.value.finish()),
                Arc::new(self.rule.finish()),
                Arc::new(self.won.finish()),
                Arc::new(self.reason.finish()),
            ],
        )
        .map_err(kernel("columns of customer_lineage do not fit"))
    }
}
