//! Blocking: (key, record) groups for each rule, and which group emits a pair.
//!
//! Knows keys as codes and groups as numbers; refuses to know how a pair is compared. A group past
//! its bound is divided by the rule's `refine` keys; what is still past it is walked in windows
//! over its records sorted by (refine keys, row), each record with the `max_block - 1` after it,
//! and reported as bounded. Nothing is dropped in silence.

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::columns::{Columns, Keys, MISSING, touch};
use crate::error::Result;
use crate::threads::{interleaved, largest_first};

/// What one blocking rule did.
#[derive(serde::Serialize, Debug, Clone, PartialEq, Eq)]
pub struct BlockingReport {
    /// The rule's name.
    pub rule: String,
    /// Pairs within its blocks, those that an earlier rule emits too.
    pub pairs: u64,
    /// Blocks of at least two records, after refinement.
    pub blocks: u64,
    /// Records in the largest block before refinement; 0 where no two share one.
    pub largest_block: u64,
    /// Blocks past the bound, that were divided by refine keys.
    pub refined_blocks: u64,
    /// Blocks still past the bound, that were walked in windows.
    pub bounded_blocks: u64,
    /// Records in bounded blocks.
    pub bounded_records: u64,
}

/// The groups of each row: none or one, in the rows' own table; or several where a key is a list.
#[derive(Debug)]
enum Membership {
    One,
    Many { starts: Vec<usize>, groups: Vec<u32> },
}

/// One rule's groups.
#[derive(Debug)]
pub(crate) struct RuleBlocks {
    /// The rule's name.
    pub(crate) name: String,
    /// What the rule did.
    pub(crate) report: BlockingReport,
    /// The largest group that is walked all pairs, and the width of windows.
    window: usize,
    starts: Vec<usize>,
    members: Vec<u32>,
    bounded: Vec<bool>,
    membership: Membership,
    /// Where a row stands in a bounded group.
    positions: FxHashMap<(u32, u32), u32>,
    /// Groups whose pairs of unchanged rows may be others than they were: see [`Since`].
    again: FxHashSet<u32>,
    /// Whether a block that is past its bound, or was, is not what it was.
    moved: bool,
}

/// What changed since these rows were last divided into blocks. Rows past those at hand are as they
/// were then and are gone: they are in no group, and tell which blocks were past their bound.
pub(crate) struct Since<'a> {
    /// The rows that were there and are gone.
    pub(crate) gone: usize,
    /// By row at hand, whether it is new or has other values.
    pub(crate) changed: &'a [bool],
}

impl Since<'_> {
    /// The rows that a block held then, of those that it holds now or that are gone from it; `None`
    /// where they are the same.
    fn before(&self, block: &[u32]) -> Option<Vec<u32>> {
        let rows = self.changed.len();
        let same = |row: &&u32| self.changed.get(**row as usize).is_none_or(|changed| !changed);
        let touched = |row: &u32| *row as usize >= rows || self.changed[*row as usize];
        block.iter().any(touched).then(|| block.iter().filter(same).copied().collect())
    }
}

/// A rule as it is asked for.
pub(crate) struct RuleKeys<'a> {
    /// The rule's name.
    pub(crate) name: &'a str,
    /// Expressions that a pair shares.
    pub(crate) keys: &'a [String],
    /// Expressions that divide a large block.
    pub(crate) refine: &'a [String],
    /// The bound.
    pub(crate) max_block: u32,
}

impl RuleBlocks {
    /// Groups `rows` records by a rule's keys.
    fn new(
        rule: &RuleKeys<'_>,
        columns: &Columns<'_>,
        rows: usize,
        since: Option<&Since<'_>>,
    ) -> Result<Self> {
        let keys: Vec<Keys> =
            rule.keys.iter().map(|key| columns.keys(key)).collect::<Result<_>>()?;
        let refine: Vec<_> =
            rule.refine.iter().map(|key| columns.text(key, Arc::clone)).collect::<Result<_>>()?;
        let refine: Vec<&[u32]> = refine.iter().map(|own| &own.codes[..]).collect();
        let all = rows + since.map_or(0, |since| since.gone);
        let (starts, members) = group(&keys.iter().collect::<Vec<_>>(), all);
        let window = (rule.max_block as usize).max(2);
        let mut blocks = Self {
            name: rule.name.to_owned(),
            report: BlockingReport {
                rule: rule.name.to_owned(),
                pairs: 0,
                blocks: 0,
                largest_block: 0,
                refined_blocks: 0,
                bounded_blocks: 0,
                bounded_records: 0,
            },
            window,
            starts: vec![0],
            members: Vec::with_capacity(members.len()),
            bounded: Vec::new(),
            membership: Membership::One,
            positions: FxHashMap::default(),
            again: FxHashSet::default(),
            moved: false,
        };
        for bounds in starts.windows(2) {
            let both = &members[bounds[0]..bounds[1]];
            let block = &both[..both.partition_point(|row| (*row as usize) < rows)];
            if block.len() < 2 {
                continue;
            }
            blocks.report.largest_block = blocks.report.largest_block.max(block.len() as u64);
            if block.len() > window && !refine.is_empty() {
                blocks.report.refined_blocks += 1;
            }
            let before = match since {
                Some(since) if both.len() > window => since.before(both),
                _ => None,
            };
            blocks.moved |= before.is_some();
            blocks.divide(block, before.as_deref(), &refine, 0);
        }
        if keys.iter().any(|key| matches!(key, Keys::Many { .. })) {
            blocks.membership = blocks.rows_to_groups(rows);
        }
        Ok(blocks)
    }

