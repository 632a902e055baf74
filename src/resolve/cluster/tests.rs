//! Clusters beside a plain search, and each guard by itself.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use proptest::prelude::*;

use super::*;
use crate::resolve::compare::Comparisons;
use crate::resolve::settings::{Rule, Verdict};

fn none() -> Arc<Comparisons> {
    Arc::new(Comparisons::new(Vec::new(), 1).unwrap())
}

fn no_rules() -> Rules {
    Rules::new(&[], 0, &none(), None, |_| Err(crate::Error::bug("no column is asked for"))).unwrap()
}

fn edge(l: u32, r: u32, weight: i64) -> Edge {
    Edge { l, r, strength: Strength::Model(weight) }
}

/// Clusters by a search from every row over the edges that joined or lie within.
fn plain_search(rows: usize, edges: &[Edge]) -> Vec<u32> {
    let mut numbers = vec![MISSING; rows];
    let mut next = 0;
    for first in 0..rows as u32 {
        if numbers[first as usize] != MISSING {
            continue;
        }
        let mut open = vec![first];
        while let Some(row) = open.pop() {
            if numbers[row as usize] == MISSING {
                numbers[row as usize] = next;
                open.extend(edges.iter().filter(|e| e.l == row).map(|e| e.r));
                open.extend(edges.iter().filter(|e| e.r == row).map(|e| e.l));
            }
        }
        next += 1;
    }
    numbers
}

proptest! {
    #[test]
    fn union_find_is_a_plain_search_where_no_guard_refuses(
        pairs in prop::collection::vec((0u32..30, 0u32..30, 0i64..5), 0..50),
    ) {
        let rules = no_rules();
        let guards = Guards { rules: &rules, different: &[], sources: &[], weight: &|_, _| 1, merge: 0 };
        let mut edges: Vec<Edge> = pairs.iter().filter(|(l, r, _)| l < r)
            .map(|(l, r, w)| edge(*l, *r, *w)).collect();
        let clusters = cluster(30, edges.clone(), &guards, 2).unwrap();
        let refused: Vec<Edge> = clusters.refused.iter().map(|(edge, _)| *edge).collect();
        prop_assert_eq!(&clusters.of_row, &plain_search(30, &clusters.joined));
        if refused.is_empty() {
            prop_assert_eq!(&clusters.of_row, &plain_search(30, &edges));
        }
        edges.reverse();
        prop_assert_eq!(clusters, cluster(30, edges, &guards, 2).unwrap());
    }

    #[test]
    fn guards_hold_whatever_the_edges(
        pairs in prop::collection::vec((0u32..20, 0u32..20, 0i64..5, 0u8..9), 0..60),
        apart in prop::collection::vec((0u32..20, 0u32..20), 0..8),
        born in prop::collection::vec(prop::option::of(0u8..3), 20),
        sources in prop::collection::vec(prop::sample::select(vec![0, MISSING]), 20),
    ) {
        let born_text: ArrayRef =
            Arc::new(born.iter().map(|v| v.map(|v| v.to_string())).collect::<StringArray>());
        let rule = Rule {
            name: "born".into(), then: Verdict::Separate, same: vec![], differ: vec!["born".into()],
            unlike: vec![], condition: None,
        };
        let list = [rule];
        let rules = Rules::new(&list, 20, &none(), None, |_| Ok(&born_text)).unwrap();
        let different: Vec<_> = apart.into_iter().filter(|(l, r)| l < r).collect();
        let guards = Guards { rules: &rules, different: &different, sources: &sources, weight: &|_, _| 1, merge: 0 };
        let edges: Vec<Edge> = pairs.iter().filter(|(l, r, ..)| l < r).map(|(l, r, w, kind)| {
            let strength = if *kind == 0 { Strength::Rule } else { Strength::Model(*w) };
            Edge { l: *l, r: *r, strength }
        }).collect();
        let of_row = cluster(20, edges, &guards, 2).unwrap().of_row;
        for l in 0..20 {
            for r in l + 1..20 {
                if of_row[l] == of_row[r] {
                    prop_assert!(!different.contains(&(l as u32, r as u32)));
                    prop_assert!(born[l].is_none() || born[r].is_none() || born[l] == born[r]);
                    prop_assert!(sources[l] == MISSING || sources[l] != sources[r]);
                }
            }
        }
    }
}

