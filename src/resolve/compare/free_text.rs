//! Two long or dirty texts, by their words, of which a rare one says more than a common one.
//!
//! Cosine of words weighted by inverse document frequency (Spärck Jones 1972), a record being a
//! document; a word that is one edit from the other text's counts for nearly as much (soft TF-IDF:
//! Cohen, Ravikumar and Fienberg 2003). No slip is forgiven in a digit: another number in a code is
//! another thing, where another letter may be its colour.
//!
//! Which words are one edit apart is found once, by what is left of each when a letter is taken away
//! (two words one edit apart have one of these in common), so that texts of hundreds of words do not
//! compare every word with every other.

use std::sync::Arc;

use std::collections::BTreeMap;
use std::hash::Hasher;

use rustc_hash::FxHasher;

use super::{Comparator, ComparisonKind, threshold_level};
use crate::resolve::columns::Tuples;
use crate::resolve::fold;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "free_text",
    description: "Long or dirty texts, as titles and descriptions: cosine of words, rare ones weighing more, a slip in \
        a long word's letters forgiven.",
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
    /// By word, the words one edit away, in order.
    slips: Vec<Vec<u32>>,
    thresholds: Vec<f64>,
}

fn build(tuples: &Arc<Tuples>, thresholds: &[f64]) -> Box<dyn Comparator> {
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
    // Words are in alphabetical order, so that sums do not depend on the order of records.
    let words: Vec<&str> = documents.keys().copied().collect();
    Box::new(Texts {
        texts: (0..tuples.len() as u32).map(text).collect(),
        slips: slips(&words),
        thresholds: thresholds.to_vec(),
    })
}

/// By word, the long words with the same digits that are one edit away.
fn slips(words: &[&str]) -> Vec<Vec<u32>> {
    let mut left: Vec<(u64, u32)> = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let long = word.chars().nth(LONG - 1).is_some();
        if !long {
            continue;
        }
        left.push((hash(word, ""), place as u32));
        for (at, letter) in word.char_indices().filter(|(_, letter)| !letter.is_numeric()) {
            left.push((hash(&word[..at], &word[at + letter.len_utf8()..]), place as u32));
        }
    }
    left.sort_unstable();
    left.dedup();
    let mut slips: Vec<Vec<u32>> = vec![Vec::new(); words.len()];
    for group in left.chunk_by(|l, r| l.0 == r.0) {
        for (at, (_, l)) in group.iter().enumerate() {
            for (_, r) in &group[at + 1..] {
                let (left, right) = (words[*l as usize], words[*r as usize]);
                if same_digits(left, right) && similarity::one_edit(left, right) {
                    slips[*l as usize].push(*r);
                    slips[*r as usize].push(*l);
                }
            }
        }
    }
    for own in &mut slips {
        own.sort_unstable();
        own.dedup();
    }
    slips
}

fn same_digits(l: &str, r: &str) -> bool {
    let digits = |own: &str| own.chars().filter(|c| c.is_numeric()).collect::<String>();
    digits(l) == digits(r)
}

/// A hash of two texts as one. Where two are equal by chance, the words are compared themselves.
fn hash(begin: &str, end: &str) -> u64 {
    let mut hasher = FxHasher::default();
    begin.bytes().chain(end.bytes()).for_each(|byte| hasher.write_u8(byte));
    hasher.finish()
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
        for (word, weight) in only_left {
            let slips = &self.slips[word as usize];
            let slip = slips
                .iter()
                .find_map(|slip| only_right.binary_search_by_key(slip, |(other, _)| *other).ok());
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
    use proptest::prelude::*;

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
    fn no_slip_is_forgiven_in_a_digit() {
        let (camera, slip) = ("camera dsc12345 kit", "camra dsc12345 kit");
        assert_eq!(level("free_text", &[camera], &[slip]), "cosine >= 0.9");
        assert_eq!(level("free_text", &[camera], &["camera dsc12345b kit"]), "cosine >= 0.9");
        // As two words of three alike, and no more.
        assert_eq!(level("free_text", &[camera], &["camera dsc12346 kit"]), "cosine >= 0.5");
    }

    proptest! {
        #[test]
        fn slips_are_the_words_one_edit_apart(words in prop::collection::btree_set("[aéb1]{4,7}", 0..40)) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let long = |word: &str| word.chars().count() >= LONG;
            for (place, own) in slips(&words).iter().enumerate() {
                let expected: Vec<u32> = (0..words.len())
                    .filter(|other| *other != place && long(words[place]) && long(words[*other]))
                    .filter(|other| same_digits(words[place], words[*other]))
                    .filter(|other| similarity::one_edit(words[place], words[*other]))
                    .map(|other| other as u32)
                    .collect();
                prop_assert_eq!(own, &expected);
            }
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
        let tuples = Arc::new(Tuples::new(vec![Dictionary::plain(&array, "x").unwrap()]).0);
        let reaches = |threshold: f64, code| build(&tuples, &[threshold]).level(0, code) == 2;
        // Every word weighing the same, these would be 0.75 and 0.29.
        let best = |code| (0..=100).rev().find(|step| reaches(f64::from(*step) / 100.0, code));
        assert_eq!((best(1), best(5)), (Some(44), Some(35)));
    }
}
