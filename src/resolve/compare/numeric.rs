//! Two numbers, by their relative distance.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Comparator, ComparisonKind, threshold_level};
use crate::resolve::columns::Tuples;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "numeric",
    description: "1 less the distance of two numbers over the larger magnitude, so that 0.99 is a difference of one \
        per cent: for amounts and sizes.",
    columns: &["number"],
    levels: &["exact", "nearness >= {}", "else"],
    thresholds: &[0.99, 0.9],
    normalise,
    build,
};

pub(super) fn normalise(_: usize, text: &str) -> Option<Cow<'_, str>> {
    // Negative zero is zero, and what is no number says nothing.
    let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite())? + 0.0;
    Some(number.to_string().into())
}

struct Numeric {
    numbers: Vec<f64>,
    thresholds: Vec<f64>,
}

/// The number of each distinct value.
pub(super) fn numbers(tuples: &Tuples) -> Vec<f64> {
    let number = |code| tuples.part(code, 0).and_then(|text| text.parse().ok()).unwrap_or(0.0);
    (0..tuples.len() as u32).map(number).collect()
}

fn build(tuples: &Arc<Tuples>, thresholds: &[f64]) -> Box<dyn Comparator> {
    Box::new(Numeric { numbers: numbers(tuples), thresholds: thresholds.to_vec() })
}

impl Comparator for Numeric {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let (l, r) = (self.numbers[l as usize], self.numbers[r as usize]);
        threshold_level(1.0 - (l - r).abs() / l.abs().max(r.abs()), &self.thresholds, 2)
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

    #[test]
    fn nearness_is_relative_and_text_says_nothing() {
        assert_eq!(level("numeric", &["100"], &["100.0"]), "exact");
        assert_eq!(level("numeric", &["100"], &["99.5"]), "nearness >= 0.99");
        assert_eq!(level("numeric", &["1000"], &["950"]), "nearness >= 0.9");
        assert_eq!(level("numeric", &["1"], &["-1"]), "else");
        assert_eq!(level("numeric", &["1"], &["one"]), "missing");
    }
}
