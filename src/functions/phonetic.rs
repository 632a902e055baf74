//! Phonetic codes of English names, as the rphonetic crate computes them.
//!
//! Text in other scripts is spelled in Latin letters first; for Arabic and Persian names
//! `name_skeleton` serves better.

use std::sync::LazyLock;

use rphonetic::{DoubleMetaphone, Encoder, Soundex};

use super::{Function, kernel, latin::text_latin};

pub(crate) const DOUBLE_METAPHONE: Function = Function {
    name: "double_metaphone",
    group: "names",
    signature: "double_metaphone(text)",
    returns: "text",
    summary: "The primary Double Metaphone code (up to 8 letters) of a name; null without letters.",
    examples: &[
        ("double_metaphone('Smith')", "SM0"),
        ("double_metaphone('Catherine') = double_metaphone('Katherine')", "true"),
    ],
    make: || kernel::text("double_metaphone", double_metaphone),
};

pub(crate) const SOUNDEX: Function = Function {
    name: "soundex",
    group: "names",
    signature: "soundex(text)",
    returns: "text",
    summary: "The American Soundex code of a name; null without letters.",
    examples: &[("soundex('Robert')", "R163"), ("soundex('Rupert')", "R163")],
    make: || kernel::text("soundex", soundex),
};

static METAPHONE: LazyLock<DoubleMetaphone> = LazyLock::new(|| DoubleMetaphone::new(Some(8)));
static AMERICAN: LazyLock<Soundex> = LazyLock::new(Soundex::default);

/// The primary code of Lawrence Philips' Double Metaphone over all words together.
pub fn double_metaphone(text: &str) -> Option<String> {
    let code = METAPHONE.double_metaphone(&letters(text)?).primary();
    (!code.is_empty()).then_some(code)
}

/// The American Soundex code (a letter, three digits) over all words together.
pub fn soundex(text: &str) -> Option<String> {
    let code = AMERICAN.encode(&letters(text)?);
    (!code.is_empty()).then_some(code)
}

/// ASCII letters alone: the encoders index bytes.
fn letters(text: &str) -> Option<String> {
    let mut latin = text_latin(text)?;
    latin.retain(|c| c.is_ascii_lowercase());
    (!latin.is_empty()).then_some(latin)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = (double_metaphone(&text), soundex(&text));
        }

        #[test]
        fn letters_never_panic(text in "[a-z]{0,12}") {
            let code = soundex(&text);
            prop_assert!(code.is_none_or(|code| code.len() == 4));
            let _ = double_metaphone(&text);
        }
    }
}
