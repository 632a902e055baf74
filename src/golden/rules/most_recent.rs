//! `most_recent`: the value of the record that changed last.

use super::Rule;

pub(super) const RULE: Rule = Rule {
    name: "most_recent",
    summary: "The value of the record that changed last, by `updated_at`.",
    fewest: 2,
    won: "most recent",
    measure: |candidates, measures| {
        measures.extend(candidates.rows.iter().map(|&row| candidates.recency[row as usize]));
    },
    lost: |_, _, _| "older".into(),
};
