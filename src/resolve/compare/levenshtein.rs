//! Edit similarity of two texts.

use super::{Comparator, ComparisonKind, as_is, threshold_level};
use crate::resolve::columns::Tuples;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "levenshtein",
    description: "1 less edits over the longer length, an edit being an insertion, a deletion, a \
        substitution or a swap of neighbours (optimal string alignment): for codes and longer texts.",
    columns: &["text"],
    levels: &["exact", "edit_similarity >= {}", "else"],
    thresholds: &[0.85, 0.7],
    normalise: as_is,
    build,
};

struct Levenshtein {
    texts: Vec<String>,
    thresholds: Vec<f64>,
}

fn build(tuples: &Tuples, thresholds: &[f64]) -> Box<dyn Comparator> {
    let texts = (0..tuples.len() as u32).map(|c| tuples.part(c, 0).unwrap_or_default().to_owned());
    Box::new(Levenshtein { texts: texts.collect(), thresholds: thresholds.to_vec() })
}

impl Comparator for Levenshtein {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let similarity =
            similarity::edit_similarity(&self.texts[l as usize], &self.texts[r as usize]);
        threshold_level(similarity, &self.thresholds, 2)
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

    #[test]
    fn a_swap_of_neighbours_is_one_edit() {
        assert_eq!(level("levenshtein", &["12345678"], &["12354678"]), "edit_similarity >= 0.85");
        assert_eq!(level("levenshtein", &["12345678"], &["12354687"]), "edit_similarity >= 0.7");
        assert_eq!(level("levenshtein", &["12345678"], &["87654321"]), "else");
    }
}