    /// Takes a block in, divided by the refine keys from `depth` on while it is past the bound.
    /// Records whose refine key is null are one part of their own. `before` are the rows that it
    /// held when it was last divided; none where it was whole then, or has not changed: so that
    /// all its pairs of unchanged rows are known.
    fn divide(&mut self, block: &[u32], before: Option<&[u32]>, refine: &[&[u32]], depth: usize) {
        if block.len() < 2 {
            return;
        }
        let before = before.filter(|own| own.len() > self.window);
        if block.len() > self.window && depth < refine.len() {
            let code = |row: &u32| refine[depth][*row as usize];
            let by_code = |rows: &[u32]| {
                let mut sorted = rows.to_vec();
                sorted.sort_by_key(|row| (code(row), *row));
                sorted
            };
            let before = before.map(by_code);
            for part in by_code(block).chunk_by(|a, b| code(a) == code(b)) {
                let same = before.as_ref().map(|own| {
                    let start = own.partition_point(|row| code(row) < code(&part[0]));
                    let end = own.partition_point(|row| code(row) <= code(&part[0]));
                    &own[start..end]
                });
                self.divide(part, same, refine, depth + 1);
            }
            return;
        }
        let group = self.bounded.len() as u32;
        let bounded = block.len() > self.window;
        if before.is_some_and(|own| own != block) {
            self.again.insert(group);
        }
        self.members.extend_from_slice(block);
        self.starts.push(self.members.len());
        self.bounded.push(bounded);
        self.report.blocks += 1;
        let records = block.len() as u64;
        if bounded {
            // Every refine key is the same here, so that sorted by (refine keys, row) is by row.
            self.positions.extend(
                block.iter().enumerate().map(|(position, row)| ((group, *row), position as u32)),
            );
            self.report.bounded_blocks += 1;
            self.report.bounded_records += records;
            let width = self.window as u64;
            self.report.pairs += (records - width) * (width - 1) + width * (width - 1) / 2;
        } else {
            self.report.pairs += records * (records - 1) / 2;
        }
    }

    fn rows_to_groups(&self, rows: usize) -> Membership {
        let mut counts = vec![0usize; rows];
        for row in &self.members {
            counts[*row as usize] += 1;
        }
        let mut starts = Vec::with_capacity(rows + 1);
        let mut total = 0;
        for count in &counts {
            starts.push(total);
            total += count;
        }
        starts.push(total);
        let mut next = starts.clone();
        let mut groups = vec![0; total];
        for group in 0..self.groups() {
            for row in self.members(group) {
                groups[next[*row as usize]] = group;
                next[*row as usize] += 1;
            }
        }
        Membership::Many { starts, groups }
    }

    /// The number of groups.
    pub(crate) fn groups(&self) -> u32 {
        self.bounded.len() as u32
    }

    /// The rows of groups that follow each other.
    pub(crate) fn members_of(&self, groups: Range<u32>) -> &[u32] {
        &self.members[self.starts[groups.start as usize]..self.starts[groups.end as usize]]
    }

    /// The rows of a group.
    pub(crate) fn members(&self, group: u32) -> &[u32] {
        &self.members[self.starts[group as usize]..self.starts[group as usize + 1]]
    }

    /// How many rows after a row it is paired with: all, or the window's width.
    pub(crate) fn reach(&self, group: u32) -> usize {
        if self.bounded[group as usize] { self.window - 1 } else { usize::MAX }
    }

    /// Groups that must be walked whole again, in no order: they, or the block that they are of,
    /// were past the bound and are not what they were.
    pub(crate) fn again(&self) -> impl Iterator<Item = u32> {
        self.again.iter().copied()
    }

    /// Whether a group must be walked whole again.
    pub(crate) fn is_again(&self, group: u32) -> bool {
        self.again.contains(&group)
    }

    /// Whether a group is past its bound.
    pub(crate) fn is_bounded(&self, group: u32) -> bool {
        self.bounded[group as usize]
    }

