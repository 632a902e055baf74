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
use super::super::kernel::{Pair, parallel};
use super::super::model::{Weight, fixed};
use super::part::Index;
use super::scoring::{By, Scored};
use crate::error::{Error, Result};

/// What was decided of a pair, and how surely.
pub(super) type Verdict = (&'static str, Strength, Weight);

/// The pairs of one kind in the table of the run before.
#[derive(Default)]
pub(super) struct Taken {
    /// Pairs that are taken over, in order.
    pub(super) pairs: Vec<Scored>,
    /// The row of each in the table.
    pub(super) rows: Vec<u32>,
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
    /// The records at hand.
    pub(super) now: &'a Index<'a>,
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

struct Table<'a> {
    keys: [&'a StringArray; 4],
    weight: &'a Float64Array,
    levels: &'a ListArray,
    decision: &'a StringArray,
    decided_by: &'a StringArray,
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
        })
    }

    fn pattern(&self, row: usize) -> u64 {
        let offsets = self.levels.value_offsets();
        let levels = self.levels.values().as_primitive::<UInt8Type>().values();
        let own = &levels[offsets[row] as usize..offsets[row + 1] as usize];
        (0u32..).zip(own).fold(0, |all, (place, level)| all | u64::from(*level) << (4 * place))
    }
}

/// Rows of an earlier run's table that are looked up together.
pub(super) const ROWS: usize = 1 << 15;

impl Taken {
    /// Reads the table, sorted by key.
    pub(super) fn read(batch: &RecordBatch, known: &Known<'_>, threads: usize) -> Result<Self> {
        let table = Table::new(batch)?;
        let all = batch.num_rows();
        let parts = parallel(
            all.div_ceil(ROWS),
            threads,
            || (),
            |(), part| {
                let (mut taken, mut from) = (Self::default(), 0);
                (part * ROWS..all.min((part + 1) * ROWS))
                    .for_each(|row| taken.take(row, &table, known, &mut from));
                taken
            },
        )?;
        let mut taken = Self::default();
        for part in parts {
            taken.pairs.extend(part.pairs);
            taken.rows.extend(part.rows);
            taken.left.extend(part.left);
            taken.again.extend(part.again);
            taken.replaced.extend(part.replaced);
            taken.bereft.extend(part.bereft);
        }
        if taken.pairs.windows(2).any(|two| (two[0].l, two[0].r) >= (two[1].l, two[1].r)) {
            return Err(Error::bug("an earlier run's scored pairs are not sorted by their key"));
        }
        Ok(taken)
    }

    fn take(&mut self, row: usize, table: &Table<'_>, known: &Known<'_>, from: &mut usize) {
        let [source_l, record_l, source_r, record_r] = table.keys.map(|own| own.value(row));
        let same = |row: &u32| !known.changed[*row as usize];
        // The table is sorted by its left records.
        let l = known.now.row_from(from, (source_l, record_l));
        let r = known.now.row(source_r, record_r);
        let merged = table.decision.value(row) == "merge";
        let (Some(l), Some(r)) = (l.filter(same), r.filter(same)) else {
            let gone_l = l.is_none_or(|row| !same(&row));
            if gone_l && known.gone.row(source_l, record_l).is_none() {
                // A pair of another kind.
                return;
            }
            self.left.push(row as u32);
            if merged {
                self.bereft.extend([l, r].into_iter().flatten());
            }
            return;
        };
        let weight = fixed(table.weight.value(row));
        let by = match table.decided_by.value(row) {
            "model" => Some(By::Model),
            other => other
                .strip_prefix("rule:")
                .and_then(|name| known.rules.iter().position(|own| *own == name))
                .map(By::Rule),
        };
        let decision = ["merge", "review", "separate"]
            .into_iter()
            .find(|own| *own == table.decision.value(row));
        let strength = match by {
            Some(By::Model) => Strength::Model(weight),
            Some(By::Rule(_)) => Strength::Rule,
            _ => Strength::Steward,
        };
        let emitter = known.blocks.emitter(l, r);
        let open = |rule: u16, group| !known.blocks.rules[usize::from(rule)].is_again(group);
        match (by, decision, emitter) {
            (Some(by), Some(decision), Some((rule, group)))
                if open(rule, group) && !known.decided.contains(&(l, r)) =>
            {
                let pattern = table.pattern(row);
                self.pairs.push(Scored { l, r, rule, pattern, weight, decision, by });
                self.rows.push(row as u32);
            }
            _ => {
                self.left.push(row as u32);
                let verdict = (decision.unwrap_or(""), strength, weight);
                self.replaced.insert((l, r), (verdict, row as u32));
                if let Some((rule, _)) = emitter.filter(|(rule, group)| open(*rule, *group)) {
                    self.again.push(Pair { l, r, rule });
                }
            }
        }
    }
}
