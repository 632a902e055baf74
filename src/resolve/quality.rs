//! How well a cluster holds together.
//!
//! Knows clusters and the pairs that were decided within them; refuses to know golden ids. Nothing
//! is summed in floats whose order could vary: probabilities are summed as multiples of 2^-32.

use super::model::{Weight, float};

/// How well a cluster of two records or more holds together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusterQuality {
    /// The cluster.
    pub cluster: u32,
    /// Its records.
    pub members: u32,
    /// The mean match probability over all pairs of its records, 0 to 1: a pair that a rule or a
    /// steward merged counts 1, one that was not compared or is below review counts 0.
    pub cohesion: f64,
    /// The match weight of the weakest pair that was needed to join it: the weakest edge of its
    /// maximum spanning tree.
    pub weakest_link: f64,
    /// Whether one merged pair alone joins two parts of it; always so of two records.
    pub bridge: bool,
}

/// A decided pair, as quality sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decided {
    /// One row.
    pub(crate) l: u32,
    /// The other.
    pub(crate) r: u32,
    /// Its match weight.
    pub(crate) weight: Weight,
    /// Its match probability; 1 where a rule or a steward merged it.
    pub(crate) probability: f64,
    /// Whether it was merged.
    pub(crate) merged: bool,
}

/// One, for sums of probabilities.
const ONE: f64 = (1u64 << 32) as f64;

/// The quality of each cluster of two rows or more, in order of clusters. `joined` are the pairs
/// that made the clusters; `decided` is sorted by rows.
pub(crate) fn quality(
    of_row: &[u32],
    joined: &[(u32, u32)],
    decided: &[Decided],
) -> Vec<ClusterQuality> {
    let clusters = of_row.iter().max().map_or(0, |last| *last as usize + 1);
    let mut members = vec![0u32; clusters];
    for cluster in of_row {
        members[*cluster as usize] += 1;
    }
    let mut sums = vec![0u64; clusters];
    let within: Vec<&Decided> =
        decided.iter().filter(|own| of_row[own.l as usize] == of_row[own.r as usize]).collect();
    for own in &within {
        sums[of_row[own.l as usize] as usize] += (own.probability * ONE).round() as u64;
    }
    let mut weakest = vec![Weight::MAX; clusters];
    for (l, r) in joined {
        let place = decided.binary_search_by_key(&(*l, *r), |own| (own.l, own.r));
        if let Ok(place) = place {
            let least = &mut weakest[of_row[*l as usize] as usize];
            *least = (*least).min(decided[place].weight);
        }
    }
    let merged: Vec<(u32, u32)> =
        within.iter().filter(|own| own.merged).map(|own| (own.l, own.r)).collect();
    let mut bridged = vec![false; clusters];
    for row in bridges(of_row.len(), &merged) {
        bridged[of_row[row as usize] as usize] = true;
    }
    (0..clusters)
        .filter(|cluster| members[*cluster] > 1)
        .map(|cluster| {
            let size = f64::from(members[cluster]);
            ClusterQuality {
                cluster: cluster as u32,
                members: members[cluster],
                cohesion: sums[cluster] as f64 / ONE / (size * (size - 1.0) / 2.0),
                weakest_link: float(weakest[cluster]),
                bridge: bridged[cluster],
            }
        })
        .collect()
}

/// A row beside each edge without which its graph would fall apart (Tarjan 1974), found by a walk
/// that keeps its own stack.
fn bridges(rows: usize, edges: &[(u32, u32)]) -> Vec<u32> {
    let mut starts = vec![0usize; rows + 1];
    for (l, r) in edges {
        starts[*l as usize + 1] += 1;
        starts[*r as usize + 1] += 1;
    }
    for row in 0..rows {
        starts[row + 1] += starts[row];
    }
    let mut next = starts.clone();
    let mut neighbours = vec![(0u32, 0u32); edges.len() * 2];
    for (edge, (l, r)) in edges.iter().enumerate() {
        for (from, to) in [(*l, *r), (*r, *l)] {
            neighbours[next[from as usize]] = (to, edge as u32);
            next[from as usize] += 1;
        }
    }
    let mut seen = vec![u32::MAX; rows];
    let mut low = vec![u32::MAX; rows];
    let mut place = starts.clone();
    let (mut clock, mut found) = (0, Vec::new());
    for first in 0..rows {
        if seen[first] != u32::MAX || starts[first] == starts[first + 1] {
            continue;
        }
        let mut stack = vec![(first as u32, u32::MAX)];
        (seen[first], low[first]) = (clock, clock);
        clock += 1;
        while let Some((row, by)) = stack.last().copied() {
            let own = row as usize;
            if place[own] < starts[own + 1] {
                let (to, edge) = neighbours[place[own]];
                place[own] += 1;
                if edge == by {
                    continue;
                }
                if seen[to as usize] == u32::MAX {
                    (seen[to as usize], low[to as usize]) = (clock, clock);
                    clock += 1;
                    stack.push((to, edge));
                } else {
                    low[own] = low[own].min(seen[to as usize]);
                }
                continue;
            }
            stack.pop();
            if let Some((above, _)) = stack.last() {
                let above = *above as usize;
                low[above] = low[above].min(low[own]);
                if low[own] > seen[above] {
                    found.push(row);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::resolve::model::fixed;

    fn parts(rows: usize, edges: &[(u32, u32)]) -> usize {
        let mut root: Vec<usize> = (0..rows).collect();
        for _ in 0..rows {
            for (l, r) in edges {
                let least = root[*l as usize].min(root[*r as usize]);
                (root[*l as usize], root[*r as usize]) = (least, least);
            }
        }
        (0..rows).filter(|row| root[*row] == *row).count()
    }

    proptest! {
        /// The oracle takes each edge away and counts the parts that are left.
        #[test]
        fn as_many_bridges_as_edges_without_which_a_part_falls_apart(
            pairs in prop::collection::btree_set((0u32..9, 0u32..9), 0..14),
        ) {
            let edges: Vec<(u32, u32)> = pairs.into_iter().filter(|(l, r)| l < r).collect();
            let whole = parts(9, &edges);
            let expected = (0..edges.len()).filter(|place| {
                let mut left = edges.clone();
                left.remove(*place);
                parts(9, &left) > whole
            }).count();
            prop_assert_eq!(bridges(9, &edges).len(), expected);
        }
    }

    #[test]
    fn a_triangle_with_a_tail_is_a_bridge_and_less_than_whole() {
        let pair = |l, r, bits: f64, probability| Decided {
            l,
            r,
            weight: fixed(bits),
            probability,
            merged: true,
        };
        let decided = [
            pair(0, 1, 9.0, 1.0),
            pair(0, 2, 8.0, 1.0),
            pair(1, 2, 7.0, 1.0),
            pair(2, 3, 2.0, 0.8),
        ];
        let joined = [(0, 1), (0, 2), (2, 3)];
        let found = quality(&[0, 0, 0, 0, 1], &joined, &decided);
        assert_eq!(found.len(), 1, "a single record has no quality");
        assert_eq!((found[0].members, found[0].weakest_link, found[0].bridge), (4, 2.0, true));
        assert!((found[0].cohesion - 3.8 / 6.0).abs() < 1e-9);
        let whole = quality(&[0, 0, 0], &joined[..2], &decided[..3]);
        assert_eq!((whole[0].cohesion, whole[0].bridge), (1.0, false));
    }
}
