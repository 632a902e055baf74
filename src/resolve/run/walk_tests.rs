//! Blocks and what changed in them, beside the plainest search over all pairs of rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, StringArray, StringBuilder};
use proptest::prelude::*;

use super::super::super::block::{RuleKeys, Since};
use super::super::super::columns::Columns;
use super::super::super::kernel::walk;
use super::*;

/// A row: two keys that may be missing, and a list of keys.
type Row = (Option<u8>, Option<u8>, Vec<u8>);

/// Where a rule's key is: the first column, the second, both, or the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    First,
    Second,
    Both,
    List,
}

/// A rule: its key, whether it refines by the second column, and its bound.
type Asked = (Key, bool, u32);

fn keys(row: &Row, key: Key) -> Vec<Vec<u8>> {
    let one = |own: Option<u8>| own.map(|own| vec![own]);
    match key {
        Key::First => one(row.0).into_iter().collect(),
        Key::Second => one(row.1).into_iter().collect(),
        Key::Both => row.0.zip(row.1).map(|(a, b)| vec![a, b]).into_iter().collect(),
        Key::List => {
            row.2.iter().copied().collect::<BTreeSet<_>>().into_iter().map(|v| vec![v]).collect()
        }
    }
}

/// By the definition: for each pair the first rule that holds it whole, else in a window.
fn plain(rows: &BTreeMap<usize, Row>, rules: &[Asked]) -> BTreeMap<(usize, usize), u16> {
    let mut found: BTreeMap<(usize, usize), (bool, u16)> = BTreeMap::new();
    for (place, (key, refine, bound)) in rules.iter().enumerate() {
        let mut blocks: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
        for (row, own) in rows {
            for key in keys(own, *key) {
                blocks.entry(key).or_default().push(*row);
            }
        }
        let bound = (*bound as usize).max(2);
        let mut parts: Vec<Vec<usize>> = Vec::new();
        for block in blocks.into_values() {
            if block.len() > bound && *refine {
                let mut refined: BTreeMap<Option<u8>, Vec<usize>> = BTreeMap::new();
                block.iter().for_each(|row| refined.entry(rows[row].1).or_default().push(*row));
                parts.extend(refined.into_values());
            } else {
                parts.push(block);
            }
        }
        for part in parts {
            let windows = part.len() > bound;
            for l in 0..part.len() {
                for r in l + 1..part.len() {
                    if !windows || r - l < bound {
                        let own = (windows, place as u16);
                        let known = found.entry((part[l], part[r])).or_insert(own);
                        *known = (*known).min(own);
                    }
                }
            }
        }
    }
    found.into_iter().map(|(pair, (_, rule))| (pair, rule)).collect()
}

fn arrays(rows: &[Row]) -> HashMap<String, ArrayRef> {
    let text = |of: fn(&Row) -> Option<u8>| -> ArrayRef {
        Arc::new(rows.iter().map(|row| of(row).map(|own| own.to_string())).collect::<StringArray>())
    };
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in rows {
        lists.append_value(row.2.iter().map(|own| Some(own.to_string())));
    }
    HashMap::from([
        ("first".to_owned(), text(|row| row.0)),
        ("second".to_owned(), text(|row| row.1)),
        ("list".to_owned(), Arc::new(lists.finish()) as ArrayRef),
    ])
}

/// The blocks of `now`, with the rows that are gone after them.
fn blocks(now: &[Row], since: Option<(&[Row], &[bool])>, rules: &[Asked]) -> Blocks {
    let gone = since.map_or(&[][..], |own| own.0);
    let all: Vec<Row> = now.iter().chain(gone).cloned().collect();
    let arrays = arrays(&all);
    let columns = Columns::new(&arrays, &["first", "second", "list"], false, 1).unwrap();
    let names = |key: Key| match key {
        Key::First => vec!["first".to_owned()],
        Key::Second => vec!["second".to_owned()],
        Key::Both => vec!["first".to_owned(), "second".to_owned()],
        Key::List => vec!["list".to_owned()],
    };
    let sql: Vec<(Vec<String>, Vec<String>)> = rules
        .iter()
        .map(|(key, refine, _)| (names(*key), if *refine { names(Key::Second) } else { vec![] }))
        .collect();
    let asked: Vec<RuleKeys<'_>> = rules
        .iter()
        .zip(&sql)
        .map(|(rule, (keys, refine))| RuleKeys { name: "x", keys, refine, max_block: rule.2 })
        .collect();
    let since = since.map(|(gone, changed)| Since { gone: gone.len(), changed });
    Blocks::since(&asked, &columns, now.len(), since.as_ref(), 2).unwrap()
}

fn row() -> impl Strategy<Value = Row> {
    let key = |most: u8| prop::option::weighted(0.9, 0u8..most);
    (key(3), key(4), prop::collection::vec(0u8..6, 0..3))
}

