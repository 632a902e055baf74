//! `most_recent`: the value of the record that changed last.

use super::{Candidates, Rule};

pub(super) const RULE: Rule = Rule {
    name: "most_recent",
    summary: "The value of the record that changed last, by `updated_at`.",
    won: "most recent",
    measure: |candidates: &Candidates<'_>| {
        candidates.rows.iter().map(|&row| candidates.recency[row as usize]).collect()
    },
    lost: |_, _, _| "older".into(),
};
