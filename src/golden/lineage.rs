//! Every candidate and its verdict as `customer_lineage`: which value won, which lost and why.
//!
//! A lazy table: a million records have tens of millions of values, which need not be in memory
//! at once. Reasons never quote a value.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanBuilder, RecordBatch, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::entities::Entities;
use super::overrides::{InForce, Override};
use super::survivors::{Survivors, Verdicts, Winners};
use super::{BATCH_ROWS, kernel};
use crate::error::{Error, Result};
use crate::tables;

/// The batches of `customer_lineage`, in order; at least one.
pub struct Lineage {
    entities: Arc<Entities>,
    survivors: Arc<Survivors>,
    winners: Winners,
    /// What stewards state, by customer and attribute.
    stated: BTreeMap<(usize, String), Override>,
    /// (attribute's name, its values as text, its unit), by name.
    attributes: Vec<(String, StringArray, usize)>,
    /// The next customer to write.
    next: usize,
    /// Whether any batch was given: an empty table has a batch too.
    given: bool,
}

impl Lineage {
    /// Renders each attribute as text once.
    pub(super) fn new(
        entities: Arc<Entities>,
        survivors: Arc<Survivors>,
        winners: Winners,
        rulings: &InForce<'_>,
    ) -> Result<Self> {
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
        let stated = rulings.all().map(|(customer, own)| {
            let key = (customer as usize, own.attribute.clone());
            (key, own.clone())
        });
        let stated = stated.collect();
        Ok(Self { entities, survivors, winners, stated, attributes, next: 0, given: false })
    }

    /// Writes the rows of one customer.
    fn customer(&self, customer: usize, rows: &mut Rows) {
        let golden_id = self.entities.golden_ids.value(customer);
        let units = self.survivors.units.iter().zip(&self.winners);
        let verdicts: Vec<Option<Verdicts>> = units
            .map(|(unit, winners)| unit.verdicts(&self.entities, customer, winners[customer]))
            .collect();
        for (attribute, values, unit) in &self.attributes {
            let stated = match self.stated.is_empty() {
                true => None,
                false => self.stated.get(&(customer, attribute.clone())),
            };
            let mut written: Vec<Row<'_>> = Vec::new();
            if let Some(own) = stated {
                written.push(Row {
                    source: STEWARD,
                    record_id: format!("{}:{}", own.source, own.record_id).into(),
                    value: own.value.as_deref(),
                    rule: STEWARD,
                    won: true,
                    reason: format!("stated by {} on {}", own.by, own.at).into(),
                });
            }
            let rule = self.survivors.units[*unit].rule.name;
            if let Some(verdicts) = &verdicts[*unit] {
                self.rows_of(verdicts, values, stated.is_some(), rule, &mut written);
            }
            written.sort_by(|l, r| (l.source, &l.record_id).cmp(&(r.source, &r.record_id)));
            for own in &written {
                rows.golden_id.append_value(golden_id);
                rows.attribute.append_value(attribute);
                rows.source.append_value(own.source);
                rows.record_id.append_value(&own.record_id);
                rows.value.append_option(own.value);
                rows.rule.append_value(own.rule);
                rows.won.append_value(own.won);
                rows.reason.append_value(&own.reason);
                rows.count += 1;
            }
        }
    }

    /// The rows of one attribute that records have.
    fn rows_of<'a>(
        &'a self,
        verdicts: &'a Verdicts,
        values: &'a StringArray,
        overruled: bool,
        rule: &'static str,
        rows: &mut Vec<Row<'a>>,
    ) {
        let value = |row: u32| values.is_valid(row as usize).then(|| values.value(row as usize));
        // A group may know some of its attributes and not this one.
        if verdicts.candidates.iter().all(|(row, _)| value(*row).is_none()) {
            return;
        }
        for (row, reason) in &verdicts.candidates {
            let won = *row == verdicts.winner && !overruled;
            // A winner's null is written: the group moved whole, and this null is golden.
            if !won && value(*row).is_none() {
                continue;
            }
            let place = *row as usize;
            rows.push(Row {
                source: self.entities.sources.value(place),
                record_id: self.entities.record_ids.value(place).into(),
                value: value(*row),
                rule,
                won,
                reason: if overruled {
                    "overruled by a steward".into()
                } else {
                    reason.as_ref().into()
                },
            });
        }
    }
}

/// The source of a value that a steward states, and the rule by which it wins.
const STEWARD: &str = "steward";

/// One row of the table.
struct Row<'a> {
    source: &'a str,
    record_id: Cow<'a, str>,
    value: Option<&'a str>,
    rule: &'static str,
    won: bool,
    reason: Cow<'a, str>,
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
