//! `longest`: the fullest spelling. Knows text only; other types are all of one length.

use super::{Candidates, Rule};

pub(super) const RULE: Rule = Rule {
    name: "longest",
    summary: "The value with the most characters: `Mohamed Abdel Rahman` before `M. Rahman`.",
    fewest: 2,
    won: "longest",
    measure,
    lost: |_, _, _| "shorter".into(),
};

/// Characters, not bytes: a name must not win for being written in Arabic.
fn measure(candidates: &Candidates<'_>, measures: &mut Vec<i64>) {
    let length = |row: u32| -> i64 {
        let texts = candidates.columns.iter().filter_map(|column| column.text(row));
        texts.map(|text| text.chars().count() as i64).sum()
    };
    measures.extend(candidates.rows.iter().map(|&row| length(row)));
}
