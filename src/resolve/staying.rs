//! Golden ids where most entities are as they were.
//!
//! Knows the earlier members and which entities stay; refuses to know why they do. An entity whose
//! records are the same keeps its id whatever happens to others (`identify`), unless a steward named
//! it: so that ids are settled among the others alone, and the rows of those that stay are as they
//! were.

use arrow::array::{Array, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{filter_record_batch, interleave};
use rustc_hash::FxHashSet;

use super::columns::MISSING;
use super::decisions::Decision;
use super::identify::{Identified, IdentifyRun, Previous, identify_among, returning};
use super::record::RecordKey;
use super::run::{Extent, Link, text};
use crate::error::{Error, Result};

/// The entities of an earlier run, and which of them stay.
pub struct Staying<'a> {
    /// Every golden id, ascending; its place is its number.
    ids: Vec<&'a str>,
    stays: Vec<bool>,
    /// Named by a steward, or by the name of one of its records.
    named: Vec<bool>,
}

fn ids(batch: &RecordBatch) -> Result<&StringArray> {
    text(batch, "golden_id")
}

impl<'a> Staying<'a> {
    /// The entities of `entity_members`, sorted by golden id; none stays yet.
    ///
    /// # Errors
    /// A table of another schema.
    pub fn new(members: &'a RecordBatch, decisions: &[Decision]) -> Result<Self> {
        let of_rows = ids(members)?;
        let mut all: Vec<&str> = of_rows.iter().flatten().collect();
        all.dedup();
        let mut named = vec![false; all.len()];
        let keys: FxHashSet<(&str, &str)> = decisions
            .iter()
            .flat_map(|own| [&own.a, &own.b])
            .map(|key| (key.source.as_str(), key.record_id.as_str()))
            .collect();
        if !keys.is_empty() {
            let (source, record_id) = (text(members, "source")?, text(members, "record_id")?);
            for row in (0..of_rows.len())
                .filter(|row| keys.contains(&(source.value(*row), record_id.value(*row))))
            {
                if let Ok(place) = all.binary_search(&of_rows.value(row)) {
                    named[place] = true;
                }
            }
        }
        for own in decisions {
            for id in
                [&own.golden_id_a, &own.golden_id_b, &own.keep_golden_id].into_iter().flatten()
            {
                if let Ok(place) = all.binary_search(&id.as_str()) {
                    named[place] = true;
                }
            }
        }
        Ok(Self { stays: vec![false; all.len()], ids: all, named })
    }

    /// Takes in what a kind's resolution left as it was. Gives, by row, whether a record's entity
    /// stays; nothing where everything was looked at.
    pub fn take(&mut self, extent: &Extent) -> Vec<bool> {
        let Extent::Changes(changes) = extent else { return Vec::new() };
        let stays = |number: &u32| *number != MISSING && !self.named[*number as usize];
        let rows: Vec<bool> = changes.entities.iter().map(stays).collect();
        for (number, _) in changes.entities.iter().zip(&rows).filter(|(_, stays)| **stays) {
            self.stays[*number as usize] = true;
        }
        rows
    }

    /// By row of a table sorted by golden id, whether its entity stays.
    fn rows(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let (mut place, mut last) = (0, "");
        let of_rows = ids(batch)?;
        let mut of = |row: usize| {
            let id = of_rows.value(row);
            if id < last {
                // Not in order: it costs more, and is no less right.
                place = self.ids.partition_point(|own| *own < id);
            }
            last = id;
            while self.ids.get(place).is_some_and(|own| *own < id) {
                place += 1;
            }
            Some(self.ids.get(place) == Some(&id) && self.stays[place])
        };
        Ok((0..of_rows.len()).map(&mut of).collect())
    }

    /// The rows of a table of entities that do not stay.
    fn others(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let stays = self.rows(batch)?;
        let others: BooleanArray = stays.iter().map(|stays| Some(stays != Some(true))).collect();
        filter_record_batch(batch, &others)
            .map_err(|_| Error::bug("rows of an earlier run could not be chosen"))
    }

