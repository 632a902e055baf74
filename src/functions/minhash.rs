//! Keys by which near-duplicate texts meet: MinHash with bands (locality-sensitive hashing).
//!
//! Knows sets of shingles and hashes; refuses to know which texts are near enough. The hash
//! functions are fixed, so that a key is the same in every run and on every machine.

use rustc_hash::FxHashSet;

use super::{Function, kernel, script::text_fold};
use crate::random::mix;

pub(crate) const MINHASH_BANDS: Function = Function {
    name: "minhash_bands",
    group: "text",
    signature: "minhash_bands(text, bands, rows[, shingle])",
    returns: "list of text",
    summary: "Blocking keys by which texts of Jaccard similarity s share at least one with probability 1 - (1 - s^rows)^bands: a key for each band of MinHash values over the folded text's words, or over its runs of shingle characters; bands and rows are 1 to 64, else null.",
    examples: &[
        ("array_length(minhash_bands('the art of birds', 8, 2))", "8"),
        (
            "minhash_bands('Birds, in flight', 4, 3) = minhash_bands('birds in FLIGHT', 4, 3)",
            "true",
        ),
        (
            "array_length(array_intersect(minhash_bands('adaptive query processing', 16, 2, 3), minhash_bands('adaptive querry procesing', 16, 2, 3))) > 0",
            "true",
        ),
    ],
    make: || kernel::list_by_numbers("minhash_bands", minhash_bands),
};

/// The most bands, rows of a band, and characters of a shingle.
const MOST: i64 = 64;

/// What makes the hash functions, one of each number.
const SEED: u64 = 0x5369_6d75_7267_6831;

/// A key for each of `bands` bands of `rows` MinHash values (Broder 1997; bands: Leskovec,
/// Rajaraman and Ullman, Mining of Massive Datasets, 3.4) over the different words of the folded
/// text; with `shingle`, over its different runs of as many characters. `numbers` are bands, rows
/// and, where it is given, the shingle. `None` for no text, or for a number outside 1 to 64.
pub fn minhash_bands(text: &str, numbers: &[i64]) -> Option<Vec<String>> {
    if numbers.iter().any(|number| !(1..=MOST).contains(number)) {
        return None;
    }
    let (bands, rows) = (*numbers.first()?, *numbers.get(1)?);
    let folded = text_fold(text)?;
    let shingles = shingles(&folded, numbers.get(2).copied());
    let keys = (0..bands).map(|band| {
        let mut key = mix(SEED ^ band as u64);
        for row in 0..rows {
            let function = mix(SEED.wrapping_add((band * MOST + row + 1) as u64));
            let least = shingles.iter().map(|shingle| mix(shingle ^ function)).min();
            key = mix(key ^ least.unwrap_or_default());
        }
        // The band is part of the key: equal values of two bands are not a meeting.
        format!("{band}:{key:016x}")
    });
    Some(keys.collect())
}

/// Hashes of the different words of a text, or of its different runs of `length` characters.
fn shingles(folded: &str, length: Option<i64>) -> FxHashSet<u64> {
    let Some(length) = length else { return folded.split(' ').map(hash).collect() };
    let starts: Vec<usize> = folded.char_indices().map(|(start, _)| start).collect();
    let length = length as usize;
    if starts.len() <= length {
        return std::iter::once(hash(folded)).collect();
    }
    (0..=starts.len() - length)
        .map(|first| {
            let end = starts.get(first + length).copied().unwrap_or(folded.len());
            hash(&folded[starts[first]..end])
        })
        .collect()
}

/// 64 bits of FNV-1a, mixed.
fn hash(text: &str) -> u64 {
    let fnv = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mix(fnv)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(text: &str, numbers: &[i64]) -> Vec<String> {
        minhash_bands(text, numbers).unwrap_or_default()
    }

    /// Words `from` to `to`, of a set of their own for each `case`.
    fn words(case: usize, from: usize, to: usize) -> String {
        (from..to).map(|word| format!("w{case}x{word}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn texts_meet_as_often_as_the_formula_says() {
        const CASES: usize = 2000;
        for (bands, rows) in [(1, 1), (8, 2), (20, 5)] {
            // Of 40 words in all, `shared` are in both texts.
            for shared in [4usize, 10, 20, 30, 36] {
                let own = (40 - shared) / 2;
                let met = (0..CASES).filter(|case| {
                    let left = keys(&words(*case, 0, own + shared), &[bands, rows]);
                    let right = keys(&words(*case, own, 40), &[bands, rows]);
                    left.iter().any(|key| right.contains(key))
                });
                let found = met.count() as f64 / CASES as f64;
                let similarity = shared as f64 / 40.0;
                let expected = 1.0 - (1.0 - similarity.powi(rows as i32)).powi(bands as i32);
                // Four standard errors of a share of so many cases.
                let error = 4.0 * (expected * (1.0 - expected) / CASES as f64).sqrt() + 0.002;
                assert!(
                    (found - expected).abs() <= error,
                    "{bands} bands of {rows} at {similarity}: {found}, not {expected}"
                );
            }
        }
    }

    #[test]
    fn numbers_out_of_range_and_no_text_give_none() {
        for numbers in [&[0, 1][..], &[1, 0], &[65, 1], &[1], &[], &[2, 2, 0]] {
            assert_eq!(minhash_bands("birds", numbers), None, "{numbers:?}");
        }
        assert_eq!(minhash_bands(" - ", &[2, 2]), None);
    }

    proptest! {
        #[test]
        fn order_and_repetition_of_words_do_not_matter(
            mut own in prop::collection::vec("[a-e]{1,3}", 1..8), bands in 1..9i64, rows in 1..5i64,
        ) {
            let text = own.join(" ");
            own.reverse();
            let again = format!("{} {}", own.join("  "), own[0]);
            let found = keys(&text, &[bands, rows]);
            prop_assert_eq!(found.len(), bands as usize);
            prop_assert_eq!(found, keys(&again, &[bands, rows]));
        }

        #[test]
        fn never_panics(text in any::<String>(), numbers in prop::collection::vec(-1..9i64, 0..4)) {
            let _ = minhash_bands(&text, &numbers);
        }
    }
}
