//! `most_frequent`: the value that most of the customer's records hold.

use super::{Candidates, Rule};

pub(super) const RULE: Rule = Rule {
    name: "most_frequent",
    summary: "The value that most records hold; a group counts as one value.",
    won: "most frequent",
    measure,
    lost: |_, loser, candidates| format!("less frequent ({loser} of {candidates})").into(),
};

/// Sorts rather than hashes: any column type has an order, and a customer has few records.
fn measure(candidates: &Candidates<'_>) -> Vec<i64> {
    let mut order: Vec<usize> = (0..candidates.rows.len()).collect();
    order.sort_by(|&l, &r| candidates.order(candidates.rows[l], candidates.rows[r]));
    let mut counts = vec![0; order.len()];
    for equal in order.chunk_by(|&l, &r| candidates.same(candidates.rows[l], candidates.rows[r])) {
        for &position in equal {
            counts[position] = equal.len() as i64;
        }
    }
    counts
}
