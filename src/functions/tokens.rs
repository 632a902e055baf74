//! Text as a set of parts: words, and runs of letters.
//!
//! Knows nothing of which words matter.

use super::{Function, kernel, script::text_fold};

pub(crate) const NGRAMS: Function = Function {
    name: "ngrams",
    group: "text",
    signature: "ngrams(text, n)",
    returns: "list of text",
    summary: "The runs of n letters of the folded text in order, each once; the whole when it is shorter than n. n is 1 to 16, else null.",
    examples: &[("ngrams('Ana!', 2)", "[an, na]"), ("ngrams('a', 3)", "[a]")],
    make: || kernel::list_by("ngrams", ngrams),
};

pub(crate) const TOKENS: Function = Function {
    name: "tokens",
    group: "text",
    signature: "tokens(text)",
    returns: "list of text",
    summary: "The words of the folded text (text_fold), in order, repetitions kept.",
    examples: &[("tokens('Calle Mayor, nº 5')", "[calle, mayor, no, 5]")],
    make: || kernel::list("tokens", tokens),
};

/// The words of the folded text in order; `None` when there is none.
pub fn tokens(text: &str) -> Option<Vec<String>> {
    Some(text_fold(text)?.split(' ').map(str::to_owned).collect())
}

/// The longest run of letters that may be asked for.
const LONGEST: usize = 16;

/// The runs of `n` letters of the folded text, in order of first appearance, each once. A text
/// shorter than `n` is its own only run. `None` for no text, or an `n` outside 1 to 16.
pub fn ngrams(text: &str, n: i64) -> Option<Vec<String>> {
    let n = usize::try_from(n).ok().filter(|n| (1..=LONGEST).contains(n))?;
    let folded = text_fold(text)?;
    let letters: Vec<char> = folded.chars().collect();
    if letters.len() < n {
        return Some(vec![folded.into_owned()]);
    }
    let mut seen = rustc_hash::FxHashSet::default();
    Some(letters.windows(n).filter(|run| seen.insert(*run)).map(String::from_iter).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tokens_join_to_the_folded_text(text in any::<String>()) {
            prop_assert_eq!(tokens(&text).map(|words| words.join(" ")), text_fold(&text).map(String::from));
        }

        #[test]
        fn runs_have_the_length_asked_for(text in "[a-zé ]{0,20}", n in 1_i64..6) {
            for run in ngrams(&text, n).unwrap_or_default() {
                prop_assert!(run.chars().count() <= n as usize);
            }
        }

        #[test]
        fn never_panics(text in any::<String>(), n in any::<i64>()) {
            let _ = ngrams(&text, n);
        }
    }
}
