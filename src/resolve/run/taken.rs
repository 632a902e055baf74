//! Scored pairs of an earlier run that need not be scored again.
//!
//! Knows the table of pairs and which rows changed; refuses to know why a pair weighs what it
//! does. A pair of two unchanged records weighs what it weighed, for the model is the same; whether
//! it is still brought together, and by which rule, the blocks of today say.

use arrow::array::{AsArray, Float64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, UInt8Type};
use rustc_hash::{FxHashMap, FxHashSet};

use super::super::block::Blocks;
use super::super::cluster::Strength;
use super::super::columns::MISSING;
use super::super::kernel::{Pair, parallel};
use super::super::model::{Weight, fixed};
use super::before::Before;
use super::index::Index;
use super::scoring::{Band, By, Scored};
use crate::error::{Error, Result};

/// What was decided of a pair, and how surely.
pub(super) type Verdict = (Option<Band>, Strength, Weight);

/// The pairs of one kind in the table of the run before.
#[derive(Default)]
pub(super) struct Taken {
    /// Pairs that are taken over, in order, and the row of each in the table. They are left in the
    /// pieces in which they were read, for they are many.
    pub(super) pairs: Vec<Vec<(Scored, u32)>>,
    /// Rows of the table that are not taken over.
    pub(super) left: Vec<u32>,
    /// Pairs of unchanged records that are decided again.
    pub(super) again: Vec<Pair>,
    /// Pairs of unchanged records that are not taken over: what was decided of them, and their row.
    pub(super) replaced: FxHashMap<(u32, u32), (Verdict, u32)>,
    /// Records that were merged with one that changed or is gone.
    pub(super) bereft: Vec<u32>,
}

/// What tells whether a pair is taken over.
pub(super) struct Known<'a> {
    /// Those that changed or are gone, as they were.
    pub(super) gone: &'a Index<'a>,
    /// By row, whether a record is new or changed.
    pub(super) changed: &'a [bool],
    /// The blocks of today.
    pub(super) blocks: &'a Blocks,
    /// The names of deterministic rules.
    pub(super) rules: Vec<&'a str>,
    /// Pairs on which a steward decided.
    pub(super) decided: &'a FxHashSet<(u32, u32)>,
}

impl Known<'_> {
    /// The rule that brings two unchanged records together, which `before` did; none where none
    /// does, or where their group is walked whole again.
    fn emitter(&self, l: u32, r: u32, before: &str) -> Option<u16> {
        let rules = &self.blocks.rules;
        if self.blocks.stay() {
            // Only a steward's pair is of none.
            if let Some(rule) = rules.iter().position(|own| own.name == before) {
                return Some(rule as u16);
            }
        }
        let (rule, group) = self.blocks.emitter(l, r)?;
        (!rules[usize::from(rule)].is_again(group)).then_some(rule)
    }
}

struct Table<'a> {
    keys: [&'a StringArray; 4],
    weight: &'a Float64Array,
    levels: &'a ListArray,
    decision: &'a StringArray,
    decided_by: &'a StringArray,
    blocking_rule: &'a StringArray,
}

impl<'a> Table<'a> {
    fn new(batch: &'a RecordBatch) -> Result<Self> {
        let lost = || Error::bug("an earlier run's scored pairs lack a column");
        let column = |name: &str| batch.column_by_name(name).ok_or_else(lost);
        let text = |name: &str| column(name)?.as_string_opt::<i32>().ok_or_else(lost);
        Ok(Self {
            keys: [
                text("source_l")?,
                text("record_id_l")?,
                text("source_r")?,
                text("record_id_r")?,
            ],
            weight: column("match_weight")?.as_primitive_opt::<Float64Type>().ok_or_else(lost)?,
            levels: column("levels")?.as_list_opt::<i32>().ok_or_else(lost)?,
            decision: text("decision")?,
            decided_by: text("decided_by")?,
            blocking_rule: text("blocking_rule")?,
        })
    }