    fn within_window(&self, group: u32, l: u32, r: u32) -> bool {
        match (self.positions.get(&(group, l)), self.positions.get(&(group, r))) {
            (Some(l), Some(r)) => (l.abs_diff(*r) as usize) < self.window,
            _ => false,
        }
    }
}

/// Groups rows by the tuple of their keys, each combination of elements where keys are lists; only
/// groups of two rows or more. Gives where each group starts in the members, and the members,
/// ascending within a group.
pub(crate) fn group(keys: &[&Keys], rows: usize) -> (Vec<usize>, Vec<u32>) {
    let Some((first, others)) = keys.split_first() else { return (vec![0], Vec::new()) };
    // A counting sort by the first key.
    let mut places = often(first, rows);
    let (mut starts, mut total) = (vec![0], 0);
    for place in &mut places {
        let count = *place as usize;
        *place = if count < 2 { MISSING } else { total as u32 };
        if count > 1 {
            total += count;
            starts.push(total);
        }
    }
    let mut members = vec![0; total];
    each_code(first, rows, |row, code| {
        let place = &mut places[code as usize];
        if *place != MISSING {
            members[*place as usize] = row;
            *place += 1;
        }
    });
    // Each further key divides each group.
    for key in others {
        let counts = often(key, rows);
        let (mut next_starts, mut next) = (vec![0], Vec::with_capacity(members.len()));
        let mut part: Vec<u64> = Vec::new();
        let entry = |code: u32, row: u32| {
            let shared = code != MISSING && counts[code as usize] > 1;
            shared.then(|| u64::from(code) << 32 | u64::from(row))
        };
        for bounds in starts.windows(2) {
            let own = &members[bounds[0]..bounds[1]];
            part.clear();
            match key {
                Keys::One(key) => {
                    part.extend(own.iter().filter_map(|row| entry(key.codes[*row as usize], *row)));
                }
                Keys::Many { .. } => {
                    for row in own {
                        let codes = key.of(*row as usize).iter();
                        part.extend(codes.filter_map(|code| entry(*code, *row)));
                    }
                }
            }
            part.sort_unstable();
            for own in part.chunk_by(|a, b| a >> 32 == b >> 32).filter(|own| own.len() > 1) {
                next.extend(own.iter().map(|entry| *entry as u32));
                next_starts.push(next.len());
            }
        }
        (starts, members) = (next_starts, next);
    }
    (starts, members)
}

/// Every row with each of its codes.
fn each_code(key: &Keys, rows: usize, mut of: impl FnMut(u32, u32)) {
    match key {
        Keys::One(key) => {
            for (row, code) in (0..).zip(&key.codes[..rows]) {
                if *code != MISSING {
                    of(row, *code);
                }
            }
        }
        Keys::Many { .. } => {
            for row in 0..rows {
                key.of(row).iter().for_each(|code| of(row as u32, *code));
            }
        }
    }
}

/// How many rows hold each code of a key.
fn often(key: &Keys, rows: usize) -> Vec<u32> {
    let mut counts = vec![0; key.size()];
    each_code(key, rows, |_, code| counts[code as usize] += 1);
    counts
}

/// All rules' groups, in the order of the rules.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// One for each rule.
    pub(crate) rules: Vec<RuleBlocks>,
    /// Row after row, the group of each rule that gives a row one group at most: what is asked of
    /// a pair lies together.
    table: Vec<u32>,
    /// Whether every rule is of that kind, and none is bounded.
    plain: bool,
}

impl Blocks {
    /// Whether every pair of two unchanged rows is emitted by the rule that emitted it before: no
    /// block past its bound, now or then, holds or held a row that changed. Of other blocks all
    /// pairs are walked, and whether two rows share one is of their own values.
    pub(crate) fn stay(&self) -> bool {
        !self.rules.iter().any(|rule| rule.moved)
    }

