//! `expression`: whatever SQL over the record says. Knows only how values of it are ordered.

use super::Rule;

pub(super) const RULE: Rule = Rule {
    name: "expression",
    summary: "The value of the record for which the attribute's SQL `expression` is greatest; null is least.",
    fewest: 2,
    won: "highest by the expression",
    // Ranks among all records: values of any type that has an order.
    measure: |candidates, measures| {
        measures.extend(candidates.rows.iter().map(|&row| candidates.measure[row as usize]));
    },
    lost: |_, _, _| "lower by the expression".into(),
};
