//! The kernel: walks the pairs of groups of records, each pair once, and hands them on.
//!
//! Knows groups, threads and the order of results; refuses to know what becomes of a pair. Work is
//! cut into tasks by the number of pairs, never by the number of threads, and results come back in
//! the order of tasks: they are the same for any number of threads.

use std::ops::Range;

use super::block::Blocks;
use crate::error::Result;
pub(crate) use crate::threads::parallel;

/// Pairs of one task, about.
const TASK_PAIRS: u64 = 1 << 16;

/// A pair of rows, the smaller first, and the blocking rule that emits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pair {
    /// The smaller row.
    pub(crate) l: u32,
    /// The larger row.
    pub(crate) r: u32,
    /// The rule's place among the rules.
    pub(crate) rule: u16,
}

/// Consecutive groups of one rule; or of one large group the pairs of some of its left rows.
#[derive(Debug, Clone)]
struct Task {
    rule: usize,
    groups: Range<u32>,
    lefts: Range<usize>,
}

fn tasks(blocks: &Blocks) -> Vec<Task> {
    let mut tasks = Vec::new();
    for (rule, own) in blocks.rules.iter().enumerate() {
        let (mut first, mut pairs) = (0, 0);
        for group in 0..own.groups() {
            let records = own.members(group).len();
            if own.is_bounded(group) {
                if first < group {
                    tasks.push(Task { rule, groups: first..group, lefts: 0..usize::MAX });
                }
                let step = (TASK_PAIRS as usize / own.reach(group)).max(1);
                for start in (0..records).step_by(step) {
                    tasks.push(Task { rule, groups: group..group + 1, lefts: start..start + step });
                }
                (first, pairs) = (group + 1, 0);
                continue;
            }
            pairs += records as u64 * (records as u64 - 1) / 2;
            if pairs >= TASK_PAIRS {
                tasks.push(Task { rule, groups: first..group + 1, lefts: 0..usize::MAX });
                (first, pairs) = (group + 1, 0);
            }
        }
        if first < own.groups() {
            tasks.push(Task { rule, groups: first..own.groups(), lefts: 0..usize::MAX });
        }
    }
    tasks
}

/// Pairs of one rule that are looked at together, in two columns; of each the smaller row is left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk<'a> {
    /// The rule's place among the rules.
    pub(crate) rule: u16,
    /// The smaller rows.
    pub(crate) l: &'a [u32],
    /// The larger rows.
    pub(crate) r: &'a [u32],
}

/// Pairs of a chunk, at most: their levels fit a processor's nearest cache.
const CHUNK: usize = 4096;

/// Groups, mostly small, whose rows are asked for together.
const AHEAD: u32 = 64;

/// A chunk that is being filled.
#[derive(Default)]
struct Columns {
    l: Vec<u32>,
    r: Vec<u32>,
}

