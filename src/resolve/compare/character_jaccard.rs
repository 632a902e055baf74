//! Letters that two texts share.

use super::{Comparator, ComparisonKind, as_is, threshold_level};
use crate::resolve::columns::Tuples;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "character_jaccard",
    description: "Different characters shared over all different characters (Jaccard): what DuckDB's jaccard \
        measures. For words, `tokens`.",
    columns: &["text"],
    levels: &["exact", "jaccard >= {}", "else"],
    thresholds: &[0.9, 0.7],
    normalise: as_is,
    build,
};

struct Letters {
    sets: Vec<Vec<u32>>,
    thresholds: Vec<f64>,
}

fn build(tuples: &Tuples, thresholds: &[f64]) -> Box<dyn Comparator> {
    let set = |code| similarity::letters(tuples.part(code, 0).unwrap_or_default());
    Box::new(Letters {
        sets: (0..tuples.len() as u32).map(set).collect(),
        thresholds: thresholds.to_vec(),
    })
}

impl Comparator for Letters {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let similarity = similarity::jaccard(&self.sets[l as usize], &self.sets[r as usize]);
        threshold_level(similarity, &self.thresholds, 2)
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

    #[test]
    fn letters_are_counted_once_whatever_their_order() {
        let cases = [
            ("duck", "duck", "exact"),
            ("duck", "dduckk", "jaccard >= 0.9"),
            ("duck", "kcud", "jaccard >= 0.9"),
            ("duckling", "ducking", "jaccard >= 0.7"),
            ("duck", "luck", "else"),
            ("duck", " ", "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("character_jaccard", &[l], &[r]), expected, "{l} {r}");
        }
    }
}
