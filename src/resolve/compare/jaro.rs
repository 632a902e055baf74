//! Jaro similarity of two short texts.

use super::{Comparator, ComparisonKind, as_is, threshold_level};
use crate::resolve::columns::Tuples;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "jaro",
    description: "Jaro similarity: for short texts whose beginning is as often wrong as their end.",
    columns: &["text"],
    levels: &["exact", "jaro >= {}", "else"],
    thresholds: &[0.9, 0.7],
    normalise: as_is,
    build,
};

struct Jaro {
    texts: Vec<String>,
    thresholds: Vec<f64>,
}

fn build(tuples: &Tuples, thresholds: &[f64]) -> Box<dyn Comparator> {
    let texts = (0..tuples.len() as u32).map(|c| tuples.part(c, 0).unwrap_or_default().to_owned());
    Box::new(Jaro { texts: texts.collect(), thresholds: thresholds.to_vec() })
}

impl Comparator for Jaro {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let (l, r) = (&self.texts[l as usize], &self.texts[r as usize]);
        threshold_level(similarity::jaro(l, r), &self.thresholds, 2)
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

    #[test]
    fn the_beginning_weighs_no_more_than_the_end() {
        let cases = [
            ("martha", "martha", "exact"),
            ("martha", "marhta", "jaro >= 0.9"),
            ("dixon", "dicksonx", "jaro >= 0.7"),
            ("martha", "colin", "else"),
            ("martha", "", "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("jaro", &[l], &[r]), expected, "{l} {r}");
        }
    }
}
