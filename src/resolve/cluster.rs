//! Clusters of records: union-find over merge edges, and the guards that refuse a union.
//!
//! Knows rows and edges; refuses to know why an edge is there. Edges are taken from the strongest
//! to the weakest, ties by rows, so that where a guard must cut, it cuts the weakest link, and the
//! result is the same whatever order the edges came in. Rows that no edges connect never meet: each
//! connected component is clustered for itself, on any thread.
//!
//! Guards, in the order in which they are asked:
//! - `different`: a steward said that two records are not the same; holds against all else;
//! - `rule:NAME`: a deterministic rule separates a record of one side from one of the other;
//! - `duplicate_free:SOURCE`: both sides hold a record of a source that has each entity once;
//! - `weak_bridge`: both sides have three records or more and one weak edge alone joins them;
//! - `contradiction`: what is known of both sides together does not bear the union, such as a poor
//!   record between a father and a son of one name;
//! - `rival`: another group matches one side as well, and is not the same as the other: a name
//!   alone does not say to which of two namesakes it belongs. Groups that both match it so well that
//!   they are likelier one than two are no rivals, however ill they match each other: three records
//!   of one mailbox, of which two spell the name in their own way.
//!
//! A steward's `same` asks `different` only; a merge rule's edge asks none of the last three.

use std::cmp::Reverse;
use std::ops::Range;

use rustc_hash::FxHashMap;

use super::columns::MISSING;
use super::kernel::parallel;
use super::model::{Weight, float};
use super::rules::Rules;
use crate::error::Result;

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
    pub(crate) weight: &'a (dyn Fn(&[u32], &[u32]) -> Weight + Sync),
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

/// A bridge of so much more than the least weight is not weak, and so much more is asked of groups
/// that would be one through a third: 6 bits. Where less was asked, organisations whose names share
/// words ran together.
const WEAK: Weight = 6 << 20;

/// Rows of a group, and neighbours of a row, that are looked at for rivals.
const RIVALS: usize = 32;

/// Edges of the components that one thread takes at a time, about.
const TASK_EDGES: usize = if cfg!(test) { 3 } else { 4096 };

/// The rows that have edges, and their edges, component after component. No guard looks past the
/// component that it is asked of, so that each is clustered for itself.
struct Components {
    /// Rows, by component and within one rising.
    rows: Vec<u32>,
    /// Where a row stands in `rows`; `MISSING` where it has no edge.
    places: Vec<u32>,
    /// Edges by component.
    edges: Vec<Edge>,
    /// Rows and edges of one task: whole components.
    tasks: Vec<(Range<usize>, Range<usize>)>,
}

impl Components {
    fn new(rows: usize, edges: &[Edge]) -> Self {
        // The root of a component is its smallest row.
        let mut parent: Vec<u32> = (0..rows as u32).collect();
        for edge in edges {
            let (l, r) = (root(&mut parent, edge.l), root(&mut parent, edge.r));
            parent[l.max(r) as usize] = l.min(r);
        }
        let mut counts = vec![[0u32; 2]; rows + 1];
        for edge in edges {
            counts[root(&mut parent, edge.l) as usize + 1][1] += 1;
        }
        for row in 0..rows as u32 {
            let root = root(&mut parent, row);
            // A component of one row has no edge.
            counts[root as usize + 1][0] +=
                u32::from(root != row || counts[row as usize + 1][1] > 0);
        }
        let mut tasks = Vec::new();
        let mut first = [0; 2];
        for row in 0..rows {
            let [before, own] = [counts[row], counts[row + 1]];
            counts[row + 1] = [before[0] + own[0], before[1] + own[1]];
            let next = counts[row + 1].map(|count| count as usize);
            if next[1] - first[1] >= TASK_EDGES || (row + 1 == rows && next[1] > first[1]) {
                tasks.push((first[0]..next[0], first[1]..next[1]));
                first = next;
            }
        }
        let whole = counts[rows].map(|count| count as usize);
        let mut own = Self {
            rows: vec![0; whole[0]],
            places: vec![MISSING; rows],
            edges: vec![Edge { l: 0, r: 0, strength: Strength::Rule }; whole[1]],
            tasks,
        };
        let starts = counts.clone();
        for row in 0..rows as u32 {
            let root = root(&mut parent, row) as usize;
            if starts[root][0] < starts[root + 1][0] {
                let place = &mut counts[root][0];
                own.rows[*place as usize] = row;
                own.places[row as usize] = *place;
                *place += 1;
            }
        }
        for edge in edges {
            let place = &mut counts[root(&mut parent, edge.l) as usize][1];
            own.edges[*place as usize] = *edge;
            *place += 1;
        }
        own
    }
}

/// The root of a row; paths are halved on the way.
fn root(parent: &mut [u32], mut row: u32) -> u32 {
    while parent[row as usize] != row {
        let above = parent[parent[row as usize] as usize];
        parent[row as usize] = above;
        row = above;
    }
    row
}

