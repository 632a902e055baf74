//! Two numbers, by their absolute distance.

use super::numeric::{normalise, numbers};
use super::{Comparator, ComparisonKind, distance_level};
use crate::resolve::columns::Tuples;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "numeric_difference",
    description: "The absolute difference of two numbers: for ages, years and counts; `numeric` is the difference in \
        per cent.",
    columns: &["number"],
    levels: &["exact", "difference <= {}", "else"],
    thresholds: &[1.0, 5.0],
    normalise,
    build,
};

struct Difference {
    numbers: Vec<f64>,
    thresholds: Vec<f64>,
}

fn build(tuples: &Tuples, thresholds: &[f64]) -> Box<dyn Comparator> {
    Box::new(Difference { numbers: numbers(tuples), thresholds: thresholds.to_vec() })
}

impl Comparator for Difference {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let difference = (self.numbers[l as usize] - self.numbers[r as usize]).abs();
        distance_level(difference, &self.thresholds, 2)
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::{level, level_at};

    #[test]
    fn the_difference_is_absolute() {
        let cases = [
            ("40", "40.0", "exact"),
            ("40", "41", "difference <= 1"),
            ("-2", "3", "difference <= 5"),
            ("40", "4000", "else"),
            ("40", "forty", "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("numeric_difference", &[l], &[r]), expected, "{l} {r}");
        }
        let wide = level_at("numeric_difference", &[5000.0.into()], &["40"], &["4000"]);
        assert_eq!(wide, "difference <= 5000");
    }
}
