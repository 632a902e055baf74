//! Words that two texts share, by the angle between them.

use super::tokens::token_sets;
use super::{Comparator, ComparisonKind, threshold_level};
use crate::resolve::columns::Tuples;
use crate::resolve::fold;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "cosine",
    description: "Words shared over the geometric mean of both texts' words (cosine), after folding: kinder than \
        `tokens` where one text is longer.",
    columns: &["text"],
    levels: &["exact", "cosine >= {}", "else"],
    thresholds: &[0.85, 0.7, 0.5],
    normalise: |_, text| fold::text_fold(text),
    build,
};

struct Cosine {
    sets: Vec<Vec<u32>>,
    thresholds: Vec<f64>,
}

fn build(tuples: &Tuples, thresholds: &[f64]) -> Box<dyn Comparator> {
    Box::new(Cosine { sets: token_sets(tuples.values(0)), thresholds: thresholds.to_vec() })
}

impl Comparator for Cosine {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let similarity = similarity::cosine(&self.sets[l as usize], &self.sets[r as usize]);
        threshold_level(similarity, &self.thresholds, 2)
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

    #[test]
    fn order_and_case_do_not_matter_and_length_less() {
        let cases = [
            ("Blue Nile Ltd", "blue  nile LTD", "exact"),
            ("Blue Nile Ltd", "ltd blue nile", "cosine >= 0.85"),
            ("Blue Nile Ltd", "Blue Nile", "cosine >= 0.7"),
            ("Blue Nile Trading Company", "Nile", "cosine >= 0.5"),
            ("Blue Nile", "Red Sea", "else"),
            ("Blue Nile", "---", "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("cosine", &[l], &[r]), expected, "{l} {r}");
        }
    }
}
