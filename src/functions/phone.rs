//! Phone numbers in international form.
//!
//! The numbering plans are those of the phonenumber crate (Google's metadata). This file knows how
//! people write numbers: digits of any script, 00 for +, trunk zeros, extensions. It does not
//! know whether a number is in service.

use phonenumber::{Mode, PhoneNumber, Type, country::Id, metadata::DATABASE};

use super::{Function, country::country_code, kernel, script::digit_value};

pub(crate) const PHONE_E164: Function = Function {
    name: "phone_e164",
    group: "phone",
    signature: "phone_e164(text[, country])",
    returns: "text",
    summary: "The phone number in E.164 (+ and digits); the country (code or name, as for country_code) is that of a number written without one; null when the number is not valid there.",
    examples: &[
        ("phone_e164('۰۹۱۲ ۱۲۳ ۴۵۶۷', 'IR')", "+989121234567"),
        ("phone_e164('00 34 612 34 56 78', 'IR')", "+34612345678"),
        ("phone_e164('12345', 'US')", ""),
    ],
    make: || kernel::text_by("phone_e164", phone_e164),
};

pub(crate) const PHONE_KIND: Function = Function {
    name: "phone_kind",
    group: "phone",
    signature: "phone_kind(text[, country])",
    returns: "text",
    summary: "What a phone number is by its country's numbering plan: mobile, fixed, either (where the plan does not tell) or other; null when the number is not valid.",
    examples: &[
        ("phone_kind('+989121234567')", "mobile"),
        ("phone_kind('020 7946 0958', 'GB')", "fixed"),
        ("phone_kind('+14155552671')", "either"),
    ],
    make: || kernel::text_by("phone_kind", phone_kind),
};

pub(crate) const PHONE_NATIONAL: Function = Function {
    name: "phone_national",
    group: "phone",
    signature: "phone_national(text[, country])",
    returns: "text",
    summary: "The phone number as digits dialled inside its own country, trunk zero included; null when the number is not valid.",
    examples: &[("phone_national('+98 912 123 4567', 'ES')", "09121234567")],
    make: || kernel::text_by("phone_national", phone_national),
};

/// The number in E.164, for example `+989121234567`. `country` is any text that `country_code`
/// knows; it decides a number that has no calling code, and nothing else. `None` when the number
/// is not valid in its country's numbering plan.
pub fn phone_e164(text: &str, country: Option<&str>) -> Option<String> {
    let number = parse(text, country)?;
    Some(number.format().mode(Mode::E164).to_string())
}

/// The number as digits dialled inside its own country.
pub fn phone_national(text: &str, country: Option<&str>) -> Option<String> {
    let number = parse(text, country)?;
    let written = number.format().mode(Mode::National).to_string();
    Some(written.chars().filter(char::is_ascii_digit).collect())
}

/// What the number is by its country's numbering plan: a mobile is one person's, a fixed line its
/// household's. `None` when the number is not valid.
pub fn phone_kind(text: &str, country: Option<&str>) -> Option<String> {
    let kind = match parse(text, country)?.number_type(&DATABASE) {
        Type::Mobile => "mobile",
        Type::FixedLine => "fixed",
        Type::FixedLineOrMobile => "either",
        _ => "other",
    };
    Some(kind.to_owned())
}

/// Longest number of E.164 with a prefix to spare; longer runs are no phone numbers.
const MOST_DIGITS: usize = 20;

fn parse(text: &str, country: Option<&str>) -> Option<PhoneNumber> {
    let (digits, international) = digits(text)?;
    let country = country.and_then(country_code);
    let id: Option<Id> = country.as_deref().and_then(|code| code.parse().ok());
    if international {
        return valid(None, &format!("+{digits}"));
    }
    // 00 is the International Telecommunication Union's prefix for calls abroad; in North America it is 011.
    if let Some(rest) = digits.strip_prefix("00") {
        return valid(None, &format!("+{rest}"));
    }
    if matches!(country.as_deref(), Some("US" | "CA"))
        && let Some(rest) = digits.strip_prefix("011")
    {
        return valid(None, &format!("+{rest}"));
    }
    let id = id?;
    // As written; or with the calling code and the + lost, as spreadsheets do.
    valid(Some(id), &digits).or_else(|| {
        let number = valid(None, &format!("+{digits}"))?;
        (number.country().id() == Some(id)).then_some(number)
    })
}

fn valid(country: Option<Id>, digits: &str) -> Option<PhoneNumber> {
    let number = phonenumber::parse(country, digits).ok()?;
    number.is_valid().then_some(number)
}

/// The ASCII digits of the first number in the text, and whether it began with a plus sign.
/// Words before it (Tel:) are passed over; an extension, or a second number, ends it.
fn digits(text: &str) -> Option<(String, bool)> {
    let mut digits = String::with_capacity(16);
    let mut international = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if let Some(value) = digit_value(character) {
            digits.push(char::from(b'0' + value));
            if digits.len() > MOST_DIGITS {
                return None;
            }
        } else if matches!(character, '+' | '＋') {
            // A plus after digits is an exponent (9.89E+11) or a second number.
            if !digits.is_empty() {
                return None;
            }
            international = true;
        } else if character == '(' && international && characters.peek() == Some(&'0') {
            // +44 (0)20: the trunk zero, for callers at home.
            let mut rest = characters.clone();
            rest.next();
            if rest.next() == Some(')') {
                characters = rest;
            }
        } else if !digits.is_empty() {
            let ends = matches!(character, '/' | ',' | ';' | '|' | '#' | '\n' | '،' | '؛')
                || character.is_alphabetic();
            if ends && digits.len() >= 6 {
                break;
            }
            if character.is_alphabetic() {
                return None;
            }
        }
    }
    (digits.len() >= 4).then_some((digits, international))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_number_has_one_form() {
        for (text, country, e164) in [
            ("0912 123 4567", Some("IR"), Some("+989121234567")),
            ("9121234567", Some("Iran"), Some("+989121234567")),
            ("989121234567", Some("ایران"), Some("+989121234567")),
            ("+98 (0) 912 123 4567", None, Some("+989121234567")),
            ("+98 (0)912 123 4567", None, Some("+989121234567")),
            ("٠٥٠ ١٢٣ ٤٥٦٧", Some("AE"), Some("+971501234567")),
            ("Tel: 0501234567", Some("السعودية"), Some("+966501234567")),
            ("(415) 555-2671 ext. 12", Some("US"), Some("+14155552671")),
            ("011 44 20 7946 0958", Some("US"), Some("+442079460958")),
            ("0412-5551234 / 0414-5551234", Some("VE"), Some("+584125551234")),
            ("+34 612 34 56 78", Some("US"), Some("+34612345678")),
            ("612 34 56 78", None, None),
            ("9.89121E+11", Some("IR"), None),
            ("000000", Some("IR"), None),
            ("", Some("IR"), None),
        ] {
            assert_eq!(phone_e164(text, country).as_deref(), e164, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), country in any::<Option<String>>()) {
            let _ = phone_kind(&text, country.as_deref());
        }

        #[test]
        fn normalising_twice_is_once(text in "[+0-9 ()-]{4,18}", country in "IR|US|ES|AE|GB") {
            if let Some(once) = phone_e164(&text, Some(&country)) {
                prop_assert_eq!(phone_e164(&once, None), Some(once.clone()));
                prop_assert!(phone_national(&once, None).is_some());
                prop_assert_eq!(phone_kind(&once, None), phone_kind(&text, Some(&country)));
            }
        }
    }
}
