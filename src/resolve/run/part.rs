//! Some rows of an input as an input of their own, and rows by their key.
//!
//! Knows rows and arrays; refuses to know why these rows and not others. A part keeps the order of
//! rows, so that whatever is decided by their order is decided alike.

use std::hash::Hasher;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray, UInt32Array};
use arrow::compute::take;
use rustc_hash::FxHasher;

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

/// Rows by (source, record_id). A slot is half a hash and a row, half of them empty at least.
pub struct Index<'a> {
    source: &'a StringArray,
    record_id: &'a StringArray,
    slots: Vec<u64>,
}

const EMPTY: u64 = u64::MAX;

fn hash(source: &str, record_id: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(source.as_bytes());
    hasher.write_u8(0);
    hasher.write(record_id.as_bytes());
    hasher.finish().wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl<'a> Index<'a> {
    /// Rows whose keys are all different; `row_from` asks that they be sorted by them.
    pub fn new(source: &'a StringArray, record_id: &'a StringArray) -> Self {
        let size = (source.len() * 2).next_power_of_two().max(2);
        let mut slots = vec![EMPTY; size];
        for row in 0..source.len() {
            let hash = hash(source.value(row), record_id.value(row));
            let mut slot = (hash >> 32) as usize & (size - 1);
            while slots[slot] != EMPTY {
                slot = (slot + 1) & (size - 1);
            }
            slots[slot] = hash >> 32 << 32 | row as u64;
        }
        Self { source, record_id, slots }
    }

    fn key(&self, row: usize) -> (&str, &str) {
        (self.source.value(row), self.record_id.value(row))
    }

    /// The row of a key, and where the next is to be looked for: quick where the keys that are asked
    /// for come in order.
    pub(super) fn row_from(&self, from: &mut usize, key: (&str, &str)) -> Option<u32> {
        let rows = self.source.len();
        if *from > 0 && self.key(*from - 1) >= key {
            return self.row(key.0, key.1);
        }
        let (mut low, mut step) = (*from, 1);
        while low + step < rows && self.key(low + step) < key {
            low += step;
            step *= 2;
        }
        let mut high = rows.min(low + step);
        while low < high {
            let middle = low.midpoint(high);
            match self.key(middle) < key {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        *from = low;
        (low < rows && self.key(low) == key).then_some(low as u32)
    }

    /// The row of a key.
    pub(super) fn row(&self, source: &str, record_id: &str) -> Option<u32> {
        let half = hash(source, record_id) >> 32;
        let mask = self.slots.len() - 1;
        let mut slot = half as usize & mask;
        while self.slots[slot] != EMPTY {
            let row = self.slots[slot] as u32;
            if self.slots[slot] >> 32 == half
                && self.record_id.value(row as usize) == record_id
                && self.source.value(row as usize) == source
            {
                return Some(row);
            }
            slot = (slot + 1) & mask;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_are_found_by_their_keys_and_no_others(
            keys in prop::collection::btree_set(("[ab]{0,2}", "[a-c]{0,3}"), 0..60),
            asked in prop::collection::vec(("[ab]{0,2}", "[a-c]{0,3}"), 0..60),
        ) {
            let source: StringArray = keys.iter().map(|key| Some(key.0.as_str())).collect();
            let record_id: StringArray = keys.iter().map(|key| Some(key.1.as_str())).collect();
            let index = Index::new(&source, &record_id);
            let known: HashMap<_, _> = keys.iter().zip(0u32..).collect();
            let mut from = 0;
            for key in keys.iter().chain(&asked) {
                prop_assert_eq!(index.row(&key.0, &key.1), known.get(key).copied());
                let found = index.row_from(&mut from, (&key.0, &key.1));
                prop_assert_eq!(found, known.get(key).copied());
            }
        }
    }
}
