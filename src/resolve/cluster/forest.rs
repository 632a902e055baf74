//! The clusters of one task: edges taken in order, and the guards that refuse a union.
//!
//! Knows the rows of its task and their edges; refuses to know other tasks, and how well groups
//! match: it is told.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::super::columns::MISSING;
use super::super::model::{Weight, float};
use super::components::root;
use super::{Edge, Guards, Refusal, Strength};

/// From how many records on a side counts as a group of its own.
const GROUP: usize = 3;

/// A bridge of so much more than the least weight is not weak, and so much more is asked of groups
/// that would be one through a third: 6 bits. Where less was asked, organisations whose names share
/// words ran together.
const WEAK: Weight = 6 << 20;

/// Bits that sums of odds may be wrong by, and far more.
const ROUNDING: f64 = 1e-6;

/// Rows of a group, and neighbours of a row, that are looked at for rivals.
const RIVALS: usize = 32;

/// Clusters of the rows of one task; a row is known by its place among them.
pub(super) struct Forest<'a> {
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

/// The rows at the other ends of each place's edges, in the order of edges, and how strong these
/// are.
struct Neighbours {
    starts: Vec<u32>,
    others: Vec<u32>,
    strengths: Vec<Strength>,
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
        let mut strengths = vec![Strength::Rule; 2 * edges.len()];
        for edge in edges {
            for (row, other) in [(edge.l, edge.r), (edge.r, edge.l)] {
                let next = &mut next[place(row) as usize];
                others[*next as usize] = other;
                strengths[*next as usize] = edge.strength;
                *next += 1;
            }
        }
        Self { starts, others, strengths }
    }

    fn span(&self, place: u32) -> Range<usize> {
        let place = place as usize;
        self.starts[place] as usize..self.starts[place + 1] as usize
    }
}

/// What came of one task: the edges, and by place a row of its cluster.
#[derive(Default)]
pub(super) struct Part {
    pub(super) joined: Vec<Edge>,
    pub(super) refused: Vec<(Edge, Refusal)>,
    pub(super) roots: Vec<u32>,
}

impl<'a> Forest<'a> {
    pub(super) fn new(
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
    pub(super) fn take(mut self, edges: &[Edge]) -> Part {
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
        &self.neighbours.others[self.neighbours.span(self.place(row))]
    }

    /// How well two groups match; of two records that their edge is known of, as it says.
    fn weight(&self, l: u32, r: u32, edge: Strength) -> Weight {
        match edge {
            Strength::Model(weight) if self.size(l) + self.size(r) == 2 => weight,
            _ => (self.guards.weight)(self.rows(l), self.rows(r)),
        }
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
        let weight = self.weight(small, large, strength);
        if weight < self.guards.merge {
            return Some(Refusal::Contradiction);
        }
        if weight < self.guards.merge + WEAK
            && self.size(small) >= GROUP
            && self.links(small, large, 2, Self::neighbours) < 2
        {
            return Some(Refusal::WeakBridge);
        }
        let rivals = [self.rivals(small, large), self.rivals(large, small)];
        let most: f64 = rivals.iter().flatten().map(|(_, own)| float(*own).exp2()).sum();
        if self.bits_left(weight, most) >= ROUNDING {
            return None;
        }
        let [of_small, of_large] = rivals;
        let odds = self.odds(&of_small, large, weight) + self.odds(&of_large, small, weight);
        (odds > 0.0 && self.bits_left(weight, odds) < 0.0).then_some(Refusal::Rival)
    }

    /// By how many bits a pair is over the least weight, where the rivals' odds stand beside
    /// coincidence.
    fn bits_left(&self, weight: Weight, odds: f64) -> f64 {
        float(weight) - odds.ln_1p() / std::f64::consts::LN_2 - float(self.guards.merge)
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

    /// Groups beside `other` that have edges to `own`, and how well they match it.
    fn rivals(&mut self, own: u32, other: u32) -> Vec<(u32, Weight)> {
        let mut roots: Vec<(u32, Strength)> = Vec::new();
        for place in 0..self.size(own).min(RIVALS) {
            let row = self.members[own as usize][place];
            for at in self.neighbours.span(self.place(row)).take(RIVALS) {
                let root = self.root(self.place(self.neighbours.others[at]));
                if root != own && root != other {
                    roots.push((root, self.neighbours.strengths[at]));
                }
            }
        }
        roots.sort_unstable();
        roots.dedup_by_key(|own| own.0);
        let weight = |(rival, edge): (u32, Strength)| (rival, self.weight(own, rival, edge));
        roots.into_iter().map(weight).collect()
    }

    /// The odds of those rivals that are not the same as `other`, which is matched by `weight`.
    fn odds(&mut self, rivals: &[(u32, Weight)], other: u32, weight: Weight) -> f64 {
        let mut odds = 0.0;
        for (rival, own) in rivals.iter().copied() {
            let apart = (self.guards.weight)(self.rows(other), self.rows(rival));
            if apart >= 0 {
                continue;
            }
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
