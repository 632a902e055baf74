//! Rows by their key.
//!
//! Knows keys and where each is; refuses to know what is kept of a row. What is slow of a million
//! keys is to wait for memory, so that many are looked up at once: the slots of all of them are read
//! before any is followed, and their loads do not wait for one another.

use std::hash::Hasher;
use std::ops::Range;

use arrow::array::{Array, StringArray};
use rustc_hash::FxHasher;

use super::super::columns::MISSING;
use super::super::kernel::parallel;
use crate::error::Result;

/// Rows by (source, record_id). A slot is half a hash and a row, half of them empty at least.
pub(super) struct Index<'a> {
    source: &'a StringArray,
    record_id: &'a StringArray,
    slots: Vec<u64>,
}

const EMPTY: u64 = u64::MAX;

/// Keys whose loads are made together.
const TOGETHER: usize = 256;

/// Keys that one task looks up.
const TASK: usize = 1 << 15;

/// The half of a key's hash that its slot holds.
fn half(source: &str, record_id: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(source.as_bytes());
    hasher.write_u8(0);
    hasher.write(record_id.as_bytes());
    hasher.finish().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

impl<'a> Index<'a> {
    /// Rows whose keys are all different.
    pub(super) fn new(source: &'a StringArray, record_id: &'a StringArray) -> Self {
        let size = (source.len() * 2).next_power_of_two().max(2);
        let mut slots = vec![EMPTY; size];
        for row in 0..source.len() {
            let half = half(source.value(row), record_id.value(row));
            let mut slot = half as usize & (size - 1);
            while slots[slot] != EMPTY {
                slot = (slot + 1) & (size - 1);
            }
            slots[slot] = half << 32 | row as u64;
        }
        Self { source, record_id, slots }
    }

    /// The row of a key.
    pub(super) fn row(&self, source: &str, record_id: &str) -> Option<u32> {
        let half = half(source, record_id);
        self.row_of(half, self.slots[half as usize & (self.slots.len() - 1)], source, record_id)
    }

    /// The row of a key, given what stands in the first slot that it may be in.
    fn row_of(&self, half: u64, first: u64, source: &str, record_id: &str) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let (mut slot, mut held) = (half as usize & mask, first);
        while held != EMPTY {
            let row = held as u32;
            if held >> 32 == half
                && self.record_id.value(row as usize) == record_id
                && self.source.value(row as usize) == source
            {
                return Some(row);
            }
            slot = (slot + 1) & mask;
            held = self.slots[slot];
        }
        None
    }

    /// The row of each key, `MISSING` where there is none.
    ///
    /// # Errors
    /// Where a thread was lost.
    pub(super) fn rows(
        &self,
        source: &StringArray,
        record_id: &StringArray,
        threads: usize,
    ) -> Result<Vec<u32>> {
        let all = source.len();
        let task = |part: usize| {
            let (mut found, end) = (Vec::with_capacity(TASK), all.min((part + 1) * TASK));
            for first in (part * TASK..end).step_by(TOGETHER) {
                self.look_up(source, record_id, first..end.min(first + TOGETHER), &mut found);
            }
            found
        };
        let parts = parallel(all.div_ceil(TASK), threads, || (), |(), part| task(part))?;
        Ok(parts.concat())
    }

    fn look_up(
        &self,
        source: &StringArray,
        record_id: &StringArray,
        asked: Range<usize>,
        found: &mut Vec<u32>,
    ) {
        let (mut halves, mut firsts) = ([0; TOGETHER], [EMPTY; TOGETHER]);
        for (half_of, row) in halves.iter_mut().zip(asked.clone()) {
            *half_of = half(source.value(row), record_id.value(row));
        }
        for (first, half) in firsts.iter_mut().zip(&halves[..asked.len()]) {
            *first = self.slots[*half as usize & (self.slots.len() - 1)];
        }
        for ((half, first), row) in halves.iter().zip(firsts).zip(asked) {
            let row = self.row_of(*half, first, source.value(row), record_id.value(row));
            found.push(row.unwrap_or(MISSING));
        }
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
            asked in prop::collection::vec(("[ab]{0,2}", "[a-c]{0,3}"), 0..700),
            threads in 1usize..3,
        ) {
            let texts = |keys: &[&(String, String)]| -> (StringArray, StringArray) {
                (
                    keys.iter().map(|key| Some(key.0.as_str())).collect(),
                    keys.iter().map(|key| Some(key.1.as_str())).collect(),
                )
            };
            let (source, record_id) = texts(&keys.iter().collect::<Vec<_>>());
            let index = Index::new(&source, &record_id);
            let known: HashMap<_, _> = keys.iter().zip(0u32..).collect();
            let asked: Vec<_> = keys.iter().chain(&asked).collect();
            let expected: Vec<_> = asked.iter().map(|key| known.get(*key).copied()).collect();
            for (key, expected) in asked.iter().zip(&expected) {
                prop_assert_eq!(index.row(&key.0, &key.1), *expected);
            }
            let (source, record_id) = texts(&asked);
            let found = index.rows(&source, &record_id, threads).expect("rows");
            let expected: Vec<_> = expected.iter().map(|row| row.unwrap_or(MISSING)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
