//! `most_complete`: the record that knows most of a group, such as a whole address.

use super::{Candidates, Rule};

pub(super) const RULE: Rule = Rule {
    name: "most_complete",
    summary: "The record in which most attributes of the group are known.",
    won: "most complete",
    measure: |candidates: &Candidates<'_>| {
        candidates.rows.iter().map(|&row| candidates.known(row)).collect()
    },
    lost: |winner, loser, _| format!("less complete ({loser} of {winner})").into(),
};
