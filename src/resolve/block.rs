//! Blocking: (key, record) groups for each rule, and which group emits a pair.
//!
//! Knows keys as codes and groups as numbers; refuses to know how a pair is compared. A group past
//! its bound is divided by the rule's `refine` keys; what is still past it is walked in windows
//! over its records sorted by (refine keys, row), each record with the `max_block - 1` after it,
//! and reported as bounded. Nothing is dropped in silence.

use arrow::array::ArrayRef;
use rustc_hash::FxHashMap;

use super::columns::{Dictionary, Keys, MISSING};
use crate::error::Result;

/// What one blocking rule did.
#[derive(serde::Serialize, Debug, Clone, PartialEq, Eq)]
pub struct BlockingReport {
    /// The rule's name.
    pub rule: String,
    /// Pairs within its blocks, those that an earlier rule emits too.
    pub pairs: u64,
    /// Blocks of at least two records, after refinement.
    pub blocks: u64,
    /// Records in the largest block before refinement.
    pub largest_block: u64,
    /// Blocks past the bound, that were divided by refine keys.
    pub refined_blocks: u64,
    /// Blocks still past the bound, that were walked in windows.
    pub bounded_blocks: u64,
    /// Records in bounded blocks.
    pub bounded_records: u64,
}

/// The groups of each row: none, one, or several where a key is a list.
#[derive(Debug)]
enum Membership {
    One(Vec<u32>),
    Many { starts: Vec<usize>, groups: Vec<u32> },
}

impl Membership {
    fn of(&self, row: u32) -> &[u32] {
        let row = row as usize;
        match self {
            Self::One(groups) if groups[row] == MISSING => &[],
            Self::One(groups) => &groups[row..=row],
            Self::Many { starts, groups } => &groups[starts[row]..starts[row + 1]],
        }
    }
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
}

/// A rule as arrays: the keys that a pair shares, and those that divide a large block.
pub(crate) struct RuleKeys<'a> {
    /// The rule's name.
    pub(crate) name: &'a str,
    /// Key expressions and their arrays.
    pub(crate) keys: Vec<(&'a str, &'a ArrayRef)>,
    /// Refine expressions and their arrays.
    pub(crate) refine: Vec<(&'a str, &'a ArrayRef)>,
    /// The bound.
    pub(crate) max_block: u32,
}

