//! Jaro-Winkler similarity of two short texts.

use super::{Comparator, ComparisonKind, as_is, threshold_level};
use crate::resolve::columns::Tuples;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "jaro_winkler",
    description: "Jaro-Winkler similarity: for short texts whose beginning is seldom wrong, as a name.",
    columns: &["text"],
    levels: &["exact", "jaro_winkler >= {}", "else"],
    thresholds: &[0.92, 0.8],
    normalise: as_is,
    build,
};

struct JaroWinkler {
    texts: Vec<String>,
    thresholds: Vec<f64>,
}

fn build(tuples: &Tuples, thresholds: &[f64]) -> Box<dyn Comparator> {
    let texts = (0..tuples.len() as u32).map(|c| tuples.part(c, 0).unwrap_or_default().to_owned());
    Box::new(JaroWinkler { texts: texts.collect(), thresholds: thresholds.to_vec() })
}

impl Comparator for JaroWinkler {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let similarity = similarity::jaro_winkler(&self.texts[l as usize], &self.texts[r as usize]);
        threshold_level(similarity, &self.thresholds, 2)
    }

    fn agreed(&self, level: u8) -> u8 {
        u8::from(level <= 2)
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

    #[test]
    fn levels_are_reached_in_order() {
        assert_eq!(level("jaro_winkler", &["martha"], &["martha"]), "exact");
        assert_eq!(level("jaro_winkler", &["martha"], &["marhta"]), "jaro_winkler >= 0.92");
        assert_eq!(level("jaro_winkler", &["dwayne"], &["duane"]), "jaro_winkler >= 0.8");
        assert_eq!(level("jaro_winkler", &["martha"], &["colin"]), "else");
    }
}
