//! Edits between two texts, swaps of neighbours among them, counted.

use super::{Comparator, ComparisonKind, as_is, distance_level};
use crate::resolve::columns::Tuples;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "damerau_levenshtein",
    description: "Damerau-Levenshtein distance, a count of insertions, deletions, substitutions and swaps of neighbours: for what is typed.",
    columns: &["text"],
    levels: &["exact", "damerau_levenshtein <= {}", "else"],
    thresholds: &[1.0, 2.0],
    normalise: as_is,
    build,
};

struct DamerauLevenshtein {
    texts: Vec<String>,
    thresholds: Vec<f64>,
}

fn build(tuples: &Tuples, thresholds: &[f64]) -> Box<dyn Comparator> {
    let texts = (0..tuples.len() as u32).map(|c| tuples.part(c, 0).unwrap_or_default().to_owned());
    Box::new(DamerauLevenshtein { texts: texts.collect(), thresholds: thresholds.to_vec() })
}

impl Comparator for DamerauLevenshtein {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let (l, r) = (&self.texts[l as usize], &self.texts[r as usize]);
        distance_level(similarity::damerau_levenshtein(l, r) as f64, &self.thresholds, 2)
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

    #[test]
    fn a_swap_is_one_edit_also_around_another() {
        let cases = [
            ("smith", "smith", "exact"),
            ("smith", "smiht", "damerau_levenshtein <= 1"),
            ("ca", "abc", "damerau_levenshtein <= 2"),
            ("smith", "schmidt", "else"),
            ("smith", "", "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("damerau_levenshtein", &[l], &[r]), expected, "{l} {r}");
        }
    }
}