impl RuleBlocks {
    /// Groups `rows` records by a rule's keys.
    pub(crate) fn new(rule: &RuleKeys<'_>, rows: usize) -> Result<Self> {
        let keys: Vec<Keys> = rule
            .keys
            .iter()
            .map(|(what, array)| Keys::encode(array, what))
            .collect::<Result<_>>()?;
        let refine: Vec<Vec<u32>> = rule
            .refine
            .iter()
            .map(|(what, array)| Ok(Dictionary::plain(array, what)?.codes))
            .collect::<Result<_>>()?;
        let (starts, members) = group(&keys.iter().collect::<Vec<_>>(), rows);
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
            membership: Membership::One(Vec::new()),
            positions: FxHashMap::default(),
        };
        for bounds in starts.windows(2) {
            let block = &members[bounds[0]..bounds[1]];
            blocks.report.largest_block = blocks.report.largest_block.max(block.len() as u64);
            if block.len() > window && !refine.is_empty() {
                blocks.report.refined_blocks += 1;
            }
            blocks.divide(block, &refine, 0);
        }
        blocks.membership = blocks.rows_to_groups(rows);
        Ok(blocks)
    }

    /// Takes a block in, divided by the refine keys from `depth` on while it is past the bound.
    /// Records whose refine key is null are one part of their own.
    fn divide(&mut self, block: &[u32], refine: &[Vec<u32>], depth: usize) {
        if block.len() < 2 {
            return;
        }
        if block.len() > self.window && depth < refine.len() {
            let mut sorted = block.to_vec();
            sorted.sort_by_key(|row| (refine[depth][*row as usize], *row));
            for part in
                sorted.chunk_by(|a, b| refine[depth][*a as usize] == refine[depth][*b as usize])
            {
                self.divide(part, refine, depth + 1);
            }
            return;
        }
        let group = self.bounded.len() as u32;
        let bounded = block.len() > self.window;
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
        if counts.iter().all(|count| *count < 2) {
            let mut groups = vec![MISSING; rows];
            for group in 0..self.groups() {
                for row in self.members(group) {
                    groups[*row as usize] = group;
                }
            }
            return Membership::One(groups);
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

    /// The rows of a group.
    pub(crate) fn members(&self, group: u32) -> &[u32] {
        &self.members[self.starts[group as usize]..self.starts[group as usize + 1]]
    }

    /// How many rows after a row it is paired with: all, or the window's width.
    pub(crate) fn reach(&self, group: u32) -> usize {
        if self.bounded[group as usize] { self.window - 1 } else { usize::MAX }
    }

    /// Whether a group is past its bound.
    pub(crate) fn is_bounded(&self, group: u32) -> bool {
        self.bounded[group as usize]
    }

    /// The smallest group that emits a pair: a whole one that holds both rows, or where `bounded`
    /// is asked, a bounded one in which they are within a window.
    fn emitting(&self, l: u32, r: u32, bounded: bool) -> Option<u32> {
        let (mut left, mut right) = (self.membership.of(l), self.membership.of(r));
        while let (Some(a), Some(b)) = (left.first(), right.first()) {
            match a.cmp(b) {
                std::cmp::Ordering::Less => left = &left[1..],
                std::cmp::Ordering::Greater => right = &right[1..],
                std::cmp::Ordering::Equal => {
                    if self.bounded[*a as usize] == bounded
                        && (!bounded || self.within_window(*a, l, r))
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

    /// Whether a whole group holds both rows, or a window of a bounded one.
    pub(crate) fn holds(&self, l: u32, r: u32) -> bool {
        self.emitting(l, r, false).is_some()
            || self.report.bounded_blocks > 0 && self.emitting(l, r, true).is_some()
    }

    fn within_window(&self, group: u32, l: u32, r: u32) -> bool {
        match (self.positions.get(&(group, l)), self.positions.get(&(group, r))) {
            (Some(l), Some(r)) => (l.abs_diff(*r) as usize) < self.window,
            _ => false,
        }
    }
}

/// Groups rows by the tuple of their keys, each combination of elements where keys are lists.
/// Gives where each group starts in the members, and the members, ascending within a group.
pub(crate) fn group(keys: &[&Keys], rows: usize) -> (Vec<usize>, Vec<u32>) {
    let mut pairs: Vec<(u32, u32)> = match keys.first() {
        Some(first) => (0..rows)
            .flat_map(|row| first.of(row).iter().map(move |code| (*code, row as u32)))
            .collect(),
        None => Vec::new(),
    };
    for key in keys.iter().skip(1) {
        let mut dense: FxHashMap<u64, u32> = FxHashMap::default();
        let mut next = Vec::with_capacity(pairs.len());
        for (group, row) in pairs {
            for code in key.of(row as usize) {
                let size = dense.len() as u32;
                let joined = u64::from(group) << 32 | u64::from(*code);
                next.push((*dense.entry(joined).or_insert(size), row));
            }
        }
        pairs = next;
    }
    let groups = pairs.iter().map(|(group, _)| *group as usize + 1).max().unwrap_or(0);
    let mut starts = vec![0usize; groups + 1];
    for (group, _) in &pairs {
        starts[*group as usize + 1] += 1;
    }
    for group in 0..groups {
        starts[group + 1] += starts[group];
    }
    let mut next = starts.clone();
    let mut members = vec![0; pairs.len()];
    for (group, row) in &pairs {
        members[next[*group as usize]] = *row;
        next[*group as usize] += 1;
    }
    (starts, members)
}

/// All rules' groups, in the order of the rules.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// One for each rule.
    pub(crate) rules: Vec<RuleBlocks>,
}

impl Blocks {
    /// Whether this group is the one that emits this pair of its rows. Whole groups come first, by
    /// (rule, group), then windows of bounded groups, so that each pair is emitted exactly once.
    pub(crate) fn emits(&self, rule: usize, group: u32, l: u32, r: u32) -> bool {
        if self.rules[rule].is_bounded(group) {
            self.rules.iter().all(|other| other.emitting(l, r, false).is_none())
                && self.rules[..rule].iter().all(|other| {
                    other.report.bounded_blocks == 0 || other.emitting(l, r, true).is_none()
                })
                && self.rules[rule].emitting(l, r, true) == Some(group)
        } else {
            self.rules[..rule].iter().all(|other| other.emitting(l, r, false).is_none())
                && match self.rules[rule].membership {
                    Membership::One(_) => true,
                    Membership::Many { .. } => {
                        self.rules[rule].emitting(l, r, false) == Some(group)
                    }
                }
        }
    }

    /// The number of pairs, those that several rules emit counted for each.
    pub(crate) fn pairs(&self) -> u64 {
        self.rules.iter().map(|rule| rule.report.pairs).sum()
    }
}

impl Blocks {
    /// The first rule whose keys a pair shares in a whole block, or in a window of a bounded one.
    pub(crate) fn first_rule(&self, l: u32, r: u32) -> Option<u16> {
        let first =
            |bounded| self.rules.iter().position(|rule| rule.emitting(l, r, bounded).is_some());
        first(false).or_else(|| first(true)).map(|place| place as u16)
    }
}
