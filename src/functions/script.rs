//! Text as text: cleaning for people, folding for comparison, digits of any script.
//!
//! Knows characters, not names: what a word means is left to `names`, `address` and the rest. The
//! folded form is for keys and comparisons and is not fit to be shown.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::{Function, kernel};

pub(crate) const TEXT_CLEAN: Function = Function {
    name: "text_clean",
    group: "text",
    signature: "text_clean(text)",
    returns: "text",
    summary: "The text in Unicode NFC without control and invisible characters, with single spaces and trimmed; null when nothing is left.",
    examples: &[("text_clean('  Ana   María ')", "Ana María"), ("text_clean('   ')", "")],
    make: || kernel::text("text_clean", text_clean),
};

pub(crate) const TEXT_FOLD: Function = Function {
    name: "text_fold",
    group: "text",
    signature: "text_fold(text)",
    returns: "text",
    summary: "The text for comparison: lower case, without diacritics, with Arabic and Persian letter forms and all digits unified, punctuation as spaces; null when nothing is left.",
    examples: &[
        ("text_fold('José  O''Neil-PÉREZ')", "jose oneil perez"),
        ("text_fold('آمنة الكريمي ۱۲')", "امنه الكريمي 12"),
        ("text_fold('علی‌رضا') = text_fold('عليرضا')", "true"),
    ],
    make: || kernel::text("text_fold", |text| text_fold(text).map(Cow::into_owned)),
};

pub(crate) const DIGITS_ASCII: Function = Function {
    name: "digits_ascii",
    group: "text",
    signature: "digits_ascii(text)",
    returns: "text",
    summary: "The text with the decimal digits of every script as ASCII digits; all else unchanged.",
    examples: &[("digits_ascii('۰۹۱۲ ٣٤٥')", "0912 345")],
    make: || kernel::text("digits_ascii", |text| Some(digits_ascii(text).into_owned())),
};

/// The first digit (zero) of each block of ten decimal digits of a script, in order.
const ZEROS: &[u32] = &[
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
    0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
];

/// The value of a decimal digit of any script (Unicode's general category Nd, basic plane).
pub fn digit_value(character: char) -> Option<u8> {
    if character.is_ascii() {
        return character.is_ascii_digit().then(|| character as u8 - b'0');
    }
    let code = u32::from(character);
    let block = ZEROS.partition_point(|&zero| zero <= code).checked_sub(1)?;
    let value = code - ZEROS.get(block)?;
    u8::try_from(value).ok().filter(|&value| value < 10)
}

/// The text with the decimal digits of every script as ASCII digits.
pub fn digits_ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let digit = |c| digit_value(c).map_or(c, |value| char::from(b'0' + value));
    Cow::Owned(text.chars().map(digit).collect())
}

/// Characters that show nothing: marks of direction, joiners, byte-order marks, soft hyphens.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{0640}' | '\u{115F}' | '\u{1160}' | '\u{180E}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E007F}')
}

/// The zero-width non-joiner: Persian spelling needs it inside words, so cleaning keeps it there.
const NON_JOINER: char = '\u{200C}';

/// The text in NFC without control and invisible characters and without tatweel, which only
/// stretches a line; whitespace folded and trimmed. A
/// zero-width non-joiner between two letters stays. `None` when nothing is left.
pub fn text_clean(text: &str) -> Option<String> {
    let mut output = String::with_capacity(text.len());
    let (mut space, mut joiner) = (false, false);
    for character in text.chars() {
        if character == NON_JOINER {
            joiner = true;
        } else if character.is_whitespace() || character.is_control() {
            space = true;
        } else if !is_invisible(character) {
            if !output.is_empty() {
                let letters = character.is_alphabetic() && output.ends_with(char::is_alphabetic);
                if space {
                    output.push(' ');
                } else if joiner && letters {
                    output.push(NON_JOINER);
                }
            }
            (space, joiner) = (false, false);
            output.push(character);
        }
    }
    if !is_nfc(&output) {
        output = output.nfc().collect();
    }
    (!output.is_empty()).then_some(output)
}

/// The text for comparison. In this order: compatibility decomposition (NFKD), combining marks of
/// Latin, Greek, Cyrillic, Hebrew and Arabic out, lower case, Arabic-script letter forms unified
/// (ی ى ے as ي, ک as ك, ة ہ ۀ as ه, hamza and madda carriers as their letter, ء and tatweel out),
/// digits to ASCII, apostrophes and invisible characters out (they stand inside words), all other
/// punctuation and symbols to a space. `None` when nothing is left.
pub fn text_fold(text: &str) -> Option<Cow<'_, str>> {
    if is_folded(text.as_bytes()) {
        return Some(Cow::Borrowed(text));
    }
    let mut output = String::with_capacity(text.len());
    let mut space = false;
    if text.is_ascii() {
        for byte in text.bytes() {
            fold_into(char::from(byte.to_ascii_lowercase()), &mut output, &mut space);
        }
        return (!output.is_empty()).then_some(output.into());
    }
    for character in text.nfkd() {
        for lower in character.to_lowercase() {
            fold_into(lower, &mut output, &mut space);
        }
    }
    if !is_nfc(&output) {
        output = output.nfc().collect();
    }
    (!output.is_empty()).then_some(output.into())
}

