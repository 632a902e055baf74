//! What an earlier run left of the records of one kind, by the rows at hand.
//!
//! Knows the tables of that run and which of its records are as they were; refuses to know what is
//! made of them. Every record that a table names is looked up here, once.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};

use super::super::columns::MISSING;
use super::Input;
use super::index::Index;
use crate::error::{Error, Result};

/// The tables that an earlier run left.
pub struct Earlier {
    /// Its `scored_pairs`, sorted by key.
    pub pairs: RecordBatch,
    /// Its `entity_members`, sorted by golden id.
    pub members: RecordBatch,
    /// Its `entity_quality`, sorted by golden id.
    pub quality: RecordBatch,
}

/// What an earlier run left of the records of one kind, and what changed since. It was of the same
/// settings and the same model, and of this program.
pub struct Before<'a> {
    /// The rows of the input, by key.
    pub(super) now: Index<'a>,
    /// By row of the input, whether the record is new or says another thing.
    pub(super) changed: Vec<bool>,
    /// The records that changed or are gone, as they were.
    pub(super) gone: Gone,
    /// Its `scored_pairs`.
    pub(super) pairs: &'a RecordBatch,
    /// The rows of each pair's records, left and right; `MISSING` for one that is not at hand.
    pub(super) pair_rows: (Vec<u32>, Vec<u32>),
    /// By row, a number for the golden id under which it was, `MISSING` where there was none.
    pub(super) entities: Vec<u32>,
    /// Its `entity_quality`.
    pub(super) quality: &'a RecordBatch,
    /// By number of a golden id, the row of its quality, where it has one.
    pub(super) qualities: Vec<Option<usize>>,
}

/// Records as they were.
pub struct Gone {
    /// The source of each.
    pub source: StringArray,
    /// The record's id in its source.
    pub record_id: StringArray,
    /// Every expression of blocking, evaluated over them.
    pub expressions: HashMap<String, ArrayRef>,
}

/// Tells of records, as they were, which of those at hand are the same.
pub struct Unchanged<'a> {
    index: Index<'a>,
    hash: StringArray,
    changed: Vec<bool>,
}

impl<'a> Unchanged<'a> {
    /// The records at hand; `hash` is of all that each says.
    pub fn new(input: &'a Input<'_>, hash: StringArray) -> Self {
        let index = Index::new(&input.source, &input.record_id);
        let changed = vec![true; hash.len()];
        Self { index, hash, changed }
    }

    /// Of records as they were, those that are gone or say another thing now.
    ///
    /// # Errors
    /// Where a thread was lost.
    pub fn gone(
        &mut self,
        source: &StringArray,
        record_id: &StringArray,
        hash: &StringArray,
    ) -> Result<BooleanArray> {
        let rows = self.index.rows(source, record_id, 1)?;
        let mut gone = |(now, hash): (u32, Option<&str>)| {
            let own = self.changed.get_mut(now as usize);
            let same = own.filter(|_| Some(self.hash.value(now as usize)) == hash);
            Some(same.map(|changed| *changed = false).is_none())
        };
        Ok(rows.into_iter().zip(hash).map(&mut gone).collect())
    }

    /// What the run before left, by the records at hand; those of which no record was the same are
    /// new or changed.
    ///
    /// # Errors
    /// Tables that are not of their schemas, or not sorted.
    pub fn before(self, gone: Gone, earlier: &'a Earlier, threads: usize) -> Result<Before<'a>> {
        Before::new(self.index, self.changed, gone, earlier, threads)
    }
}

impl<'a> Before<'a> {
    pub(super) fn new(
        now: Index<'a>,
        changed: Vec<bool>,
        gone: Gone,
        earlier: &'a Earlier,
        threads: usize,
    ) -> Result<Self> {
        let Earlier { pairs, members, quality } = earlier;
        let rows = |table, source, record_id| {
            now.rows(text(table, source)?, text(table, record_id)?, threads)
        };
        let left = rows(pairs, "source_l", "record_id_l")?;
        let pair_rows = (left, rows(pairs, "source_r", "record_id_r")?);
        let of_members = rows(members, "source", "record_id")?;
        let (entities, qualities) = entities(earlier, &of_members, changed.len())?;
        Ok(Self { now, changed, gone, pairs, pair_rows, entities, quality, qualities })
    }
}

/// A column of text of a table that an earlier run left.
pub(in crate::resolve) fn text<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray> {
    let column = batch.column_by_name(name).and_then(|own| own.as_string_opt::<i32>());
    column
        .ok_or_else(|| Error::bug(format!("an earlier run's table has no column `{name}` of text")))
}

/// By row, a number for the golden id under which it was; and by number, the place of the id's
/// quality, where it has one.
fn entities(
    earlier: &Earlier,
    of_members: &[u32],
    rows: usize,
) -> Result<(Vec<u32>, Vec<Option<usize>>)> {
    let ids = text(&earlier.members, "golden_id")?;
    let of_quality = text(&earlier.quality, "golden_id")?;
    let mut entities = vec![MISSING; rows];
    let mut qualities = Vec::new();
    let mut place = 0;
    for (row, now) in of_members.iter().enumerate() {
        let id = ids.value(row);
        if row == 0 || id != ids.value(row - 1) {
            if row > 0 && id < ids.value(row - 1) {
                return Err(Error::bug("an earlier run's members are not sorted by golden id"));
            }
            while place < of_quality.len() && of_quality.value(place) < id {
                place += 1;
            }
            let own = place < of_quality.len() && of_quality.value(place) == id;
            qualities.push(own.then_some(place));
        }
        if let Some(own) = entities.get_mut(*now as usize) {
            *own = qualities.len() as u32 - 1;
        }
    }
    Ok((entities, qualities))
}
