//! Words that two texts share.

use rustc_hash::FxHashMap;

use super::{Comparator, ComparisonKind, threshold_level};
use crate::resolve::columns::{Tuples, Values};
use crate::resolve::fold;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "tokens",
    description: "Words shared over all words (Jaccard), after folding: for names of organisations and products.",
    columns: &["text"],
    levels: &["exact", "jaccard >= {}", "else"],
    thresholds: &[0.75, 0.5, 0.3],
    normalise: |_, text| fold::text_fold(text),
    build,
};

/// The words of each distinct value, as sorted sets of codes.
pub(super) fn token_sets(values: &Values) -> Vec<Vec<u32>> {
    let mut known: FxHashMap<&str, u32> = FxHashMap::default();
    (0..values.len() as u32)
        .map(|code| {
            let words = values.get(code).split_whitespace();
            let mut set: Vec<u32> = words
                .map(|word| {
                    let size = known.len() as u32;
                    *known.entry(word).or_insert(size)
                })
                .collect();
            set.sort_unstable();
            set.dedup();
            set
        })
        .collect()
}

struct Tokens {
    sets: Vec<Vec<u32>>,
    thresholds: Vec<f64>,
}

fn build(tuples: &Tuples, thresholds: &[f64]) -> Box<dyn Comparator> {
    Box::new(Tokens { sets: token_sets(tuples.values(0)), thresholds: thresholds.to_vec() })
}

impl Comparator for Tokens {
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
    fn order_and_case_of_words_do_not_matter() {
        assert_eq!(level("tokens", &["Blue Nile Ltd"], &["blue nile LTD"]), "exact");
        assert_eq!(level("tokens", &["Blue Nile Ltd"], &["ltd blue nile"]), "jaccard >= 0.75");
        assert_eq!(level("tokens", &["Blue Nile Ltd"], &["Blue Nile"]), "jaccard >= 0.5");
        assert_eq!(level("tokens", &["Blue Nile"], &["Red Sea"]), "else");
    }
}