    /// A table of today: the rows of entities that stay, as they were, among `others`. Both are
    /// sorted by golden id, and of no entity are there rows in both.
    ///
    /// # Errors
    /// Tables of two schemas.
    pub fn with(&self, before: &RecordBatch, others: &RecordBatch) -> Result<RecordBatch> {
        let bug = |_| Error::bug("entities that stay and others could not be put together");
        let before = filter_record_batch(before, &self.rows(before)?).map_err(bug)?;
        let (old, new) = (ids(&before)?, ids(others)?);
        let mut rows = Vec::with_capacity(old.len() + new.len());
        let (mut l, mut r) = (0, 0);
        while l < old.len() || r < new.len() {
            if r == new.len() || l < old.len() && old.value(l) < new.value(r) {
                rows.push((0, l));
                l += 1;
            } else {
                rows.push((1, r));
                r += 1;
            }
        }
        let columns = before.columns().iter().zip(others.columns());
        let columns = columns
            .map(|(old, new)| interleave(&[old.as_ref(), new.as_ref()], &rows).map_err(bug))
            .collect::<Result<_>>()?;
        RecordBatch::try_new(others.schema(), columns).map_err(bug)
    }

    /// The same without the entities that hold one of these records; and the records of those.
    fn without(
        &self,
        members: &RecordBatch,
        records: &FxHashSet<RecordKey>,
    ) -> Result<(Self, Vec<Vec<RecordKey>>)> {
        let of_rows = ids(members)?;
        let (source, record_id) = (text(members, "source")?, text(members, "record_id")?);
        let key = |row: usize| RecordKey::new(source.value(row), record_id.value(row));
        let mut fewer =
            Self { ids: self.ids.clone(), stays: self.stays.clone(), named: self.named.clone() };
        for row in (0..of_rows.len()).filter(|row| records.contains(&key(*row))) {
            if let Ok(place) = self.ids.binary_search(&of_rows.value(row)) {
                fewer.stays[place] = false;
            }
        }
        let mut held: Vec<Vec<RecordKey>> = Vec::new();
        let mut last = None;
        for row in 0..of_rows.len() {
            let place = self.ids.binary_search(&of_rows.value(row)).ok();
            if place.is_some_and(|place| self.stays[place] && !fewer.stays[place]) {
                match held.last_mut().filter(|_| last == place) {
                    Some(own) => own.push(key(row)),
                    None => held.push(vec![key(row)]),
                }
                last = place;
            }
        }
        Ok((fewer, held))
    }

    fn holds(&self, id: &str) -> bool {
        self.ids.binary_search(&id).is_ok_and(|place| self.stays[place])
    }
}

/// Golden ids as [`identify`](fn@super::identify) gives them, where the entities of `staying` are as
/// they were: `clusters` are all others. The golden ids are of `clusters`, the tables are of all.
///
/// # Errors
/// As [`identify`](fn@super::identify).
pub fn identify_since(
    run: &IdentifyRun<'_>,
    clusters: &[Vec<RecordKey>],
    staying: &Staying<'_>,
    previous: &Previous<'_>,
    links: &[Link],
) -> Result<Identified> {
    let events = staying.others(previous.events)?;
    let members = staying.others(previous.members)?;
    let others = Previous { members: &members, events: &events, redirects: previous.redirects };
    // An id out of use whose records come back is looked for wherever the others of them are.
    let back = returning(&others, clusters)?;
    if back.is_empty() {
        let found = identify_among(run, clusters, Some(&others), links, &|id| staying.holds(id))?;
        return Ok(Identified {
            members: staying.with(previous.members, &found.members)?,
            ..found
        });
    }
    let (fewer, held) = staying.without(previous.members, &back)?;
    let members = fewer.others(previous.members)?;
    let events = fewer.others(previous.events)?;
    let others = Previous { members: &members, events: &events, redirects: previous.redirects };
    let all = [clusters, &held].concat();
    let mut found = identify_among(run, &all, Some(&others), links, &|id| fewer.holds(id))?;
    found.golden_ids.truncate(clusters.len());
    Ok(Identified { members: fewer.with(previous.members, &found.members)?, ..found })
}
