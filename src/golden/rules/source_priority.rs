//! `source_priority`: the value of the most trusted source.

use super::Rule;

pub(super) const RULE: Rule = Rule {
    name: "source_priority",
    summary: "The value of the source named first in `golden.source_priority`.",
    fewest: 2,
    won: "highest source priority",
    measure: |candidates, measures| {
        let rank = |row: &u32| -i64::from(candidates.source_rank[*row as usize]);
        measures.extend(candidates.rows.iter().map(rank));
    },
    lost: |_, _, _| "lower source priority".into(),
};
