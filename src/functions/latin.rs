//! Text of any script in ASCII Latin letters, near to how people write names.
//!
//! Arabic-script words go through a table of ours: what they leave unwritten (short vowels) stays
//! unwritten, what they write is spelled as in passports. All other scripts are left to any_ascii.
//! Knows no dictionary of names: محمد is "mhmd" here, and `skeleton` is what makes it meet
//! "Mohammed".

use super::{Function, kernel, script::digit_value};

pub(crate) const TEXT_LATIN: Function = Function {
    name: "text_latin",
    group: "text",
    signature: "text_latin(text)",
    returns: "text",
    summary: "The text in lower-case ASCII Latin letters and digits, whatever its script; Arabic and Persian letters as names are spelled (ج j, چ ch, خ kh, ش sh, ق q).",
    examples: &[
        ("text_latin('عبد الله')", "abd allah"),
        ("text_latin('شهریار')", "shhryar"),
        ("text_latin('Ђорђе Łukasz')", "djordje lukasz"),
    ],
    make: || kernel::text("text_latin", text_latin),
};

/// The text in lower-case ASCII letters and digits, words parted by single spaces; apostrophes and
/// marks inside words go. `None` when nothing is left.
pub fn text_latin(text: &str) -> Option<String> {
    let mut output = String::with_capacity(text.len());
    let mut arabic = Vec::new();
    for character in text.chars() {
        if is_arabic(character) {
            arabic.push(character);
            continue;
        }
        // The non-joiner parts letters, not words.
        if !arabic.is_empty() && matches!(character, '\u{200C}' | '\u{200D}') {
            continue;
        }
        write_arabic(&mut arabic, &mut output);
        write_latin(character, &mut output);
    }
    write_arabic(&mut arabic, &mut output);
    output.truncate(output.trim_end().len());
    (!output.is_empty()).then_some(output)
}

