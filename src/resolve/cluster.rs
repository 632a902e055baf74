//! Clusters of records: union-find over merge edges, and the guards that refuse a union.
//!
//! Knows rows and edges; refuses to know why an edge is there. Edges are taken from the strongest
//! to the weakest, ties by rows, so that where a guard must cut, it cuts the weakest link, and the
//! result is the same whatever order the edges came in.
//!
//! Guards, in the order in which they are asked:
//! - `different`: a steward said that two records are not the same; holds against all else;
//! - `rule:NAME`: a deterministic rule separates a record of one side from one of the other;
//! - `duplicate_free:SOURCE`: both sides hold a record of a source that has each entity once;
//! - `weak_bridge`: both sides have three records or more and one weak edge alone joins them;
//! - `contradiction`: what is known of both sides together does not bear the union, such as a poor
//!   record between a father and a son of one name;
//! - `rival`: another group matches one side as well, and cannot be the same as the other: a name
//!   alone does not say to which of two namesakes it belongs.
//!
//! A steward's `same` asks `different` only; a merge rule's edge asks none of the last three.

use rustc_hash::FxHashMap;

use super::columns::MISSING;
use super::model::{Weight, float};
use super::rules::Rules;

/// How strong an edge is; a steward's word is stronger than a rule's, a rule's than the model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strength {
    /// The model's match weight.
    Model(Weight),
    /// A deterministic rule.
    Rule,
    /// A steward.
    Steward,
}

/// Two rows to be merged, the smaller first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge {
    /// The smaller row.
    pub(crate) l: u32,
    /// The larger row.
    pub(crate) r: u32,
    /// How strong it is.
    pub(crate) strength: Strength,
}

/// What keeps clusters apart.
pub(crate) struct Guards<'a> {
    /// Deterministic rules.
    pub(crate) rules: &'a Rules,
    /// Pairs that a steward keeps apart.
    pub(crate) different: &'a [(u32, u32)],
    /// By row, a number for a source known to be free of duplicates, `MISSING` for another.
    pub(crate) sources: &'a [u32],
    /// How well two groups of rows match by all that is known of each.
    pub(crate) weight: &'a dyn Fn(&[u32], &[u32]) -> Weight,
    /// The least weight of a union.
    pub(crate) merge: Weight,
}

/// Why a guard refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A steward said so.
    Different,
    /// The rule at this place.
    Rule(usize),
    /// The source of this number.
    DuplicateFree(u32),
    /// One edge alone joins two groups.
    WeakBridge,
    /// The groups as wholes do not match.
    Contradiction,
    /// Another group matches one of them as well.
    Rival,
}

/// What came of the edges.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Clusters {
    /// The cluster of each row; clusters are numbered by their smallest row.
    pub(crate) of_row: Vec<u32>,
    /// Edges that joined two clusters, from the strongest on.
    pub(crate) joined: Vec<Edge>,
    /// Edges that a guard refused, from the strongest on.
    pub(crate) refused: Vec<(Edge, Refusal)>,
}

/// From how many records on a side counts as a group of its own.
const GROUP: usize = 3;

/// A bridge of so much more than the least weight is not weak: 6 bits.
const WEAK: Weight = 6 << 20;

/// Rows of a group, and neighbours of a row, that are looked at for rivals.
const RIVALS: usize = 32;

struct Forest<'a> {
    guards: &'a Guards<'a>,
    parent: Vec<u32>,
    members: Vec<Vec<u32>>,
    /// By root, sorted sets; empty where no guard needs them.
    signatures: Vec<Vec<u32>>,
    sources: Vec<Vec<u32>>,
    apart: FxHashMap<u32, Vec<u32>>,
    neighbours: Neighbours,
}

/// The rows at the other ends of each row's edges, in the order of edges.
struct Neighbours {
    starts: Vec<u32>,
    others: Vec<u32>,
}