/// Clusters of the rows of one task; a row is known by its place among them.
struct Forest<'a> {
    guards: &'a Guards<'a>,
    apart: &'a FxHashMap<u32, Vec<u32>>,
    /// The row at each place, and the place of each row of all.
    rows: &'a [u32],
    places: &'a [u32],
    /// The place of the first row.
    first: u32,
    parent: Vec<u32>,
    members: Vec<Vec<u32>>,
    /// By root, sorted sets; empty where no guard needs them.
    signatures: Vec<Vec<u32>>,
    sources: Vec<Vec<u32>>,
    neighbours: Neighbours,
}

/// The rows at the other ends of each place's edges, in the order of edges.
struct Neighbours {
    starts: Vec<u32>,
    others: Vec<u32>,
}

impl Neighbours {
    fn new(rows: usize, edges: &[Edge], place: impl Fn(u32) -> u32) -> Self {
        let mut starts = vec![0u32; rows + 1];
        for edge in edges {
            starts[place(edge.l) as usize + 1] += 1;
            starts[place(edge.r) as usize + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut others = vec![0; 2 * edges.len()];
        for edge in edges {
            for (row, other) in [(edge.l, edge.r), (edge.r, edge.l)] {
                let next = &mut next[place(row) as usize];
                others[*next as usize] = other;
                *next += 1;
            }
        }
        Self { starts, others }
    }

    fn of(&self, place: u32) -> &[u32] {
        let place = place as usize;
        &self.others[self.starts[place] as usize..self.starts[place + 1] as usize]
    }
}

/// From the strongest edge to the weakest, ties by rows.
fn by_strength(edge: &Edge) -> (Reverse<Strength>, u32, u32) {
    (Reverse(edge.strength), edge.l, edge.r)
}

/// What came of one task: the edges, and by place a row of its cluster.
#[derive(Default)]
struct Part {
    joined: Vec<Edge>,
    refused: Vec<(Edge, Refusal)>,
    roots: Vec<u32>,
}

/// Clusters `rows` rows.
///
/// # Errors
/// Where a thread failed.
pub(crate) fn cluster(
    rows: usize,
    edges: Vec<Edge>,
    guards: &Guards<'_>,
    threads: usize,
) -> Result<Clusters> {
    let Components { rows: connected, places, edges, tasks } = Components::new(rows, &edges);
    let mut apart: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
    for (l, r) in guards.different {
        apart.entry(*l).or_default().push(*r);
        apart.entry(*r).or_default().push(*l);
    }
    let parts = parallel(tasks.len(), threads, Vec::new, |own: &mut Vec<Edge>, task| {
        let (rows, range) = tasks[task].clone();
        own.clear();
        own.extend_from_slice(&edges[range]);
        own.sort_unstable_by_key(by_strength);
        let first = rows.start as u32;
        Forest::new(&connected[rows], first, &places, own, guards, &apart).take(own)
    })?;
    // Clusters are numbered by their smallest row.
    let (mut of_row, mut numbers) = (Vec::with_capacity(rows), vec![MISSING; rows]);
    let roots: Vec<u32> = parts.iter().flat_map(|own| own.roots.iter().copied()).collect();
    let mut next = 0;
    for (row, place) in places.iter().enumerate() {
        let root = if *place == MISSING { row } else { roots[*place as usize] as usize };
        if numbers[root] == MISSING {
            numbers[root] = next;
            next += 1;
        }
        of_row.push(numbers[root]);
    }
    let (mut joined, mut refused) = (Vec::new(), Vec::new());
    for part in parts {
        joined.extend(part.joined);
        refused.extend(part.refused);
    }
    joined.sort_unstable_by_key(by_strength);
    refused.sort_unstable_by_key(|(edge, _)| by_strength(edge));
    Ok(Clusters { of_row, joined, refused })
}

impl<'a> Forest<'a> {
    fn new(
        rows: &'a [u32],
        first: u32,
        places: &'a [u32],
        edges: &[Edge],
        guards: &'a Guards<'a>,
        apart: &'a FxHashMap<u32, Vec<u32>>,
    ) -> Self {
        let source =
            |row: &u32| guards.sources.get(*row as usize).filter(|s| **s != MISSING).copied();
        let place = |row: u32| places[row as usize] - first;
        Self {
            guards,
            apart,
            rows,
            places,
            first,
            parent: (0..rows.len() as u32).collect(),
            members: rows.iter().map(|row| vec![*row]).collect(),
            signatures: rows
                .iter()
                .map(|row| guards.rules.signature(*row).into_iter().collect())
                .collect(),
            sources: rows.iter().map(|row| source(row).into_iter().collect()).collect(),
            neighbours: Neighbours::new(rows.len(), edges, place),
        }
    }

    /// Takes edges from the strongest on.
    fn take(mut self, edges: &[Edge]) -> Part {
        let mut part = Part::default();
        for edge in edges {
            let (l, r) = (self.place(edge.l), self.place(edge.r));
            let (l, r) = (self.root(l), self.root(r));
            if l == r {
                continue;
            }
            match self.refusal(l, r, edge.strength) {
                Some(refusal) => part.refused.push((*edge, refusal)),
                None => {
                    self.join(l, r);
                    part.joined.push(*edge);
                }
            }
        }
        let roots = 0..self.rows.len() as u32;
        part.roots = roots.map(|place| self.rows[self.root(place) as usize]).collect();
        part
    }

    /// The place of a row of this task.
    fn place(&self, row: u32) -> u32 {
        self.places[row as usize] - self.first
    }

    /// Whether a row is of this task.
    fn holds(&self, row: u32) -> bool {
        let place = self.places[row as usize];
        place != MISSING && place.wrapping_sub(self.first) < self.rows.len() as u32
    }

    fn root(&mut self, place: u32) -> u32 {
        root(&mut self.parent, place)
    }

    /// The rows at the other ends of a row's edges.
    fn neighbours(&self, row: u32) -> &[u32] {
        self.neighbours.of(self.place(row))
    }

    fn refusal(&mut self, l: u32, r: u32, strength: Strength) -> Option<Refusal> {
        let (small, large) = if self.size(l) <= self.size(r) { (l, r) } else { (r, l) };
        if strength == Strength::Steward {
            return self.are_different(small, large).then_some(Refusal::Different);
        }
        match self.never(small, large) {
            Some(refusal) => return Some(refusal),
            None if strength == Strength::Rule => return None,
            None => {}
        }
        let weight = (self.guards.weight)(self.rows(small), self.rows(large));
        if weight < self.guards.merge {
            return Some(Refusal::Contradiction);
        }
        if weight < self.guards.merge + WEAK
            && self.size(small) >= GROUP
            && self.links(small, large, 2, Self::neighbours) < 2
        {
            return Some(Refusal::WeakBridge);
        }
        let rivals = self.rivals(small, large, weight) + self.rivals(large, small, weight);
        if rivals > 0.0 {
            // The probability that is left where the rivals' odds stand beside coincidence.
            let left = float(weight) - rivals.ln_1p() / std::f64::consts::LN_2;
            if left < float(self.guards.merge) {
                return Some(Refusal::Rival);
            }
        }
        None
    }

    /// What keeps two groups apart however well they match.
    fn never(&mut self, small: u32, large: u32) -> Option<Refusal> {
        if self.are_different(small, large) {
            return Some(Refusal::Different);
        }
        // The first rule in the settings, whatever order signatures are in.
        let (left, right) = (&self.signatures[small as usize], &self.signatures[large as usize]);
        let both = left.iter().flat_map(|left| right.iter().map(move |right| (*left, *right)));
        let apart = both.filter_map(|(left, right)| self.guards.rules.separates(left, right)).min();
        if let Some(place) = apart {
            return Some(Refusal::Rule(place));
        }
        let twice = &self.sources[large as usize];
        let source = self.sources[small as usize].iter().find(|source| twice.contains(source));
        source.map(|source| Refusal::DuplicateFree(*source))
    }

    /// Whether a steward keeps a row of one group from a row of the other.
    fn are_different(&mut self, small: u32, large: u32) -> bool {
        !self.apart.is_empty()
            && self.links(small, large, 1, |forest, row| {
                forest.apart.get(&row).map_or(&[], Vec::as_slice)
            }) > 0
    }

    fn rows(&self, root: u32) -> &[u32] {
        &self.members[root as usize]
    }

    /// The odds of groups that match `own` and are not the same as `other`, which matches it by
    /// `weight`.
    fn rivals(&mut self, own: u32, other: u32, weight: Weight) -> f64 {
        let mut roots: Vec<u32> = Vec::new();
        for place in 0..self.size(own).min(RIVALS) {
            let row = self.members[own as usize][place];
            for at in 0..self.neighbours(row).len().min(RIVALS) {
                let neighbour = self.neighbours(row)[at];
                roots.push(self.root(self.place(neighbour)));
            }
        }
        roots.sort_unstable();
        roots.dedup();
        roots.retain(|root| *root != own && *root != other);
        let mut odds = 0.0;
        for rival in roots {
            let apart = (self.guards.weight)(self.rows(other), self.rows(rival));
            if apart >= 0 {
                continue;
            }
            let own = (self.guards.weight)(self.rows(own), self.rows(rival));
            let one = match self.never(other, rival) {
                Some(_) => 0.0,
                // That the two are one is told by how they match each other, and by `own` as well,
                // which both of them match; less the bits that this says twice.
                None => float(apart + own.min(weight) - WEAK).exp2(),
            };
            odds += float(own).exp2() / (1.0 + one);
        }
        odds
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
                if self.holds(other) && self.root(self.place(other)) == large {
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
        let guards =
            Guards { rules: &rules, different: &[], sources: &[], weight: &weight, merge: 0 };
        let clusters = cluster(3, vec![edge(0, 1, 9), edge(1, 2, 5)], &guards, 2).unwrap();
        assert_eq!(clusters.of_row, [0, 0, 1]);
        assert_eq!(clusters.refused, [(edge(1, 2, 5), Refusal::Contradiction)]);
        let rule = Edge { l: 1, r: 2, strength: Strength::Rule };
        assert_eq!(cluster(3, vec![edge(0, 1, 9), rule], &guards, 2).unwrap().of_row, [0, 1, 1]);
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
}
