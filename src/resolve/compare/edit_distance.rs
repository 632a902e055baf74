//! Edits between two texts, counted.

use super::{Comparator, ComparisonKind, as_is, distance_level};
use crate::resolve::columns::Tuples;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "edit_distance",
    description: "Levenshtein distance, a count of insertions, deletions and substitutions: for codes and short texts; `levenshtein` is the same by length, with swaps.",
    columns: &["text"],
    levels: &["exact", "levenshtein <= {}", "else"],
    thresholds: &[1.0, 2.0],
    normalise: as_is,
    build,
};

struct EditDistance {
    texts: Vec<String>,
    thresholds: Vec<f64>,
}

fn build(tuples: &Tuples, thresholds: &[f64]) -> Box<dyn Comparator> {
    let texts = (0..tuples.len() as u32).map(|c| tuples.part(c, 0).unwrap_or_default().to_owned());
    Box::new(EditDistance { texts: texts.collect(), thresholds: thresholds.to_vec() })
}

impl Comparator for EditDistance {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let (l, r) = (&self.texts[l as usize], &self.texts[r as usize]);
        distance_level(similarity::levenshtein(l, r) as f64, &self.thresholds, 2)
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::{level, level_at};

    #[test]
    fn edits_are_counted_and_a_swap_is_two() {
        let cases = [
            ("smith", "smith", "exact"),
            ("smith", "smyth", "levenshtein <= 1"),
            ("smith", "smiht", "levenshtein <= 2"),
            ("smith", "schmidt", "else"),
            ("smith", "", "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("edit_distance", &[l], &[r]), expected, "{l} {r}");
        }
        let five = level_at("edit_distance", &[5.0.into()], &["smith"], &["schmidt"]);
        assert_eq!(five, "levenshtein <= 5");
    }
}
