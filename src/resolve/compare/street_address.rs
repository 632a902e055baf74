//! Two street addresses in one line each, by number, street and unit.

use std::sync::Arc;

use super::{Comparator, ComparisonKind};
use crate::resolve::columns::Tuples;
use crate::resolve::fold::{self, Address};
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "street_address",
    description: "Street addresses in one line, taken apart: number, words of the street, flat or floor; `address` \
        compares street, city and postcode.",
    columns: &["street_address"],
    levels: &[
        "exact",
        "same number, street and unit",
        "same number and street",
        "same number, similar street",
        "same street",
        "similar street",
        "else",
    ],
    thresholds: &[],
    normalise: |_, text| fold::text_fold(text).map(|_| text.trim().to_lowercase().into()),
    build,
};

/// Words shared over all words, from which two streets are similar.
const SIMILAR: f64 = 0.5;

struct Line {
    folded: String,
    parts: Address,
    /// The street's words, as sorted codes.
    words: Vec<u32>,
}

struct Lines {
    lines: Vec<Line>,
}

fn build(tuples: &Arc<Tuples>, _: &[f64]) -> Box<dyn Comparator> {
    let mut known: rustc_hash::FxHashMap<String, u32> = rustc_hash::FxHashMap::default();
    let lines = (0..tuples.len() as u32)
        .map(|code| {
            let text = tuples.part(code, 0).unwrap_or_default();
            let parts = Address::parse(text).unwrap_or_default();
            let street = parts.street.as_deref().unwrap_or_default().split_whitespace();
            let mut words: Vec<u32> = street
                .map(|word| {
                    let next = known.len() as u32;
                    *known.entry(word.to_owned()).or_insert(next)
                })
                .collect();
            words.sort_unstable();
            words.dedup();
            let folded = fold::text_fold(text).unwrap_or_default().into_owned();
            Line { folded, parts, words }
        })
        .collect();
    Box::new(Lines { lines })
}

/// Whether both are known and equal.
fn same(l: Option<&String>, r: Option<&String>) -> bool {
    l.is_some() && l == r
}

fn similar(l: &Line, r: &Line) -> bool {
    let (Some(left), Some(right)) = (&l.parts.street, &r.parts.street) else { return false };
    similarity::jaccard(&l.words, &r.words) >= SIMILAR
        || similarity::jaro_winkler(left, right) >= 0.92
}

impl Comparator for Lines {
    fn level(&self, l: u32, r: u32) -> u8 {
        let (l, r) = (&self.lines[l as usize], &self.lines[r as usize]);
        if l.folded == r.folded {
            return 1;
        }
        let street = same(l.parts.street.as_ref(), r.parts.street.as_ref());
        let number = same(l.parts.number.as_ref(), r.parts.number.as_ref());
        match (number, street) {
            (true, true) if l.parts.unit == r.parts.unit => 2,
            (true, true) => 3,
            (true, false) if similar(l, r) => 4,
            (false, true) => 5,
            (false, false) if similar(l, r) => 6,
            _ => 7,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

    #[test]
    fn number_street_and_unit_are_looked_at_apart() {
        let home = "12 Main St Apt 4";
        let cases = [
            ("12, MAIN st. apt 4", "exact"),
            ("12 Main Street, apartment 4", "same number, street and unit"),
            ("12 Main Street #4", "same number, street and unit"),
            ("12 Main Street", "same number and street"),
            ("12 Main Street, flat 7", "same number and street"),
            ("12 Maine Street", "same number, similar street"),
            ("14 Main Street", "same street"),
            ("Main Street", "same street"),
            ("14 Main Street West", "similar street"),
            ("12 Mill Lane", "else"),
            ("--", "missing"),
        ];
        for (other, expected) in cases {
            assert_eq!(level("street_address", &[home], &[other]), expected, "{other}");
        }
    }
}
