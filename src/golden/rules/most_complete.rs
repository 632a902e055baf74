//! `most_complete`: the record that knows most of a group, such as a whole address.

use super::Rule;

pub(super) const RULE: Rule = Rule {
    name: "most_complete",
    summary: "The record in which most attributes of the group are known.",
    fewest: 2,
    won: "most complete",
    measure: |candidates, measures| {
        measures.extend(candidates.rows.iter().map(|&row| candidates.known(row)));
    },
    lost: |winner, loser, _| format!("less complete ({loser} of {winner})").into(),
};