#[test]
fn a_weak_bridge_between_two_groups_is_cut_and_a_second_link_holds_it() {
    let rules = no_rules();
    let guards =
        Guards { rules: &rules, different: &[], sources: &[], weight: &|_, _| 1, merge: 0 };
    let mut edges = vec![
        edge(0, 1, 9),
        edge(1, 2, 9),
        edge(0, 2, 9),
        edge(3, 4, 9),
        edge(4, 5, 9),
        edge(2, 3, 1),
    ];
    let clusters = cluster(6, edges.clone(), &guards, 2).unwrap();
    assert_eq!(clusters.of_row, [0, 0, 0, 1, 1, 1]);
    assert_eq!(clusters.refused, [(edge(2, 3, 1), Refusal::WeakBridge)]);
    edges.push(edge(1, 4, 1));
    assert_eq!(cluster(6, edges, &guards, 2).unwrap().of_row, [0; 6]);
}

#[test]
fn groups_that_do_not_match_as_wholes_are_not_joined() {
    let rules = no_rules();
    // Rows 0 and 2 contradict each other; row 1 is too poor to tell.
    let weight = |l: &[u32], r: &[u32]| {
        let holds = |row: &u32| l.contains(row) || r.contains(row);
        match (holds(&0), holds(&2)) {
            (true, true) => -1,
            (true, false) => 9 << 20,
            _ => 3 << 20,
        }
    };
    let guards = Guards { rules: &rules, different: &[], sources: &[], weight: &weight, merge: 0 };
    let (strong, weak) = (edge(0, 1, 9 << 20), edge(1, 2, 3 << 20));
    let clusters = cluster(3, vec![strong, weak], &guards, 2).unwrap();
    assert_eq!(clusters.of_row, [0, 0, 1]);
    assert_eq!(clusters.refused, [(weak, Refusal::Contradiction)]);
    let rule = Edge { l: 1, r: 2, strength: Strength::Rule };
    assert_eq!(cluster(3, vec![strong, rule], &guards, 2).unwrap().of_row, [0, 1, 1]);
}

#[test]
fn a_record_that_matches_two_namesakes_is_left_to_neither() {
    let rules = no_rules();
    let bits = |weight: i64| weight << 20;
    // Rows 0 and 2 are namesakes, row 1 has a name alone.
    let weight = |second: i64| {
        move |l: &[u32], r: &[u32]| match (l[0].min(r[0]), l[0].max(r[0])) {
            (0, 1) => bits(3),
            (1, 2) => bits(second),
            _ => bits(-5),
        }
    };
    let of_row = |second: i64| {
        let weight = weight(second);
        let guards =
            Guards { rules: &rules, different: &[], sources: &[], weight: &weight, merge: bits(1) };
        let edges = vec![edge(0, 1, bits(3)), edge(1, 2, bits(second))];
        cluster(3, edges, &guards, 2).unwrap().of_row
    };
    assert_eq!((of_row(3), of_row(-1)), (vec![0, 1, 2], vec![0, 0, 1]));
}

#[test]
fn three_records_that_match_well_are_one_though_two_of_them_match_ill() {
    let rules = no_rules();
    let bits = |weight: i64| weight << 20;
    let weight = |l: &[u32], r: &[u32]| match l.contains(&1) || r.contains(&1) {
        true => bits(15),
        false => bits(-2),
    };
    let of_row = |different: &[(u32, u32)]| {
        let (sources, merge) = (&[], bits(1));
        let guards = Guards { rules: &rules, different, sources, weight: &weight, merge };
        let edges = vec![edge(0, 1, bits(15)), edge(1, 2, bits(15))];
        cluster(3, edges, &guards, 2).unwrap().of_row
    };
    // What a steward keeps apart stays two, and the middle one is of neither.
    assert_eq!((of_row(&[]), of_row(&[(0, 2)])), (vec![0; 3], vec![0, 1, 2]));
}

#[test]
fn a_steward_overrules_rules_and_sources() {
    let rules = no_rules();
    let guards = Guards {
        rules: &rules,
        different: &[(1, 2)],
        sources: &[0, 0, MISSING],
        weight: &|_, _| 1,
        merge: 0,
    };
    let same = Edge { l: 0, r: 1, strength: Strength::Steward };
    let clusters = cluster(3, vec![edge(0, 2, 9), same], &guards, 2).unwrap();
    assert_eq!(clusters.of_row, [0, 0, 1]);
    assert_eq!(clusters.refused, [(edge(0, 2, 9), Refusal::Different)]);
}
