//! Rows that edges connect, component after component, cut into tasks.
//!
//! Knows edges; refuses to know guards, and which edge is the stronger.

use std::ops::Range;

use super::super::columns::MISSING;
use super::{Edge, Strength};

/// Edges of the components that one thread takes at a time, about.
const TASK_EDGES: usize = if cfg!(test) { 3 } else { 4096 };

/// The rows that have edges, and their edges, component after component. No guard looks past the
/// component that it is asked of, so that each is clustered for itself.
pub(super) struct Components {
    /// Rows, by component and within one rising.
    pub(super) rows: Vec<u32>,
    /// Where a row stands in `rows`; `MISSING` where it has no edge.
    pub(super) places: Vec<u32>,
    /// Edges by component.
    pub(super) edges: Vec<Edge>,
    /// Rows and edges of one task: whole components.
    pub(super) tasks: Vec<(Range<usize>, Range<usize>)>,
}

impl Components {
    pub(super) fn new(rows: usize, edges: impl Iterator<Item = Edge> + Clone) -> Self {
        // The root of a component is its smallest row.
        let mut parent: Vec<u32> = (0..rows as u32).collect();
        for edge in edges.clone() {
            let (l, r) = (root(&mut parent, edge.l), root(&mut parent, edge.r));
            parent[l.max(r) as usize] = l.min(r);
        }
        // No row is above its parent, so that each finds its root at one step.
        for row in 0..rows {
            parent[row] = parent[parent[row] as usize];
        }
        let mut counts = vec![[0u32; 2]; rows + 1];
        for edge in edges.clone() {
            counts[parent[edge.l as usize] as usize + 1][1] += 1;
        }
        for row in 0..rows as u32 {
            let root = parent[row as usize];
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
        // From here on a row's own count is where the next row, or edge, of its component goes.
        for row in 0..rows as u32 {
            let root = parent[row as usize] as usize;
            if counts[root][1] < counts[root + 1][1] {
                let place = &mut counts[root][0];
                own.rows[*place as usize] = row;
                own.places[row as usize] = *place;
                *place += 1;
            }
        }
        for edge in edges {
            let place = &mut counts[parent[edge.l as usize] as usize][1];
            own.edges[*place as usize] = edge;
            *place += 1;
        }
        own
    }
}

/// The root of a row; paths are halved on the way.
pub(super) fn root(parent: &mut [u32], mut row: u32) -> u32 {
    while parent[row as usize] != row {
        let above = parent[parent[row as usize] as usize];
        parent[row as usize] = above;
        row = above;
    }
    row
}
