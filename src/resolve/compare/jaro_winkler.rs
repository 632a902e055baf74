//! Jaro-Winkler similarity of two short texts.

use std::sync::Arc;

use super::{Comparator, ComparisonKind, as_is, threshold_level};
use crate::resolve::columns::Tuples;
use crate::resolve::similarity::{self, Sketch};

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
    texts: Arc<Tuples>,
    sketches: Vec<Sketch>,
    /// The least threshold, a little under it.
    least: f32,
    thresholds: Vec<f64>,
}

fn build(tuples: &Arc<Tuples>, thresholds: &[f64]) -> Box<dyn Comparator> {
    let values = tuples.values(0);
    Box::new(JaroWinkler {
        sketches: (0..values.len() as u32).map(|code| Sketch::new(values.get(code))).collect(),
        least: thresholds.last().map_or(0.0, |least| *least as f32 - 1e-6),
        texts: Arc::clone(tuples),
        thresholds: thresholds.to_vec(),
    })
}

impl Comparator for JaroWinkler {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        if self.sketches[l as usize].surely_under(&self.sketches[r as usize], self.least) {
            return 2 + self.thresholds.len() as u8;
        }
        let texts = self.texts.values(0);
        let similarity = similarity::jaro_winkler(texts.get(l), texts.get(r));
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
