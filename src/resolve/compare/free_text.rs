//! Two long or dirty texts, by their words, of which a rare one says more than a common one.
//!
//! Cosine of words weighted by inverse document frequency (Spärck Jones 1972), a record being a
//! document; a word that is one edit from the other text's counts for nearly as much (soft TF-IDF:
//! Cohen, Ravikumar and Fienberg 2003).

use std::collections::BTreeMap;

use super::{Comparator, ComparisonKind, threshold_level};
use crate::resolve::columns::Tuples;
use crate::resolve::fold;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "free_text",
    description: "Long or dirty texts, as titles and descriptions: cosine of words, rare ones weighing more, a slip in \
        a long word forgiven.",
    columns: &["text"],
    levels: &["exact", "cosine >= {}", "else"],
    thresholds: &[0.9, 0.75, 0.5, 0.3],
    normalise: |_, text| fold::text_fold(text),
    build,
};

/// What a word counts for that is one edit from the other's.
const SLIP: f64 = 0.9;
/// Letters of a word from which a slip is told from another word.
const LONG: usize = 5;

struct Texts {
    /// The words of each text, as places among all words in alphabetical order, and their weights,
    /// whose squares sum to 1.
    texts: Vec<Vec<(u32, f64)>>,
    /// All words, in alphabetical order, so that sums do not depend on the order of records.
    words: Vec<String>,
    thresholds: Vec<f64>,
}

fn build(tuples: &Tuples, thresholds: &[f64]) -> Box<dyn Comparator> {
    let set = |code| {
        let mut words: Vec<&str> = tuples.part(code, 0).unwrap_or_default().split(' ').collect();
        words.sort_unstable();
        words.dedup();
        words
    };
    let mut documents: BTreeMap<&str, u32> = BTreeMap::new();
    for code in 0..tuples.len() as u32 {
        for word in set(code) {
            *documents.entry(word).or_default() += tuples.counts[code as usize];
        }
    }
    let all: u32 = tuples.counts.iter().sum();
    let weights: Vec<f64> = documents
        .values()
        .map(|held| (f64::from(all + 1) / f64::from(held + 1)).ln() + 1.0)
        .collect();
    let places: BTreeMap<&str, u32> =
        documents.keys().enumerate().map(|(place, word)| (*word, place as u32)).collect();
    let text = |code| {
        let own: Vec<(u32, f64)> = set(code)
            .into_iter()
            .map(|word| (places[word], weights[places[word] as usize]))
            .collect();
        let length = own.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
        own.into_iter().map(|(word, weight)| (word, weight / length)).collect()
    };
    Box::new(Texts {
        texts: (0..tuples.len() as u32).map(text).collect(),
        words: documents.keys().map(|word| (*word).to_owned()).collect(),
        thresholds: thresholds.to_vec(),
    })
}

impl Texts {
    fn similarity(&self, l: &[(u32, f64)], r: &[(u32, f64)]) -> f64 {
        let (mut left, mut right, mut sum) = (0, 0, 0.0);
        let (mut only_left, mut only_right) = (Vec::new(), Vec::new());
        while left < l.len() || right < r.len() {
            match (l.get(left), r.get(right)) {
                (Some(own), Some(other)) if own.0 == other.0 => {
                    sum += own.1 * other.1;
                    left += 1;
                    right += 1;
                }
                (Some(own), other) if other.is_none_or(|other| own.0 < other.0) => {
                    only_left.push(*own);
                    left += 1;
                }
                (_, Some(other)) => {
                    only_right.push(*other);
                    right += 1;
                }
                (_, None) => break,
            }
        }
        let long = |own: &(u32, f64)| self.words[own.0 as usize].chars().nth(LONG - 1).is_some();
        only_left.retain(long);
        only_right.retain(long);
        for (word, weight) in only_left {
            let slip = only_right.iter().position(|(other, _)| {
                similarity::one_edit(&self.words[word as usize], &self.words[*other as usize])
            });
            if let Some(slip) = slip {
                sum += SLIP * weight * only_right.remove(slip).1;
            }
        }
        sum
    }
}

impl Comparator for Texts {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let (l, r) = (&self.texts[l as usize], &self.texts[r as usize]);
        // In one order, so that slips pair off in the same way from both sides.
        let by_words = l.iter().map(|own| own.0).le(r.iter().map(|own| own.0));
        let (l, r) = if by_words { (l, r) } else { (r, l) };
        threshold_level(self.similarity(l, r), &self.thresholds, 2)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};

    use super::*;
    use crate::resolve::columns::Dictionary;
    use crate::resolve::compare::testing::level;

    #[test]
    fn word_order_case_and_slips_in_long_words_are_forgiven() {
        let title = "Adaptive query processing for streams";
        let cases = [
            ("adaptive QUERY processing, for streams!", "exact"),
            ("streams: for adaptive query processing", "cosine >= 0.9"),
            ("Adaptive querry procesing for streams", "cosine >= 0.9"),
            ("Adaptive query processing streams", "cosine >= 0.75"),
            ("Adaptive query optimisation for databases", "cosine >= 0.3"),
            ("Adaptive control of robots in space", "else"),
            ("...", "missing"),
        ];
        for (other, expected) in cases {
            assert_eq!(level("free_text", &[title], &[other]), expected, "{other}");
        }
    }

    #[test]
    fn a_rare_word_says_more_than_common_ones() {
        let texts = [
            "the art of birds",
            "the art of fishing",
            "the art of cooking",
            "the art of war",
            "the art of rain",
            "birds in flight",
            "the art of stone",
        ];
        let array: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let tuples = Tuples::new(vec![Dictionary::plain(&array, "x").unwrap()]);
        let reaches = |threshold: f64, code| build(&tuples, &[threshold]).level(0, code) == 2;
        // Every word weighing the same, these would be 0.75 and 0.29.
        let best = |code| (0..=100).rev().find(|step| reaches(f64::from(*step) / 100.0, code));
        assert_eq!((best(1), best(5)), (Some(44), Some(35)));
    }
}