    fn pattern(&self, row: usize) -> u64 {
        let offsets = self.levels.value_offsets();
        let levels = self.levels.values().as_primitive::<UInt8Type>().values();
        let own = &levels[offsets[row] as usize..offsets[row + 1] as usize];
        (0u32..).zip(own).fold(0, |all, (place, level)| all | u64::from(*level) << (4 * place))
    }
}

/// Rows of the table that are read together.
const ROWS: usize = 1 << 15;

impl Taken {
    /// Reads the table, sorted by key.
    pub(super) fn read(before: &Before<'_>, known: &Known<'_>, threads: usize) -> Result<Self> {
        let table = Table::new(before.pairs)?;
        let (l, r) = &before.pair_rows;
        let parts = parallel(
            l.len().div_ceil(ROWS),
            threads,
            || (),
            |(), part| {
                let (mut taken, mut pairs) = (Self::default(), Vec::with_capacity(ROWS));
                let rows = part * ROWS..l.len().min((part + 1) * ROWS);
                pairs.extend(
                    rows.filter_map(|row| taken.take(row, (l[row], r[row]), &table, known)),
                );
                taken.pairs.push(pairs);
                taken
            },
        )?;
        let mut taken = Self::default();
        for part in parts {
            taken.pairs.extend(part.pairs);
            taken.left.extend(part.left);
            taken.again.extend(part.again);
            taken.replaced.extend(part.replaced);
            taken.bereft.extend(part.bereft);
        }
        let keys = taken.iter().map(|(pair, _)| (pair.l, pair.r));
        if !keys.is_sorted_by(|a, b| a < b) {
            return Err(Error::bug("an earlier run's scored pairs are not sorted by their key"));
        }
        Ok(taken)
    }

    /// The pairs that are taken over, in order, and their rows.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(Scored, u32)> {
        self.pairs.iter().flatten()
    }

    /// A pair of the table, where it is taken over; else what is left of it is noted.
    fn take(
        &mut self,
        row: usize,
        (l, r): (u32, u32),
        table: &Table<'_>,
        known: &Known<'_>,
    ) -> Option<(Scored, u32)> {
        let same = |row: &u32| !known.changed[*row as usize];
        let there = |row: u32| (row != MISSING).then_some(row);
        let (l, r) = (there(l), there(r));
        let decision = Band::find(table.decision.value(row));
        let merged = decision == Some(Band::Merge);
        let (Some(l), Some(r)) = (l.filter(same), r.filter(same)) else {
            let gone_l = l.is_none_or(|row| !same(&row));
            let [source, record_id] = [0, 1].map(|own| table.keys[own].value(row));
            if gone_l && known.gone.row(source, record_id).is_none() {
                // A pair of another kind.
                return None;
            }
            self.left.push(row as u32);
            if merged {
                self.bereft.extend([l, r].into_iter().flatten());
            }
            return None;
        };
        let weight = fixed(table.weight.value(row));
        let by = match table.decided_by.value(row) {
            "model" => Some(By::Model),
            other => other
                .strip_prefix("rule:")
                .and_then(|name| known.rules.iter().position(|own| *own == name))
                .map(|place| By::Rule(place as u32)),
        };
        let strength = match by {
            Some(By::Model) => Strength::Model(weight),
            Some(By::Rule(_)) => Strength::Rule,
            _ => Strength::Steward,
        };
        let emitter = known.emitter(l, r, table.blocking_rule.value(row));
        match (by, decision, emitter) {
            (Some(by), Some(decision), Some(rule)) if !known.decided.contains(&(l, r)) => {
                let pattern = table.pattern(row);
                Some((Scored { l, r, rule, pattern, weight, decision, by }, row as u32))
            }
            _ => {
                self.left.push(row as u32);
                let verdict = (decision, strength, weight);
                self.replaced.insert((l, r), (verdict, row as u32));
                self.again.extend(emitter.map(|rule| Pair { l, r, rule }));
                None
            }
        }
    }
}