fn walk_task(
    blocks: &Blocks,
    task: &Task,
    columns: &mut Columns,
    keep: impl Fn(u32, u32) -> bool,
    mut visit: impl FnMut(Chunk<'_>),
) {
    let own = &blocks.rules[task.rule];
    let mut flush = |columns: &mut Columns| {
        if !columns.l.is_empty() {
            visit(Chunk { rule: task.rule as u16, l: &columns.l, r: &columns.r });
            columns.l.clear();
            columns.r.clear();
        }
    };
    for group in task.groups.clone() {
        // The first rule emits all its pairs, and of a bounded group a task walks a part.
        let asks = task.rule > 0 && task.lefts.end == usize::MAX;
        if asks && (group - task.groups.start).is_multiple_of(AHEAD) {
            let ahead = group..(group + AHEAD).min(task.groups.end);
            blocks.touch(own.members_of(ahead));
        }
        let members = own.members(group);
        let reach = own.reach(group);
        for left in task.lefts.start..task.lefts.end.min(members.len()) {
            let end = left.saturating_add(1).saturating_add(reach).min(members.len());
            for right in left + 1..end {
                let (a, b) = (members[left], members[right]);
                let (l, r) = if a < b { (a, b) } else { (b, a) };
                if blocks.emits(task.rule, group, l, r) && keep(l, r) {
                    columns.l.push(l);
                    columns.r.push(r);
                    if columns.l.len() == CHUNK {
                        flush(columns);
                    }
                }
            }
        }
    }
    flush(columns);
}

/// Walks every pair that is to be kept once, chunk by chunk. `scratch` is made once a thread; `Out`
/// is made once a task and comes back in the order of tasks.
pub(crate) fn walk<S, Out: Default + Send>(
    blocks: &Blocks,
    threads: usize,
    keep: impl Fn(u32, u32) -> bool + Sync,
    scratch: impl Fn() -> S + Sync,
    visit: impl Fn(&mut S, &mut Out, Chunk<'_>) + Sync,
) -> Result<Vec<Out>> {
    let tasks = tasks(blocks);
    let scratch = || (scratch(), Columns::default());
    parallel(tasks.len(), threads, scratch, |(state, columns), index| {
        let mut out = Out::default();
        walk_task(blocks, &tasks[index], columns, &keep, |chunk| visit(state, &mut out, chunk));
        out
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};
    use std::sync::Arc;

    use arrow::array::{ArrayRef, ListBuilder, StringArray, StringBuilder};
    use proptest::prelude::*;

    use super::super::block::RuleKeys;
    use super::super::columns::Columns;
    use super::*;

    fn pairs(blocks: &Blocks, threads: usize) -> Vec<Pair> {
        let pairs = |(): &mut (), out: &mut Vec<Pair>, chunk: Chunk<'_>| {
            let rows = chunk.l.iter().zip(chunk.r);
            out.extend(rows.map(|(l, r)| Pair { l: *l, r: *r, rule: chunk.rule }));
        };
        walk(blocks, threads, |_, _| true, || (), pairs).unwrap().concat()
    }

    fn text(values: &[Option<u8>]) -> ArrayRef {
        Arc::new(values.iter().map(|v| v.map(|v| v.to_string())).collect::<StringArray>())
    }

    fn lists(values: &[Vec<u8>]) -> ArrayRef {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for list in values {
            builder.append_value(list.iter().map(|v| Some(v.to_string())));
        }
        Arc::new(builder.finish())
    }

    /// Blocks of rules, each a name, places of its keys and refine keys among the columns, and a
    /// bound.
    fn blocks(columns: &[&ArrayRef], rules: &[(&str, &[usize], &[usize], u32)]) -> Blocks {
        let rows = columns[0].len();
        let name = |place: &usize| format!("column {place}");
        let arrays: HashMap<String, ArrayRef> =
            (0..columns.len()).map(|place| (name(&place), Arc::clone(columns[place]))).collect();
        let names = |places: &[usize]| places.iter().map(name).collect::<Vec<_>>();
        let sql: Vec<_> = rules.iter().map(|rule| (names(rule.1), names(rule.2))).collect();
        let keys = rules.iter().zip(&sql).map(|(rule, (keys, refine))| RuleKeys {
            name: rule.0,
            keys,
            refine,
            max_block: rule.3,
        });
        let all: Vec<&str> = arrays.keys().map(String::as_str).collect();
        let columns = Columns::new(&arrays, &all, false, 2).unwrap();
        Blocks::new(&keys.collect::<Vec<_>>(), &columns, rows, 2).unwrap()
    }

    proptest! {
        /// The oracle is every pair of rows, looked at by the definition of the rules.
        #[test]
        fn each_pair_comes_once_from_the_first_rule_that_holds_it(
            a in prop::collection::vec(prop::option::of(0u8..5), 40),
            b in prop::collection::vec(prop::option::of(0u8..4), 40),
            c in prop::collection::vec(prop::collection::vec(0u8..12, 0..4), 40),
        ) {
            let (one, two, many) = (text(&a), text(&b), lists(&c));
            let blocks = blocks(&[&one, &two, &many], &[
                ("both", &[0, 1], &[], 1000),
                ("list", &[2], &[], 1000),
                ("one", &[0], &[], 1000),
            ]);
            let mut expected = BTreeMap::new();
            for l in 0..40usize {
                for r in l + 1..40 {
                    let same_a = a[l].is_some() && a[l] == a[r];
                    let same_b = b[l].is_some() && b[l] == b[r];
                    let first = if same_a && same_b { Some(0) }
                        else if c[l].iter().any(|v| c[r].contains(v)) { Some(1) }
                        else if same_a { Some(2) } else { None };
                    if let Some(first) = first {
                        expected.insert((l as u32, r as u32), first);
                    }
                }
            }
            let walked = pairs(&blocks, 1);
            prop_assert_eq!(walked.len(), expected.len());
            for pair in &walked {
                prop_assert_eq!(expected.get(&(pair.l, pair.r)), Some(&pair.rule));
            }
            prop_assert_eq!(&walked, &pairs(&blocks, 2));
            prop_assert_eq!(&walked, &pairs(&blocks, 3));
        }

        /// Where no key is a list and no block is bounded, a shorter question is asked of a pair.
        #[test]
        fn plain_rules_give_each_pair_once(
            a in prop::collection::vec(prop::option::of(0u8..6), 50),
            b in prop::collection::vec(prop::option::of(0u8..6), 50),
            c in prop::collection::vec(prop::option::of(0u8..6), 50),
        ) {
            let (one, two, three) = (text(&a), text(&b), text(&c));
            let blocks = blocks(&[&one, &two, &three], &[
                ("three", &[0, 1, 2], &[], 1000),
                ("first", &[0], &[], 1000),
                ("others", &[2, 1], &[], 1000),
            ]);
            let mut expected = Vec::new();
            for l in 0..50usize {
                for r in l + 1..50 {
                    let same = |own: &[Option<u8>]| own[l].is_some() && own[l] == own[r];
                    let rule = if same(&a) && same(&b) && same(&c) { 0 }
                        else if same(&a) { 1 } else if same(&b) && same(&c) { 2 } else { continue };
                    expected.push(Pair { l: l as u32, r: r as u32, rule });
                }
            }
            let mut walked = pairs(&blocks, 2);
            prop_assert_eq!(&walked, &pairs(&blocks, 1));
            walked.sort_unstable();
            prop_assert_eq!(walked, expected);
        }

        #[test]
        fn bounded_blocks_give_each_pair_once_and_hide_none_of_another_rule(
            a in prop::collection::vec(prop::option::of(0u8..2), 60),
            b in prop::collection::vec(prop::option::of(0u8..8), 60),
            c in prop::collection::vec(prop::option::of(0u8..3), 60),
        ) {
            let (one, two, three) = (text(&a), text(&b), text(&c));
            let blocks = blocks(&[&one, &two, &three], &[
                ("bounded", &[0], &[2], 6),
                ("windows", &[2], &[], 5),
                ("whole", &[1], &[], 1000),
            ]);
            let walked = pairs(&blocks, 2);
            let mut keys: Vec<_> = walked.iter().map(|pair| (pair.l, pair.r)).collect();
            keys.sort_unstable();
            let count = keys.len();
            keys.dedup();
            prop_assert_eq!(keys.len(), count, "no pair twice");
            for l in 0..60usize {
                for r in l + 1..60 {
                    if b[l].is_some() && b[l] == b[r] {
                        prop_assert!(keys.binary_search(&(l as u32, r as u32)).is_ok());
                    }
                }
            }
        }
    }

    #[test]
    fn a_block_past_its_bound_is_refined_then_windowed_and_reported() {
        let key = text(&[Some(1); 30]);
        let refine = text(&(0..30).map(|row| Some(u8::from(row < 10))).collect::<Vec<_>>());
        let blocks = blocks(&[&key, &refine], &[("skew", &[0], &[1], 10)]);
        let report = &blocks.rules[0].report;
        assert_eq!(
            (report.largest_block, report.refined_blocks, report.bounded_blocks),
            (30, 1, 1)
        );
        assert_eq!(report.bounded_records, 20);
        // 45 pairs of the part that fits, and of the other each of 20 rows with the 9 after it.
        assert_eq!(report.pairs, 45 + 11 * 9 + 36 - 9 + 9);
        assert_eq!(pairs(&blocks, 2).len() as u64, report.pairs);
    }
}
