//! `scored_pairs` of pairs that were taken over and pairs that were scored now.
//!
//! Knows rows of two tables; refuses to know why a pair is in one or the other.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, UInt32Array};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{filter_record_batch, interleave, take_record_batch};

use super::super::block::Blocks;
use super::before::text;
use super::grouping::Grouped;
use super::part::Part;
use super::scoring::{Band, Scored};
use super::table::texts;
use super::taken::Taken;
use crate::error::{Error, Result};
use crate::tables;

/// Pairs that were taken over and pairs that were scored now, each sorted.
pub(super) struct Both<'a> {
    pub(super) taken: &'a Taken,
    pub(super) fresh: Vec<Scored>,
}

/// Where a pair is from.
#[derive(Clone, Copy)]
pub(super) enum Origin {
    /// Taken over, of this row of the table of the run before.
    Taken(u32),
    /// Scored now, at this place.
    Fresh(usize),
}

impl Both<'_> {
    /// All of them as one sorted list, and where each is from.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Scored, Origin)> {
        let mut taken = self.taken.iter().peekable();
        let mut fresh = self.fresh.iter().enumerate().peekable();
        std::iter::from_fn(move || {
            let first = match (taken.peek(), fresh.peek()) {
                (Some((a, _)), Some((_, b))) => (a.l, a.r) < (b.l, b.r),
                (a, _) => a.is_some(),
            };
            match first {
                true => taken.next().map(|(pair, row)| (pair, Origin::Taken(*row))),
                false => fresh.next().map(|(place, pair)| (pair, Origin::Fresh(place))),
            }
        })
    }

    /// The pairs within a part, by places.
    pub(super) fn within(&self, part: &Part) -> Vec<Scored> {
        let own = |pair: &Scored| part.pair(pair.l, pair.r).map(|(l, r)| Scored { l, r, ..*pair });
        self.iter().filter_map(|(pair, _)| own(pair)).collect()
    }
}

/// `scored_pairs`, and what differs from those of the run before.
pub(super) struct Output {
    pub(super) pairs: RecordBatch,
    pub(super) before: RecordBatch,
    pub(super) now: RecordBatch,
}

/// What clusters made of each pair: as they are now where it was clustered again, else as it was.
pub(super) fn effects_of(
    table: &RecordBatch,
    both: &Both<'_>,
    far: &Part,
    grouped: &Grouped,
) -> Result<Vec<(bool, Option<String>)>> {
    let guards = text(table, "guard")?;
    let joined = table.column_by_name("joined").and_then(|own| own.as_boolean_opt());
    let joined =
        joined.ok_or_else(|| Error::bug("an earlier run's scored pairs do not say who joined"))?;
    let of = |(pair, origin): (&Scored, Origin)| {
        if let Some((l, r)) = far.pair(pair.l, pair.r) {
            let (joined, guard) = grouped.effects.of(l, r);
            return (joined, guard.map(str::to_owned));
        }
        let row = match origin {
            Origin::Taken(row) => Some(row),
            Origin::Fresh(_) => both.taken.replaced.get(&(pair.l, pair.r)).map(|own| own.1),
        };
        // A pair of two components joins nothing.
        let row = row.filter(|_| pair.decision == Band::Merge).map(|row| row as usize);
        let guard = row.filter(|row| guards.is_valid(*row)).map(|row| guards.value(row).to_owned());
        (row.is_some_and(|row| joined.is_valid(row) && joined.value(row)), guard)
    };
    Ok(both.iter().map(of).collect())
}

pub(super) fn output(
    table: &RecordBatch,
    both: &Both<'_>,
    fresh: &RecordBatch,
    blocks: &Blocks,
    effects: &[(bool, Option<String>)],
) -> Result<Output> {
    let bug = |_| Error::bug("scored pairs could not be put together");
    let lost = |_| Error::bug("an earlier run's scored pairs lack a column");
    let of = |(pair, origin)| match origin {
        Origin::Taken(row) => (pair, (0, row as usize)),
        Origin::Fresh(place) => (pair, (1, place)),
    };
    let (scored, rows): (Vec<&Scored>, Vec<(usize, usize)>) = both.iter().map(of).unzip();
    let mut columns: Vec<ArrayRef> = table
        .columns()
        .iter()
        .zip(fresh.columns())
        .map(|(old, new)| interleave(&[old.as_ref(), new.as_ref()], &rows).map_err(bug))
        .collect::<Result<_>>()?;
    // What a row that is taken over may say otherwise than it did.
    let rule = |pair: &Scored| match blocks.rules.get(usize::from(pair.rule)) {
        Some(rule) => Cow::Borrowed(rule.name.as_str()),
        None => Cow::Borrowed("decision"),
    };
    let scored = || scored.iter().copied();
    let says: [(&str, ArrayRef); 4] = [
        ("blocking_rule", texts(scored(), rule)),
        ("decision", texts(scored(), |pair| Cow::Borrowed(pair.decision.name()))),
        ("joined", Arc::new(effects.iter().map(|own| Some(own.0)).collect::<BooleanArray>())),
        ("guard", Arc::new(effects.iter().map(|own| own.1.as_deref()).collect::<StringArray>())),
    ];
    let mut new: Vec<bool> = rows.iter().map(|(from, _)| *from == 1).collect();
    for (name, says) in says {
        let place = table.schema().index_of(name).map_err(lost)?;
        let other = distinct(&columns[place], &says).map_err(bug)?;
        other.iter().zip(&mut new).for_each(|(other, new)| *new |= other == Some(true));
        columns[place] = says;
    }
    let pairs = RecordBatch::try_new(tables::scored_pairs(), columns).map_err(bug)?;
    let altered = rows.iter().zip(&new).filter(|((from, _), new)| *from == 0 && **new);
    let mut left: Vec<u32> = altered.map(|((_, row), _)| *row as u32).collect();
    left.extend(&both.taken.left);
    left.sort_unstable();
    Ok(Output {
        before: take_record_batch(table, &UInt32Array::from(left)).map_err(bug)?,
        now: filter_record_batch(&pairs, &BooleanArray::from(new)).map_err(bug)?,
        pairs,
    })
}