/// Whether a text is ASCII letters in lower case and digits, in words that one space parts.
fn is_folded(text: &[u8]) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() | byte.is_ascii_digit();
    let plain = text.iter().fold(true, |plain, byte| plain & (word(*byte) | (*byte == b' ')));
    let spaces_meet = || text.windows(2).any(|two| two == b"  ");
    plain && text.first().is_some_and(|byte| word(*byte)) && !text.ends_with(b" ") && !spaces_meet()
}

fn fold_into(character: char, output: &mut String, space: &mut bool) {
    let folded: &str = match character {
        'a'..='z' | '0'..='9' => "",
        '\'' | '`' | '\u{2018}' | '\u{2019}' | '\u{02B9}'..='\u{02BF}' | '\u{00B4}' => return,
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ı' => "i",
        'ħ' => "h",
        'ς' => "σ",
        // Yeh: Farsi, alef maksura, Urdu barree, Kurdish with small v.
        'ی' | 'ى' | 'ے' | 'ێ' => "ي",
        'ک' | 'ڪ' => "ك",
        'ة' | 'ہ' | 'ە' | 'ھ' | 'ۃ' => "ه",
        'ٱ' => "ا",
        'ۆ' | 'ۇ' => "و",
        'ء' | 'ـ' => return,
        _ if is_mark(character) || is_invisible(character) => return,
        _ => "",
    };
    let mut word = |text: &str| {
        if std::mem::take(space) && !output.is_empty() {
            output.push(' ');
        }
        output.push_str(text);
    };
    if !folded.is_empty() {
        word(folded);
    } else if let Some(value) = digit_value(character) {
        word(char::from(b'0' + value).encode_utf8(&mut [0; 4]));
    } else if character.is_alphanumeric() || is_spacing_mark(character) {
        word(character.encode_utf8(&mut [0; 4]));
    } else {
        *space = true;
    }
}

/// Combining marks of scripts in which a word without them is still the word: Latin, Greek and
/// Cyrillic accents, Hebrew points, Arabic vowels (tashkeel) and Quranic marks.
fn is_mark(character: char) -> bool {
    matches!(character,
        '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0489}' | '\u{0591}'..='\u{05BD}'
        | '\u{05BF}' | '\u{05C1}'..='\u{05C2}' | '\u{05C4}'..='\u{05C5}' | '\u{05C7}'
        | '\u{0610}'..='\u{061A}' | '\u{064B}'..='\u{065F}' | '\u{0670}'
        | '\u{06D6}'..='\u{06DC}' | '\u{06DF}'..='\u{06E4}' | '\u{06E7}'..='\u{06E8}'
        | '\u{06EA}'..='\u{06ED}' | '\u{08D3}'..='\u{08FF}' | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

/// Signs that belong to a word of an Indic or South-East Asian script though they are no letters.
fn is_spacing_mark(character: char) -> bool {
    matches!(character, '\u{0900}'..='\u{0DFF}' | '\u{0E00}'..='\u{0EFF}' | '\u{0F00}'..='\u{0FFF}'
        | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3099}' | '\u{309A}')
        && !character.is_whitespace()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cleaning_keeps_the_non_joiner_of_persian_words_alone() {
        assert_eq!(text_clean("علی\u{200C}رضا\u{200C} ").as_deref(), Some("علی\u{200C}رضا"));
        assert_eq!(text_clean("\u{FEFF}a\u{200B}b\tc\u{0007}").as_deref(), Some("ab c"));
        assert_eq!(text_clean("\u{200B} \n"), None);
    }

    #[test]
    fn letter_forms_of_arabic_and_persian_fold_to_one() {
        for (left, right) in [
            ("علي", "علی"),
            ("كريم", "کریم"),
            ("فاطمة", "فاطمه"),
            ("أحمد", "احمد"),
            ("إيمان", "ایمان"),
            ("آرش", "ارش"),
            ("مُحَمَّد", "محمـــد"),
            ("مؤمن", "مومن"),
            ("هدى", "هدی"),
        ] {
            assert_eq!(text_fold(left), text_fold(right));
        }
    }

    #[test]
    fn blocks_of_digits_are_in_order_and_apart() {
        assert!(ZEROS.windows(2).all(|pair| pair[1] - pair[0] >= 10));
        for &zero in ZEROS {
            let last = char::from_u32(zero + 9).map(digit_value);
            assert_eq!(last, Some(Some(9)), "U+{zero:04X}");
        }
        assert_eq!(digit_value('\u{06FA}'), None);
    }

    proptest! {
        #[test]
        fn cleaning_twice_is_cleaning_once(text in any::<String>()) {
            let once = text_clean(&text);
            prop_assert_eq!(once.as_deref().and_then(text_clean), once);
        }

        #[test]
        fn folding_twice_is_folding_once(text in any::<String>()) {
            let once = text_fold(&text);
            let twice = once.as_deref().and_then(text_fold);
            prop_assert_eq!(&twice, &once);
        }

        /// What ends in a mark is never taken for folded.
        #[test]
        fn what_is_folded_stays_as_it_is(text in "[a-z0-9 ']{0,8}") {
            let marked = format!("{text}!");
            prop_assert_eq!(text_fold(&text), text_fold(&marked));
        }

        #[test]
        fn folding_ignores_case_and_cleaning(text in "[a-zA-Zá-úÁ-Ú آ-ی]{0,30}") {
            let cleaned = text_clean(&text).unwrap_or_default();
            prop_assert_eq!(text_fold(&cleaned), text_fold(&text));
            let lower = text.to_lowercase();
            prop_assert_eq!(text_fold(&lower), text_fold(&text));
        }
    }
}
