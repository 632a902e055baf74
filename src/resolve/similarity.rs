//! Similarities of two texts, as strsim defines them.
//!
//! Knows texts and numbers; refuses to know levels. strsim's Jaro is greedy from the left text, so
//! that swapping the texts can change it: here the lesser text is always the left one, which makes
//! every similarity symmetric and still strsim's own.

/// Jaro-Winkler (Winkler 1990), 0 to 1, with strsim's prefix scale 0.1 over 4 characters.
pub(crate) fn jaro_winkler(a: &str, b: &str) -> f64 {
    if a <= b { strsim::jaro_winkler(a, b) } else { strsim::jaro_winkler(b, a) }
}

/// Edits between two texts: insertion, deletion, substitution and the swap of two neighbours, no
/// part edited twice (optimal string alignment, the restricted Damerau-Levenshtein distance).
pub(crate) fn edits(a: &str, b: &str) -> usize {
    if a <= b { strsim::osa_distance(a, b) } else { strsim::osa_distance(b, a) }
}

/// Jaro (1989), 0 to 1: Jaro-Winkler without its prefix.
pub(crate) fn jaro(a: &str, b: &str) -> f64 {
    if a <= b { strsim::jaro(a, b) } else { strsim::jaro(b, a) }
}

/// Insertions, deletions and substitutions between two texts (Levenshtein 1966).
pub(crate) fn levenshtein(a: &str, b: &str) -> usize {
    strsim::levenshtein(a, b)
}

/// Insertions, deletions, substitutions and swaps of neighbours, also around other edits
/// (Damerau 1964, unrestricted).
pub(crate) fn damerau_levenshtein(a: &str, b: &str) -> usize {
    strsim::damerau_levenshtein(a, b)
}

/// 1 less edits over the longer text's characters; 1 for two empty texts.
pub(crate) fn edit_similarity(a: &str, b: &str) -> f64 {
    let longest = a.chars().count().max(b.chars().count());
    if longest == 0 { 1.0 } else { 1.0 - edits(a, b) as f64 / longest as f64 }
}

/// Whether at most one edit lies between two texts: what is left between their common beginning and
/// their common end is at most one character of each, or two that are swapped.
pub(crate) fn one_edit(a: &str, b: &str) -> bool {
    if a.len().abs_diff(b.len()) > 4 {
        return false;
    }
    let (mut a, mut b) = (a.chars(), b.chars());
    loop {
        let rest = (a.clone(), b.clone());
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(l), Some(r)) if l == r => {}
            _ => {
                (a, b) = rest;
                break;
            }
        }
    }
    loop {
        let rest = (a.clone(), b.clone());
        match (a.next_back(), b.next_back()) {
            (Some(l), Some(r)) if l == r => {}
            _ => {
                (a, b) = rest;
                break;
            }
        }
    }
    match ((a.next(), a.next(), a.next()), (b.next(), b.next(), b.next())) {
        ((_, None, _), (_, None, _)) => true,
        ((Some(first), Some(second), None), (Some(other), Some(last), None)) => {
            first == last && second == other
        }
        _ => false,
    }
}

/// How many codes two sorted sets have in common.
pub(crate) fn common(a: &[u32], b: &[u32]) -> usize {
    let (mut left, mut right, mut common) = (0, 0, 0usize);
    while left < a.len() && right < b.len() {
        match a[left].cmp(&b[right]) {
            std::cmp::Ordering::Less => left += 1,
            std::cmp::Ordering::Greater => right += 1,
            std::cmp::Ordering::Equal => {
                common += 1;
                left += 1;
                right += 1;
            }
        }
    }
    common
}

/// Common over all, of two sorted sets of codes: the Jaccard index. 0 where both are empty.
pub(crate) fn jaccard(a: &[u32], b: &[u32]) -> f64 {
    let common = common(a, b);
    let all = a.len() + b.len() - common;
    if all == 0 { 0.0 } else { common as f64 / all as f64 }
}

/// Common over the geometric mean of the sizes of two sorted sets of codes: their cosine. 0 where
/// one is empty.
pub(crate) fn cosine(a: &[u32], b: &[u32]) -> f64 {
    let sizes = a.len() * b.len();
    if sizes == 0 { 0.0 } else { common(a, b) as f64 / (sizes as f64).sqrt() }
}

/// The different characters of a text, as a sorted set of codes.
pub(crate) fn letters(text: &str) -> Vec<u32> {
    let mut set: Vec<u32> = text.chars().map(u32::from).collect();
    set.sort_unstable();
    set.dedup();
    set
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn similarities_are_symmetric_in_range_and_those_of_strsim(
            a in "[a-eé محم]{0,9}", b in "[a-eé محم]{0,9}",
        ) {
            let (low, high) = if a <= b { (&a, &b) } else { (&b, &a) };
            prop_assert_eq!(jaro_winkler(&a, &b).to_bits(), strsim::jaro_winkler(low, high).to_bits());
            prop_assert_eq!(jaro_winkler(&a, &b).to_bits(), jaro_winkler(&b, &a).to_bits());
            prop_assert_eq!(edits(&a, &b), strsim::osa_distance(&a, &b));
            prop_assert_eq!(edits(&a, &b), edits(&b, &a));
            prop_assert_eq!(jaro(&a, &b).to_bits(), strsim::jaro(low, high).to_bits());
            prop_assert_eq!(jaro(&a, &b).to_bits(), jaro(&b, &a).to_bits());
            prop_assert_eq!(levenshtein(&a, &b), levenshtein(&b, &a));
            prop_assert_eq!(damerau_levenshtein(&a, &b), damerau_levenshtein(&b, &a));
            prop_assert!(damerau_levenshtein(&a, &b) <= edits(&a, &b));
            prop_assert!(edits(&a, &b) <= levenshtein(&a, &b));
            prop_assert!((0.0..=1.0).contains(&jaro_winkler(&a, &b)));
            prop_assert!((0.0..=1.0).contains(&edit_similarity(&a, &b)));
            prop_assert_eq!(one_edit(&a, &b), edits(&a, &b) <= 1);
        }

        #[test]
        fn jaccard_and_cosine_are_those_of_sets(
            a in prop::collection::btree_set(0u32..9, 0..6), b in prop::collection::btree_set(0u32..9, 0..6),
        ) {
            let all = a.union(&b).count();
            let expected = if all == 0 { 0.0 } else { a.intersection(&b).count() as f64 / all as f64 };
            let angle = (a.len() as f64).sqrt() * (b.len() as f64).sqrt();
            let shared = a.intersection(&b).count() as f64;
            let (a, b): (Vec<u32>, Vec<u32>) = (a.into_iter().collect(), b.into_iter().collect());
            prop_assert_eq!(jaccard(&a, &b), expected);
            let expected = if angle == 0.0 { 0.0 } else { shared / angle };
            prop_assert!((cosine(&a, &b) - expected).abs() < 1e-12);
        }
    }
}
