//! The pairs that must be compared since an earlier run.
//!
//! Knows groups and which rows changed; refuses to know what is found of a pair. Of a group that
//! is as it was, or that was whole and is smaller, pairs with a changed row are new and all others
//! are known. A group that crossed its bound, or whose windows moved, is walked again whole.

use rustc_hash::FxHashSet;

use super::super::block::Blocks;
use super::super::kernel::parallel;
use crate::error::Result;

/// Pairs of one rule, the smaller row left.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Walked {
    pub(super) rule: u16,
    pub(super) l: Vec<u32>,
    pub(super) r: Vec<u32>,
}

/// Pairs that are compared together, at most.
const CHUNK: usize = 4096;

/// Groups that hold a pair to be compared, by rule, in order.
fn groups(blocks: &Blocks, changed: &[bool]) -> Vec<(usize, u32)> {
    let mut found = Vec::new();
    for (rule, own) in blocks.rules.iter().enumerate() {
        let mut groups: FxHashSet<u32> = own.again().collect();
        for row in (0u32..).zip(changed).filter(|(_, changed)| **changed).map(|(row, _)| row) {
            groups.extend(blocks.groups(rule, row));
        }
        let first = found.len();
        found.extend(groups.into_iter().map(|group| (rule, group)));
        found[first..].sort_unstable();
    }
    found
}

/// Places of a group's changed rows.
fn changed_places(members: &[u32], changed: &[bool]) -> Vec<usize> {
    (0..members.len()).filter(|place| changed[members[*place] as usize]).collect()
}

/// About how many pairs a group gives, those that another group emits too.
fn pairs(blocks: &Blocks, rule: usize, group: u32, changed: &[bool]) -> u64 {
    let own = &blocks.rules[rule];
    let members = own.members(group);
    let reach = own.reach(group).min(members.len()) as u64;
    match own.is_again(group) {
        true => members.len() as u64 * reach,
        false => changed_places(members, changed).len() as u64 * reach * 2,
    }
}

/// The pairs that must be compared, each once, with the rule that emits it; `None` where there may
/// be more than `most`.
pub(super) fn pairs_to_compare(
    blocks: &Blocks,
    changed: &[bool],
    most: u64,
    threads: usize,
) -> Result<Option<Vec<Walked>>> {
    let groups = groups(blocks, changed);
    let sizes = groups.iter().map(|(rule, group)| pairs(blocks, *rule, *group, changed));
    if sizes.sum::<u64>() > most {
        return Ok(None);
    }
    // Tasks are cut by groups, never by threads.
    let tasks: Vec<&[(usize, u32)]> = groups.chunks(256).collect();
    let found = parallel(
        tasks.len(),
        threads,
        || (),
        |(), task| {
            let mut out: Vec<Walked> = Vec::new();
            for (rule, group) in tasks[task] {
                walk_group(blocks, *rule, *group, changed, &mut out);
            }
            out
        },
    )?;
    Ok(Some(found.into_iter().flatten().collect()))
}

fn walk_group(blocks: &Blocks, rule: usize, group: u32, changed: &[bool], out: &mut Vec<Walked>) {
    let own = &blocks.rules[rule];
    let (members, reach) = (own.members(group), own.reach(group));
    let all = own.is_again(group);
    let places = changed_places(members, changed);
    let mut push = |left: usize, right: usize| {
        let (l, r) = (members[left].min(members[right]), members[left].max(members[right]));
        if !blocks.emits(rule, group, l, r) {
            return;
        }
        let open = |own: &&mut Walked| own.rule == rule as u16 && own.l.len() < CHUNK;
        match out.last_mut().filter(open) {
            Some(own) => {
                own.l.push(l);
                own.r.push(r);
            }
            None => out.push(Walked { rule: rule as u16, l: vec![l], r: vec![r] }),
        }
    };
    for left in 0..members.len() {
        let end = left.saturating_add(1).saturating_add(reach).min(members.len());
        if all || changed[members[left] as usize] {
            (left + 1..end).for_each(|right| push(left, right));
        } else {
            let after = places.partition_point(|place| *place <= left);
            let within = places[after..].iter().take_while(|place| **place < end);
            within.for_each(|right| push(left, *right));
        }
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