fn rule() -> impl Strategy<Value = Asked> {
    let key = prop::sample::select(vec![Key::First, Key::Second, Key::Both, Key::List]);
    (key, any::<bool>(), prop::sample::select(vec![2u32, 3, 5, 8, 12, 100]))
}

proptest! {
    /// Each pair comes once over all rules, by the rule that the definition says, whatever blocks
    /// are refined or walked in windows.
    #[test]
    fn a_walk_is_the_plain_search(
        rows in prop::collection::vec(row(), 0..40), rules in prop::collection::vec(rule(), 1..5),
    ) {
        let blocks = blocks(&rows, None, &rules);
        let walked = walk(&blocks, 2, |_, _| true, || (), |(), out: &mut Vec<_>, chunk| {
            out.extend(chunk.l.iter().zip(chunk.r).map(|(l, r)| ((*l as usize, *r as usize), chunk.rule)));
        })
        .unwrap()
        .concat();
        let expected = plain(&rows.iter().cloned().enumerate().collect(), &rules);
        prop_assert_eq!(walked.len(), expected.len(), "no pair twice");
        prop_assert_eq!(walked.iter().copied().collect::<BTreeMap<_, _>>(), expected.clone());
        for (l, r) in (0..rows.len()).flat_map(|r| (0..r).map(move |l| (l, r))) {
            let emitter = blocks.emitter(l as u32, r as u32).map(|(rule, _)| rule);
            prop_assert_eq!(emitter, expected.get(&(l, r)).copied());
        }
    }

    /// Since an earlier day, those pairs are walked that have a changed row, and those of unchanged
    /// rows that were not brought together then; no pair twice, and none that is not of today.
    #[test]
    fn what_is_walked_again_is_all_that_was_not_known(
        days in prop::collection::vec((row(), prop::option::weighted(0.8, row()), 0u8..10), 0..45),
        rules in prop::collection::vec(rule(), 1..5),
    ) {
        // Of ten rows eight are as they were; the others changed, came or went.
        let (mut before, mut today) = (BTreeMap::new(), BTreeMap::new());
        for (place, (old, new, chance)) in days.iter().enumerate() {
            match (chance, new) {
                (0, Some(new)) => drop((before.insert(place, old.clone()), today.insert(place, new.clone()))),
                (0, None) => drop(before.insert(place, old.clone())),
                (1, _) => drop(today.insert(place, old.clone())),
                _ => drop((before.insert(place, old.clone()), today.insert(place, old.clone()))),
            }
        }
        let places: Vec<usize> = today.keys().copied().collect();
        let changed: Vec<bool> = places.iter().map(|place| before.get(place) != today.get(place)).collect();
        let gone: Vec<Row> = before.iter().filter(|(place, row)| today.get(place) != Some(row))
            .map(|(_, row)| row.clone()).collect();
        let now: Vec<Row> = today.values().cloned().collect();
        let blocks = blocks(&now, Some((&gone, &changed)), &rules);
        let (old, new) = (plain(&before, &rules), plain(&today, &rules));
        let found = pairs_to_compare(&blocks, &changed, u64::MAX, 2).unwrap().unwrap();
        let mut walked: BTreeMap<(usize, usize), u16> = BTreeMap::new();
        for own in &found {
            for (l, r) in own.l.iter().zip(&own.r) {
                let pair = (places[*l as usize], places[*r as usize]);
                prop_assert_eq!(walked.insert(pair, own.rule), None, "no pair twice");
            }
        }
        for (pair, rule) in &walked {
            prop_assert_eq!(new.get(pair), Some(rule), "a pair of today, by its rule");
        }
        let is_changed = |place: &usize| before.get(place) != today.get(place);
        for (pair, rule) in &new {
            let known = !is_changed(&pair.0) && !is_changed(&pair.1) && old.contains_key(pair);
            prop_assert!(known || walked.contains_key(pair), "{:?} by {} is new", pair, rule);
        }
        // What is known is taken over by the group that emits it, which is not walked again.
        for (l, r) in (0..places.len()).flat_map(|r| (0..r).map(move |l| (l, r))) {
            if let Some((rule, group)) = blocks.emitter(l as u32, r as u32) {
                let pair = (places[l], places[r]);
                prop_assert_eq!(new.get(&pair), Some(&rule));
                let again = blocks.rules[usize::from(rule)].is_again(group);
                prop_assert_eq!(walked.contains_key(&pair), again || changed[l] || changed[r]);
            }
        }
        prop_assert_eq!(pairs_to_compare(&blocks, &changed, u64::MAX, 1).unwrap().unwrap(), found);
        if !changed.contains(&true) && gone.is_empty() {
            prop_assert!(walked.is_empty());
        }
    }
}
