//! PageRank (Brin, Page 1998) of customers who follow each other.
//!
//! Knows a weighted directed graph; refuses to know what its edges stand for.

use std::sync::Arc;

use arrow::array::{Array, StringArray};
use arrow::datatypes::DataType;

use super::prepare::{Input, decimal};
use super::{Column, Computation, Computed, Kind, Output, Setting, Settings};
use crate::error::Result;

const RANK: DataType = DataType::Decimal128(18, 12);

/// Iteration ends when all ranks together change less than this.
const TOLERANCE: f64 = 1e-14;
const MOST_ITERATIONS: usize = 2000;

pub(super) const COMPUTATION: Computation = Computation {
    name: "pagerank",
    summary: "The PageRank of each node of a directed graph: how often one stands there who follows \
              edges, each as often as its weight says, and at times begins anew at any node. The rank \
              of a node without edges away goes to all alike. Ranks add up to 1.",
    input: &[
        Column {
            name: "golden_id",
            kind: Kind::Text,
            required: true,
            meaning: "Where an edge begins.",
        },
        Column {
            name: "other_golden_id",
            kind: Kind::Text,
            required: false,
            meaning: "Where it ends; null names a node and no edge.",
        },
        Column {
            name: "weight",
            kind: Kind::Number,
            required: false,
            meaning: "Its weight, above 0; null is 1.",
        },
    ],
    features: None,
    key: &["golden_id", "other_golden_id"],
    settings: &[Setting {
        name: "damping",
        default: 0.85,
        least: 0.0,
        most: 0.99,
        whole: false,
        meaning: "Probability to follow an edge and not to begin anew.",
    }],
    output: &[
        Output {
            name: "golden_id",
            data_type: DataType::Utf8,
            nullable: false,
            meaning: "The node.",
        },
        Output { name: "pagerank", data_type: RANK, nullable: false, meaning: "Its PageRank." },
    ],
    compute,
};

fn compute(input: &Input, settings: &Settings) -> Result<Computed> {
    let (from, to) = (input.text("golden_id")?, input.text("other_golden_id")?);
    let weights = input.number("weight")?;
    if weights.iter().flatten().any(|weight| weight <= 0.0) {
        return Err(input.refuse("`weight` is above 0"));
    }
    let mut nodes: Vec<&str> = from.iter().chain(to).flatten().collect();
    nodes.sort_unstable();
    nodes.dedup();
    let place = |name: &str| nodes.binary_search(&name).ok();
    let edges: Vec<Edge> = (0..from.len())
        .filter(|row| to.is_valid(*row))
        .filter_map(|row| {
            let weight = if weights.is_valid(row) { weights.value(row) } else { 1.0 };
            Some(Edge { from: place(from.value(row))?, to: place(to.value(row))?, weight })
        })
        .collect();
    let ranks = pagerank(nodes.len(), &edges, settings.number("damping")?);
    let rows = COMPUTATION.batch(vec![
        Arc::new(StringArray::from_iter_values(&nodes)),
        decimal(ranks.into_iter().map(Some), &RANK)?,
    ])?;
    Ok(Computed {
        rows,
        findings: vec![("nodes", nodes.len() as f64), ("edges", edges.len() as f64)],
        warnings: Vec::new(),
    })
}

/// An edge between two places of a list of nodes.
#[derive(Debug, Clone, Copy)]
struct Edge {
    from: usize,
    to: usize,
    weight: f64,
}

/// The rank of each node, by power iteration; sums are taken in the order of edges and nodes.
fn pagerank(nodes: usize, edges: &[Edge], damping: f64) -> Vec<f64> {
    let mut away = vec![0.0; nodes];
    for edge in edges {
        away[edge.from] += edge.weight;
    }
    let share = 1.0 / nodes as f64;
    let mut ranks = vec![share; nodes];
    for _ in 0..MOST_ITERATIONS {
        let stuck: f64 =
            ranks.iter().zip(&away).filter(|(_, away)| **away == 0.0).map(|(rank, _)| rank).sum();
        let mut next = vec![(1.0 - damping + damping * stuck) * share; nodes];
        for edge in edges {
            next[edge.to] += damping * ranks[edge.from] * edge.weight / away[edge.from];
        }
        let change: f64 = next.iter().zip(&ranks).map(|(new, old)| (new - old).abs()).sum();
        ranks = next;
        if change < TOLERANCE {
            break;
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch};
    use arrow::datatypes::Decimal128Type;
    use indexmap::IndexMap;

    use super::*;

    fn read<T: serde::de::DeserializeOwned>(file: &str) -> Vec<T> {
        let path = format!("{}/fixtures/profile/{file}", env!("CARGO_MANIFEST_DIR"));
        csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect()
    }

    /// `fixtures/profile/README.md` says how networkx made them.
    #[test]
    fn ranks_are_those_of_networkx() {
        let edges: Vec<(usize, usize, f64)> = read("pagerank_edges.csv");
        let edges: Vec<Edge> =
            edges.into_iter().map(|(from, to, weight)| Edge { from, to, weight }).collect();
        let known: Vec<(usize, f64, f64)> = read("pagerank_ranks.csv");
        assert!(known.len() > 100);
        for (damping, by_85) in [(0.85, true), (0.5, false)] {
            let ranks = pagerank(known.len(), &edges, damping);
            for (node, at_85, at_50) in &known {
                let rank = if by_85 { at_85 } else { at_50 };
                assert!((ranks[*node] - rank).abs() < 1e-9, "{node}: {}", ranks[*node]);
            }
            assert!((ranks.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn nodes_without_edges_are_ranked_and_weights_are_optional() {
        let rows = RecordBatch::try_from_iter_with_nullable([
            (
                "golden_id",
                Arc::new(StringArray::from_iter_values(["a", "b", "d"])) as ArrayRef,
                false,
            ),
            (
                "other_golden_id",
                Arc::new(StringArray::from(vec![Some("c"), Some("c"), None])),
                true,
            ),
            ("weight", Arc::new(Float64Array::from(vec![None, Some(2.0), None])), true),
        ])
        .unwrap();
        let settings = COMPUTATION.settings(&IndexMap::new(), "a test").unwrap();
        let computed = COMPUTATION.run(&rows, &settings, "a test").unwrap();
        let names: Vec<_> = computed.rows.column(0).as_string::<i32>().iter().flatten().collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        let ranks = computed.rows.column(1).as_primitive::<Decimal128Type>();
        assert_eq!(ranks.value(0), ranks.value(3));
        assert!(ranks.value(2) > 2 * ranks.value(0));
    }

    #[test]
    fn no_nodes_have_no_ranks() {
        assert!(pagerank(0, &[], 0.85).is_empty());
    }
}
