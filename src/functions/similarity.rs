//! How alike two texts are, as numbers: for SQL comparisons and conditions on pairs.
//!
//! Knows letters; refuses to know what a text means, but for `name_similarity`, which is in
//! `name_similarity`. Each is symmetric.

use super::{Function, kernel};

pub(crate) const DAMERAU_LEVENSHTEIN: Function = Function {
    name: "damerau_levenshtein",
    group: "text",
    signature: "damerau_levenshtein(text, text)",
    returns: "number",
    summary: "Insertions, deletions, substitutions and swaps of neighbours between two texts; `levenshtein` counts a swap as two.",
    examples: &[
        ("damerau_levenshtein('smith', 'smiht')", "1.0"),
        ("damerau_levenshtein('smith', null)", ""),
    ],
    make: || kernel::number_of_two("damerau_levenshtein", damerau_levenshtein),
};

pub(crate) const JACCARD_SIMILARITY: Function = Function {
    name: "jaccard_similarity",
    group: "text",
    signature: "jaccard_similarity(text, text)",
    returns: "number",
    summary: "Different characters that two texts share over all their different characters, 0 to 1; for words, intersect their `tokens`.",
    examples: &[("jaccard_similarity('duck', 'luck')", "0.6")],
    make: || kernel::number_of_two("jaccard_similarity", jaccard_similarity),
};

pub(crate) const JARO_SIMILARITY: Function = Function {
    name: "jaro_similarity",
    group: "text",
    signature: "jaro_similarity(text, text)",
    returns: "number",
    summary: "The Jaro similarity of two texts, 0 to 1.",
    examples: &[("jaro_similarity('martha', 'marhta') > 0.94", "true")],
    make: || kernel::number_of_two("jaro_similarity", jaro_similarity),
};

pub(crate) const JARO_WINKLER_SIMILARITY: Function = Function {
    name: "jaro_winkler_similarity",
    group: "text",
    signature: "jaro_winkler_similarity(text, text)",
    returns: "number",
    summary: "The Jaro-Winkler similarity of two texts, 0 to 1.",
    examples: &[("jaro_winkler_similarity('martha', 'marhta') > 0.96", "true")],
    make: || kernel::number_of_two("jaro_winkler_similarity", jaro_winkler_similarity),
};

/// strsim's similarities are greedy from the left text: the lesser one is always the left.
fn ordered<'a>(a: &'a str, b: &'a str) -> (&'a str, &'a str) {
    if a <= b { (a, b) } else { (b, a) }
}

/// Edits with swaps of neighbours, also around other edits (Damerau 1964).
pub fn damerau_levenshtein(a: &str, b: &str) -> Option<f64> {
    Some(strsim::damerau_levenshtein(a, b) as f64)
}

/// Jaro (1989).
pub fn jaro_similarity(a: &str, b: &str) -> Option<f64> {
    let (a, b) = ordered(a, b);
    Some(strsim::jaro(a, b))
}

/// Jaro-Winkler (Winkler 1990), with strsim's prefix scale 0.1 over 4 characters.
pub fn jaro_winkler_similarity(a: &str, b: &str) -> Option<f64> {
    let (a, b) = ordered(a, b);
    Some(strsim::jaro_winkler(a, b))
}

/// The Jaccard index of the sets of characters; 0 for two empty texts.
pub fn jaccard_similarity(a: &str, b: &str) -> Option<f64> {
    let set = |text: &str| text.chars().collect::<std::collections::BTreeSet<_>>();
    let (a, b) = (set(a), set(b));
    let all = a.union(&b).count();
    Some(if all == 0 { 0.0 } else { a.intersection(&b).count() as f64 / all as f64 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_are_symmetric_and_in_range(a in "[a-eé م]{0,8}", b in "[a-eé م]{0,8}") {
            for similarity in [jaro_similarity, jaro_winkler_similarity, jaccard_similarity] {
                prop_assert_eq!(similarity(&a, &b), similarity(&b, &a));
                prop_assert!(similarity(&a, &b).is_some_and(|s| (0.0..=1.0).contains(&s)));
            }
            prop_assert_eq!(damerau_levenshtein(&a, &b), damerau_levenshtein(&b, &a));
            prop_assert_eq!(damerau_levenshtein(&a, &a), Some(0.0));
        }
    }
}