impl Neighbours {
    fn new(rows: usize, edges: &[Edge]) -> Self {
        let mut starts = vec![0u32; rows + 1];
        for edge in edges {
            starts[edge.l as usize + 1] += 1;
            starts[edge.r as usize + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut others = vec![0; 2 * edges.len()];
        for edge in edges {
            for (row, other) in [(edge.l, edge.r), (edge.r, edge.l)] {
                others[next[row as usize] as usize] = other;
                next[row as usize] += 1;
            }
        }
        Self { starts, others }
    }

    fn of(&self, row: u32) -> &[u32] {
        let row = row as usize;
        &self.others[self.starts[row] as usize..self.starts[row + 1] as usize]
    }
}

/// Clusters `rows` rows.
pub(crate) fn cluster(rows: usize, mut edges: Vec<Edge>, guards: &Guards<'_>) -> Clusters {
    edges.sort_unstable_by_key(|edge| (std::cmp::Reverse(edge.strength), edge.l, edge.r));
    let mut forest = Forest::new(rows, &edges, guards);
    let (mut joined, mut refused) = (Vec::new(), Vec::new());
    for edge in edges {
        let (l, r) = (forest.root(edge.l), forest.root(edge.r));
        if l == r {
            continue;
        }
        match forest.refusal(l, r, edge.strength) {
            Some(refusal) => refused.push((edge, refusal)),
            None => {
                forest.join(l, r);
                joined.push(edge);
            }
        }
    }
    Clusters { of_row: forest.numbers(), joined, refused }
}

impl<'a> Forest<'a> {
    fn new(rows: usize, edges: &[Edge], guards: &'a Guards<'a>) -> Self {
        let all = 0..rows as u32;
        let mut apart: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for (l, r) in guards.different {
            apart.entry(*l).or_default().push(*r);
            apart.entry(*r).or_default().push(*l);
        }
        let source =
            |row: u32| guards.sources.get(row as usize).filter(|s| **s != MISSING).copied();
        Self {
            guards,
            parent: all.clone().collect(),
            members: all.clone().map(|row| vec![row]).collect(),
            signatures: all
                .clone()
                .map(|row| guards.rules.signature(row).into_iter().collect())
                .collect(),
            sources: all.map(|row| source(row).into_iter().collect()).collect(),
            apart,
            neighbours: Neighbours::new(rows, edges),
        }
    }

    fn root(&mut self, mut row: u32) -> u32 {
        while self.parent[row as usize] != row {
            let above = self.parent[self.parent[row as usize] as usize];
            self.parent[row as usize] = above;
            row = above;
        }
        row
    }

    fn refusal(&mut self, l: u32, r: u32, strength: Strength) -> Option<Refusal> {
        let (small, large) = if self.size(l) <= self.size(r) { (l, r) } else { (r, l) };
        if !self.apart.is_empty()
            && self.links(small, large, 1, |forest, row| {
                forest.apart.get(&row).map_or(&[], Vec::as_slice)
            }) > 0
        {
            return Some(Refusal::Different);
        }
        if strength == Strength::Steward {
            return None;
        }
        // The first rule in the settings, whatever order signatures are in.
        let (left, right) = (&self.signatures[small as usize], &self.signatures[large as usize]);
        let both = left.iter().flat_map(|left| right.iter().map(move |right| (*left, *right)));
        let apart = both.filter_map(|(left, right)| self.guards.rules.separates(left, right)).min();
        if let Some(place) = apart {
            return Some(Refusal::Rule(place));
        }
        let twice = &self.sources[large as usize];
        if let Some(source) = self.sources[small as usize].iter().find(|s| twice.contains(s)) {
            return Some(Refusal::DuplicateFree(*source));
        }
        if strength == Strength::Rule {
            return None;
        }
        let weight = (self.guards.weight)(self.rows(small), self.rows(large));
        if weight < self.guards.merge {
            return Some(Refusal::Contradiction);
        }
        if weight < self.guards.merge + WEAK
            && self.size(small) >= GROUP
            && self.links(small, large, 2, |forest, row| forest.neighbours.of(row)) < 2
        {
            return Some(Refusal::WeakBridge);
        }
        let rivals = self.rivals(small, large) + self.rivals(large, small);
        if rivals > 0.0 {
            // The probability that is left where the rivals' odds stand beside coincidence.
            let left = float(weight) - rivals.ln_1p() / std::f64::consts::LN_2;
            if left < float(self.guards.merge) {
                return Some(Refusal::Rival);
            }
        }
        None
    }

    fn rows(&self, root: u32) -> &[u32] {
        &self.members[root as usize]
    }

    /// The odds of groups that match `own` and cannot be the same as `other`.
    fn rivals(&mut self, own: u32, other: u32) -> f64 {
        let mut roots: Vec<u32> = Vec::new();
        for place in 0..self.size(own).min(RIVALS) {
            let row = self.members[own as usize][place];
            for at in 0..self.neighbours.of(row).len().min(RIVALS) {
                let neighbour = self.neighbours.of(row)[at];
                roots.push(self.root(neighbour));
            }
        }
        roots.sort_unstable();
        roots.dedup();
        roots.retain(|root| *root != own && *root != other);
        let odds = |rival: &u32| {
            let rival = self.rows(*rival);
            if (self.guards.weight)(self.rows(other), rival) >= 0 {
                return 0.0;
            }
            float((self.guards.weight)(self.rows(own), rival)).exp2()
        };
        roots.iter().map(odds).sum()
    }

    fn size(&self, root: u32) -> usize {
        self.members[root as usize].len()
    }

    /// Links between two clusters, counted to `enough`.
    fn links(
        &mut self,
        small: u32,
        large: u32,
        enough: usize,
        of: impl Fn(&Self, u32) -> &[u32],
    ) -> usize {
        let mut found = 0;
        for place in 0..self.size(small) {
            let row = self.members[small as usize][place];
            for at in 0..of(self, row).len() {
                let other = of(self, row)[at];
                if self.root(other) == large {
                    found += 1;
                    if found == enough {
                        return found;
                    }
                }
            }
        }
        found
    }

    fn join(&mut self, l: u32, r: u32) {
        let (small, large) = if self.size(l) < self.size(r) { (l, r) } else { (r, l) };
        self.parent[small as usize] = large;
        for sets in [&mut self.members, &mut self.signatures, &mut self.sources] {
            let moved = std::mem::take(&mut sets[small as usize]);
            sets[large as usize].extend(moved);
        }
        let signatures = &mut self.signatures[large as usize];
        signatures.sort_unstable();
        signatures.dedup();
    }

    fn numbers(mut self) -> Vec<u32> {
        let mut numbers = vec![MISSING; self.parent.len()];
        let mut next = 0;
        (0..self.parent.len() as u32)
            .map(|row| {
                let root = self.root(row) as usize;
                if numbers[root] == MISSING {
                    numbers[root] = next;
                    next += 1;
                }
                numbers[root]
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};
    use proptest::prelude::*;

    use super::*;
    use crate::resolve::compare::Comparisons;
    use crate::resolve::settings::{Rule, Verdict};

    fn none() -> Arc<Comparisons> {
        Arc::new(Comparisons { list: Vec::new() })
    }

    fn no_rules() -> Rules {
        Rules::new(&[], 0, &none(), None, |_| Err(crate::Error::bug("no column is asked for")))
            .unwrap()
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
            let clusters = cluster(30, edges.clone(), &guards);
            let refused: Vec<Edge> = clusters.refused.iter().map(|(edge, _)| *edge).collect();
            prop_assert_eq!(&clusters.of_row, &plain_search(30, &clusters.joined));
            if refused.is_empty() {
                prop_assert_eq!(&clusters.of_row, &plain_search(30, &edges));
            }
            edges.reverse();
            prop_assert_eq!(clusters, cluster(30, edges, &guards));
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
            let of_row = cluster(20, edges, &guards).of_row;
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
        let clusters = cluster(6, edges.clone(), &guards);
        assert_eq!(clusters.of_row, [0, 0, 0, 1, 1, 1]);
        assert_eq!(clusters.refused, [(edge(2, 3, 1), Refusal::WeakBridge)]);
        edges.push(edge(1, 4, 1));
        assert_eq!(cluster(6, edges, &guards).of_row, [0; 6]);
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
        let guards =
            Guards { rules: &rules, different: &[], sources: &[], weight: &weight, merge: 0 };
        let clusters = cluster(3, vec![edge(0, 1, 9), edge(1, 2, 5)], &guards);
        assert_eq!(clusters.of_row, [0, 0, 1]);
        assert_eq!(clusters.refused, [(edge(1, 2, 5), Refusal::Contradiction)]);
        let rule = Edge { l: 1, r: 2, strength: Strength::Rule };
        assert_eq!(cluster(3, vec![edge(0, 1, 9), rule], &guards).of_row, [0, 1, 1]);
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
            let guards = Guards {
                rules: &rules,
                different: &[],
                sources: &[],
                weight: &weight,
                merge: bits(1),
            };
            let edges = vec![edge(0, 1, bits(3)), edge(1, 2, bits(second))];
            cluster(3, edges, &guards).of_row
        };
        assert_eq!((of_row(3), of_row(-1)), (vec![0, 1, 2], vec![0, 0, 1]));
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
        let clusters = cluster(3, vec![edge(0, 2, 9), same], &guards);
        assert_eq!(clusters.of_row, [0, 0, 1]);
        assert_eq!(clusters.refused, [(edge(0, 2, 9), Refusal::Different)]);
    }
}
