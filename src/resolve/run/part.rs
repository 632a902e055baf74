//! Some rows of an input as an input of their own.
//!
//! Knows rows and arrays; refuses to know why these rows and not others. A part keeps the order of
//! rows, so that whatever is decided by their order is decided alike.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray, UInt32Array};
use arrow::compute::take;

use super::super::columns::MISSING;
use super::super::conditions::PairConditions;
use super::Input;
use crate::error::{Error, Result};

/// Some rows, ascending.
pub(super) struct Part {
    rows: Arc<[u32]>,
    /// By row, its place in the part; `MISSING` for one that is not in it.
    places: Vec<u32>,
}

impl Part {
    /// These rows, in any order and however often, of so many.
    pub(super) fn new(mut rows: Vec<u32>, all: usize) -> Self {
        rows.sort_unstable();
        rows.dedup();
        let mut places = vec![MISSING; all];
        for (place, row) in rows.iter().enumerate() {
            places[*row as usize] = place as u32;
        }
        Self { rows: rows.into(), places }
    }

    /// How many rows it has.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The place of a row, `MISSING` where it is not in the part.
    pub(super) fn place(&self, row: u32) -> u32 {
        self.places[row as usize]
    }

    /// The places of two rows, where both are in the part.
    pub(super) fn pair(&self, l: u32, r: u32) -> Option<(u32, u32)> {
        let (l, r) = (self.place(l), self.place(r));
        (l != MISSING && r != MISSING).then_some((l, r))
    }

    /// The row at a place.
    pub(super) fn row(&self, place: u32) -> u32 {
        self.rows[place as usize]
    }

    /// The input of these rows alone.
    pub(super) fn input<'a>(&self, input: &Input<'a>) -> Result<Input<'a>> {
        let rows = UInt32Array::from_iter_values(self.rows.iter().copied());
        let text = |array: &StringArray| -> Result<StringArray> {
            Ok(taken(array, &rows)?.as_string::<i32>().clone())
        };
        let expressions = input.expressions.iter();
        Ok(Input {
            kind: input.kind,
            settings: input.settings,
            source: text(&input.source)?,
            record_id: text(&input.record_id)?,
            expressions: expressions
                .map(|(sql, array)| Ok((sql.clone(), taken(array.as_ref(), &rows)?)))
                .collect::<Result<_>>()?,
            // Of a part, a dictionary may hold texts that no row holds.
            coded: false,
            conditions: input.conditions.as_ref().map(|whole| {
                Arc::new(PartConditions { whole: Arc::clone(whole), rows: Arc::clone(&self.rows) })
                    as Arc<dyn PairConditions>
            }),
            hash_key: input.hash_key.clone(),
        })
    }
}

fn taken(array: &dyn Array, rows: &UInt32Array) -> Result<ArrayRef> {
    take(array, rows, None).map_err(|_| Error::bug("a part names a row that is not there"))
}

/// Conditions over a part of the rows that they were compiled over.
struct PartConditions {
    whole: Arc<dyn PairConditions>,
    rows: Arc<[u32]>,
}

impl PairConditions for PartConditions {
    fn columns(&self, condition: &str) -> Result<Vec<(String, ArrayRef)>> {
        let rows = UInt32Array::from_iter_values(self.rows.iter().copied());
        let columns = self.whole.columns(condition)?.into_iter();
        columns.map(|(name, array)| Ok((name, taken(array.as_ref(), &rows)?))).collect()
    }

    fn holds(&self, condition: &str, left: &[u32], right: &[u32]) -> Result<BooleanArray> {
        let rows = |places: &[u32]| -> Vec<u32> {
            places.iter().map(|place| self.rows[*place as usize]).collect()
        };
        self.whole.holds(condition, &rows(left), &rows(right))
    }
}
