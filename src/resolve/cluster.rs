//! Clusters of records: union-find over merge edges, and the guards that refuse a union.
//!
//! Knows rows and edges; refuses to know why an edge is there. Edges are taken from the strongest
//! to the weakest, ties by rows, so that where a guard must cut, it cuts the weakest link, and the
//! result is the same whatever order the edges came in. Rows that no edges connect never meet: each
//! connected component (`components`) is clustered for itself, on any thread (`forest`).
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

mod components;
mod forest;

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use self::components::Components;
use self::forest::Forest;
use super::columns::MISSING;
use super::kernel::parallel;
use super::model::Weight;
use super::rules::Rules;
use crate::error::Result;

/// How strong an edge is; a steward's word is stronger than a rule's, a rule's than the model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strength {
    /// The model's match weight, which is how well the two records match.
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
    /// Edges that joined two clusters, component after component.
    pub(crate) joined: Vec<Edge>,
    /// Edges that a guard refused, component after component.
    pub(crate) refused: Vec<(Edge, Refusal)>,
}

impl Clusters {
    /// The same, with edges from the strongest on.
    pub(crate) fn by_strength(mut self) -> Self {
        self.joined.sort_unstable_by_key(by_strength);
        self.refused.sort_unstable_by_key(|(edge, _)| by_strength(edge));
        self
    }
}

/// From the strongest edge to the weakest, ties by rows.
fn by_strength(edge: &Edge) -> (Reverse<Strength>, u32, u32) {
    (Reverse(edge.strength), edge.l, edge.r)
}

/// Clusters `rows` rows.
///
/// # Errors
/// Where a thread failed.
pub(crate) fn cluster(
    rows: usize,
    edges: impl IntoIterator<Item = Edge, IntoIter: Clone>,
    guards: &Guards<'_>,
    threads: usize,
) -> Result<Clusters> {
    let Components { rows: connected, places, edges, tasks } =
        Components::new(rows, edges.into_iter());
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
    Ok(Clusters { of_row, joined, refused })
}

#[cfg(test)]
mod tests;
