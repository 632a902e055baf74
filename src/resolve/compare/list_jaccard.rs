//! Two lists, by the share of elements that are in both.

use super::list_overlap::{element_sets, elements};
use super::{Comparator, ComparisonKind, threshold_level};
use crate::resolve::columns::Tuples;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "list_jaccard",
    description: "Elements that two lists share over all their elements (Jaccard): where lists are long, as of \
        products or keywords.",
    columns: &["list"],
    levels: &["same elements", "jaccard >= {}", "else"],
    thresholds: &[0.75, 0.5, 0.25],
    normalise: |_, text| elements(text),
    build,
};

struct Lists {
    sets: Vec<Vec<u32>>,
    thresholds: Vec<f64>,
}

fn build(tuples: &Tuples, thresholds: &[f64]) -> Box<dyn Comparator> {
    Box::new(Lists { sets: element_sets(tuples), thresholds: thresholds.to_vec() })
}

impl Comparator for Lists {
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
    fn the_share_counts() {
        let cases = [
            ("a\u{1f}b\u{1f}c", "c\u{1f}b\u{1f}a", "same elements"),
            ("a\u{1f}b\u{1f}c\u{1f}d", "a\u{1f}b\u{1f}c", "jaccard >= 0.75"),
            ("a\u{1f}b", "b\u{1f}a\u{1f}c\u{1f}d", "jaccard >= 0.5"),
            ("a\u{1f}b", "b\u{1f}d", "jaccard >= 0.25"),
            ("a", "b", "else"),
            ("a", "", "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("list_jaccard", &[l], &[r]), expected, "{l} {r}");
        }
    }
}