    /// Groups `rows` records by each rule.
    pub(crate) fn new(
        rules: &[RuleKeys<'_>],
        columns: &Columns<'_>,
        rows: usize,
        threads: usize,
    ) -> Result<Self> {
        Self::since(rules, columns, rows, None, threads)
    }

    /// The same, with what changed since rows were last grouped: `columns` hold the rows that are
    /// gone after those at hand.
    pub(crate) fn since(
        rules: &[RuleKeys<'_>],
        columns: &Columns<'_>,
        rows: usize,
        since: Option<&Since<'_>>,
        threads: usize,
    ) -> Result<Self> {
        let one = |place: usize| -> Result<(RuleBlocks, Vec<u32>)> {
            let own = RuleBlocks::new(&rules[place], columns, rows, since)?;
            let mut group_of = vec![MISSING; rows];
            if matches!(own.membership, Membership::One) {
                for group in 0..own.groups() {
                    own.members(group).iter().for_each(|row| group_of[*row as usize] = group);
                }
            }
            Ok((own, group_of))
        };
        // What divides rows by many keys takes longest.
        let keys = |place: &usize| rules[*place].keys.len();
        let made = largest_first((0..rules.len()).collect(), threads, keys, one)?;
        let (rules, table): (Vec<RuleBlocks>, Vec<Vec<u32>>) =
            made.into_iter().collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let table: Vec<&[u32]> = table.iter().map(Vec::as_slice).collect();
        let table = interleaved(&table, threads)?;
        let plain = |own: &RuleBlocks| {
            matches!(own.membership, Membership::One) && own.report.bounded_blocks == 0
        };
        Ok(Self { plain: rules.iter().all(plain), rules, table })
    }

    /// Reads the groups of rows that will be looked at.
    pub(crate) fn touch(&self, rows: &[u32]) {
        touch(rows.iter().filter_map(|row| self.row(*row).first().copied()));
    }

    /// The group of a row by each rule.
    fn row(&self, row: u32) -> &[u32] {
        let width = self.rules.len();
        &self.table[row as usize * width..(row as usize + 1) * width]
    }

    /// The groups of a row by one rule, ascending.
    pub(crate) fn groups(&self, rule: usize, row: u32) -> &[u32] {
        match &self.rules[rule].membership {
            Membership::Many { starts, groups } => {
                &groups[starts[row as usize]..starts[row as usize + 1]]
            }
            Membership::One => match &self.row(row)[rule..=rule] {
                [MISSING] => &[],
                one => one,
            },
        }
    }

    /// The smallest group of a rule that emits a pair: a whole one that holds both rows, or where
    /// `bounded` is asked, a bounded one in which they are within a window.
    fn emitting(&self, rule: usize, l: u32, r: u32, bounded: bool) -> Option<u32> {
        let own = &self.rules[rule];
        let (mut left, mut right) = (self.groups(rule, l), self.groups(rule, r));
        while let (Some(a), Some(b)) = (left.first(), right.first()) {
            match a.cmp(b) {
                std::cmp::Ordering::Less => left = &left[1..],
                std::cmp::Ordering::Greater => right = &right[1..],
                std::cmp::Ordering::Equal => {
                    if own.bounded[*a as usize] == bounded
                        && (!bounded || own.within_window(*a, l, r))
                    {
                        return Some(*a);
                    }
                    left = &left[1..];
                    right = &right[1..];
                }
            }
        }
        None
    }

    /// Whether a whole group of a rule holds both rows, or a window of a bounded one.
    pub(crate) fn holds(&self, rule: usize, l: u32, r: u32) -> bool {
        self.emitting(rule, l, r, false).is_some()
            || self.rules[rule].report.bounded_blocks > 0
                && self.emitting(rule, l, r, true).is_some()
    }

    /// Whether this group is the one that emits this pair of its rows. Whole groups come first, by
    /// (rule, group), then windows of bounded groups, so that each pair is emitted exactly once.
    pub(crate) fn emits(&self, rule: usize, group: u32, l: u32, r: u32) -> bool {
        if self.plain {
            let earlier = self.row(l)[..rule].iter().zip(&self.row(r)[..rule]);
            return !earlier.into_iter().any(|(l, r)| l == r && *l != MISSING);
        }
        let none = |other: usize, bounded| self.emitting(other, l, r, bounded).is_none();
        if self.rules[rule].is_bounded(group) {
            (0..self.rules.len()).all(|other| none(other, false))
                && (0..rule)
                    .all(|other| self.rules[other].report.bounded_blocks == 0 || none(other, true))
                && self.emitting(rule, l, r, true) == Some(group)
        } else {
            (0..rule).all(|other| none(other, false))
                && (matches!(self.rules[rule].membership, Membership::One)
                    || self.emitting(rule, l, r, false) == Some(group))
        }
    }

    /// The number of pairs, those that several rules emit counted for each.
    pub(crate) fn pairs(&self) -> u64 {
        self.rules.iter().map(|rule| rule.report.pairs).sum()
    }

    /// The rule and the group that emit a pair: the first rule whose keys it shares in a whole
    /// block, or in a window of a bounded one.
    pub(crate) fn emitter(&self, l: u32, r: u32) -> Option<(u16, u32)> {
        if self.plain {
            let mut shared = self.row(l).iter().zip(self.row(r));
            let first = shared.position(|(l, r)| l == r && *l != MISSING)?;
            return Some((first as u16, self.row(l)[first]));
        }
        let first = |bounded| {
            (0..self.rules.len()).find_map(|rule| {
                self.emitting(rule, l, r, bounded).map(|group| (rule as u16, group))
            })
        };
        first(false).or_else(|| first(true))
    }

    /// The rule that emits a pair.
    pub(crate) fn first_rule(&self, l: u32, r: u32) -> Option<u16> {
        self.emitter(l, r).map(|(rule, _)| rule)
    }
}
