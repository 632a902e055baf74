//! An id from values, for sources that have none.
//!
//! Not a secret and not anonymous: the hash of a phone number can be found by trying phone numbers.

use super::{Function, kernel};

pub(crate) const HASH_TEXT: Function = Function {
    name: "hash_text",
    group: "other",
    signature: "hash_text(text, ...)",
    returns: "text",
    summary: "64 hexadecimal digits of BLAKE3 over the values in order, each with its length, null told apart from empty; for record ids where a source has none. Never null.",
    examples: &[
        ("hash_text('ab', 'c') = hash_text('a', 'bc')", "false"),
        ("hash_text('a', NULL) = hash_text('a', '')", "false"),
        ("left(hash_text('a'), 16)", "37237abcc15ce564"),
    ],
    make: || kernel::texts("hash_text", |values| Some(hash_text(values))),
};

/// BLAKE3 in hexadecimal of the values: for each a byte 1, its length in bytes as 8 bytes with the
/// least first, and its UTF-8; for a null a byte 0.
pub fn hash_text(values: &[Option<&str>]) -> String {
    let mut hasher = blake3::Hasher::new();
    for value in values {
        match value {
            Some(text) => {
                hasher.update(&[1]);
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
            None => {
                hasher.update(&[0]);
            }
        }
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn splitting_values_otherwise_gives_another_hash(left in ".{1,8}", right in ".{0,8}") {
            let joined = format!("{left}{right}");
            prop_assert_ne!(hash_text(&[Some(&left), Some(&right)]), hash_text(&[Some(&joined)]));
            prop_assert_ne!(hash_text(&[Some(&left), None]), hash_text(&[Some(&left)]));
        }
    }
}
