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

/// Common over all, of two sorted sets of codes: the Jaccard index. 0 where both are empty.
pub(crate) fn jaccard(a: &[u32], b: &[u32]) -> f64 {
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
    let all = a.len() + b.len() - common;
    if all == 0 { 0.0 } else { common as f64 / all as f64 }
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
            prop_assert!((0.0..=1.0).contains(&jaro_winkler(&a, &b)));
            prop_assert!((0.0..=1.0).contains(&edit_similarity(&a, &b)));
            prop_assert_eq!(one_edit(&a, &b), edits(&a, &b) <= 1);
        }

        #[test]
        fn jaccard_is_that_of_sets(
            a in prop::collection::btree_set(0u32..9, 0..6), b in prop::collection::btree_set(0u32..9, 0..6),
        ) {
            let all = a.union(&b).count();
            let expected = if all == 0 { 0.0 } else { a.intersection(&b).count() as f64 / all as f64 };
            let (a, b): (Vec<u32>, Vec<u32>) = (a.into_iter().collect(), b.into_iter().collect());
            prop_assert_eq!(jaccard(&a, &b), expected);
        }
    }
}