fn write_latin(character: char, output: &mut String) {
    if character.is_ascii() {
        write_ascii(character, output);
        return;
    }
    if let Some(value) = digit_value(character) {
        output.push(char::from(b'0' + value));
        return;
    }
    if matches!(character, '\u{0300}'..='\u{036F}' | '\u{00AD}' | '\u{200B}'..='\u{200F}'
        | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{2018}' | '\u{2019}' | '\u{02B9}'..='\u{02BF}')
    {
        return;
    }
    let latin = any_ascii::any_ascii_char(character);
    if latin.is_empty() {
        write_ascii(' ', output);
    }
    for character in latin.chars() {
        write_ascii(character, output);
    }
}

fn write_ascii(character: char, output: &mut String) {
    match character {
        'a'..='z' | '0'..='9' => output.push(character),
        'A'..='Z' => output.push(character.to_ascii_lowercase()),
        '\'' | '`' => {}
        _ if !output.is_empty() && !output.ends_with(' ') => output.push(' '),
        _ => {}
    }
}

fn is_arabic(character: char) -> bool {
    matches!(character, '\u{0610}'..='\u{061A}' | '\u{0620}'..='\u{065F}' | '\u{066E}'..='\u{06D3}'
        | '\u{06D5}'..='\u{06DC}' | '\u{06DF}'..='\u{06E8}' | '\u{06EA}'..='\u{06EF}'
        | '\u{06FA}'..='\u{06FF}' | '\u{0750}'..='\u{077F}')
}

/// Writes one word of Arabic letters. The glides و and ی are consonants (w, y) at a word's start
/// and before or after alef, vowels (u, i) elsewhere; ه at the end is a feminine "a" only as ة.
fn write_arabic(word: &mut Vec<char>, output: &mut String) {
    word.retain(|&letter| letter != 'ـ');
    for (position, &letter) in word.iter().enumerate() {
        let before = position.checked_sub(1).and_then(|position| word.get(position)).copied();
        let after = word.get(position + 1).copied();
        let glide = before.is_none() || after.is_some_and(is_vowel) || before.is_some_and(is_alef);
        let latin = match letter {
            // The last vowel of الله is never written, and always spelled.
            'ه' if after.is_none() && output.ends_with("ll") => "ah",
            'ا' | 'ٱ' | 'أ' | 'آ' | 'ى' | 'ة' | 'ع' | '\u{064E}' | '\u{0670}' => "a",
            'إ' | '\u{0650}' => "i",
            '\u{064F}' => "u",
            'ب' => "b",
            'پ' => "p",
            'ت' | 'ط' | 'ٹ' => "t",
            'ث' => "th",
            'ج' => "j",
            'چ' => "ch",
            'ح' | 'ه' | 'ہ' | 'ھ' | 'ە' | 'ۀ' | 'ۃ' => "h",
            'خ' => "kh",
            'د' | 'ض' | 'ڈ' => "d",
            'ذ' => "dh",
            'ر' | 'ڑ' => "r",
            'ز' | 'ظ' => "z",
            'ژ' => "zh",
            'س' | 'ص' => "s",
            'ش' => "sh",
            'غ' => "gh",
            'ف' => "f",
            'ڤ' => "v",
            'ق' => "q",
            'ك' | 'ک' | 'ڪ' => "k",
            'گ' | 'ڭ' => "g",
            'ل' => "l",
            'م' => "m",
            'ن' | 'ں' => "n",
            'و' if glide => "w",
            'و' | 'ؤ' | 'ۆ' | 'ۇ' => "u",
            'ي' | 'ی' if glide => "y",
            'ي' | 'ی' | 'ئ' | 'ے' | 'ێ' => "i",
            // Shadda doubles the consonant before it.
            '\u{0651}' => match output.chars().next_back() {
                // Unicode's canonical order puts the short vowel before the shadda.
                Some(vowel @ ('a' | 'i' | 'u')) => {
                    output.pop();
                    output.extend(output.chars().next_back().filter(char::is_ascii_lowercase));
                    output.push(vowel);
                    ""
                }
                Some(last) if last.is_ascii_lowercase() => {
                    output.push(last);
                    ""
                }
                _ => "",
            },
            'ء' | '\u{0610}'..='\u{061A}' | '\u{064B}'..='\u{065F}' | '\u{06D6}'..='\u{06EF}' => {
                ""
            }
            other => any_ascii::any_ascii_char(other),
        };
        // Alef after ayn, or a written short vowel before its letter, is one vowel.
        if latin == "a" && output.ends_with('a') && before.is_some() {
            continue;
        }
        // زهرا is "zahra": "zh" would read as the one sound of ژ.
        if latin == "h" && before.is_some() && output.ends_with(['s', 'z', 'k', 'g', 'd', 't']) {
            output.push('a');
        }
        output.extend(
            latin.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()),
        );
    }
    word.clear();
}

fn is_alef(letter: char) -> bool {
    matches!(letter, 'ا' | 'أ' | 'إ' | 'آ' | 'ٱ')
}

fn is_vowel(letter: char) -> bool {
    is_alef(letter) || matches!(letter, 'ى' | 'ة' | '\u{064B}'..='\u{0650}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn arabic_and_persian_names_are_spelled_as_people_do() {
        for (text, latin) in [
            ("عبد", "abd"),
            ("علی", "ali"),
            ("چنگیز", "chngiz"),
            ("خالد", "khald"),
            ("قاسم", "qasm"),
            ("یاسمین", "yasmin"),
            ("مُحَمَّد", "muhammad"),
            ("ژاله", "zhalh"),
            ("نصرالله", "nsrallah"),
            ("علی\u{200C}رضا", "alirda"),
            ("سعاد", "sad"),
        ] {
            assert_eq!(text_latin(text).as_deref(), Some(latin), "{text}");
        }
    }

    #[test]
    fn nothing_to_spell_is_nothing() {
        assert_eq!(text_latin(" ـ ' "), None);
        assert_eq!(text_latin(""), None);
    }

    proptest! {
        #[test]
        fn latin_is_ascii_and_stable(text in any::<String>()) {
            if let Some(once) = text_latin(&text) {
                prop_assert!(once.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b' '));
                prop_assert_eq!(text_latin(&once), Some(once.clone()));
            }
        }

        #[test]
        fn arabic_never_panics(text in "[\u{0600}-\u{06FF} ]{0,40}") {
            let _ = text_latin(&text);
        }
    }
}
