//! `source_priority`: the value of the most trusted source.

use super::{Candidates, Rule};

pub(super) const RULE: Rule = Rule {
    name: "source_priority",
    summary: "The value of the source named first in `golden.source_priority`.",
    won: "highest source priority",
    measure: |candidates: &Candidates<'_>| {
        candidates
            .rows
            .iter()
            .map(|&row| -i64::from(candidates.source_rank[row as usize]))
            .collect()
    },
    lost: |_, _, _| "lower source priority".into(),
};
