//! Postal codes in their country's usual form.
//!
//! Knows how the codes of some countries are written; it has no list of the codes in use.

use super::{Function, country::country_alpha2, kernel, script::digits_ascii};

pub(crate) const POSTCODE_NORMALISE: Function = Function {
    name: "postcode_normalise",
    group: "place",
    signature: "postcode_normalise(text[, country])",
    returns: "text",
    summary: "The postal code in capitals and ASCII digits, spaced as its country does; the first five digits of a US ZIP+4; zeros that a spreadsheet took from the front put back where the country is known; null when it cannot be one of that country.",
    examples: &[
        ("postcode_normalise('sw1a1aa', 'GB')", "SW1A 1AA"),
        ("postcode_normalise('2139-4307', 'US')", "02139"),
        ("postcode_normalise('۱۱۳۶۹-۱۵۵۱۱', 'ایران')", "1136915511"),
        ("postcode_normalise('123', 'GB')", ""),
    ],
    make: || kernel::text_by("postcode_normalise", postcode_normalise),
};

/// Countries whose codes are digits alone, with how many.
const DIGITS: &[(&str, usize)] = &[
    ("AT", 4),
    ("AU", 4),
    ("BE", 4),
    ("BR", 8),
    ("CH", 4),
    ("CL", 7),
    ("CN", 6),
    ("CO", 6),
    ("CR", 5),
    ("DE", 5),
    ("DK", 4),
    ("DZ", 5),
    ("EC", 6),
    ("EG", 5),
    ("ES", 5),
    ("FI", 5),
    ("FR", 5),
    ("GR", 5),
    ("HU", 4),
    ("ID", 5),
    ("IL", 7),
    ("IN", 6),
    ("IQ", 5),
    ("IR", 10),
    ("IT", 5),
    ("JO", 5),
    ("JP", 7),
    ("KR", 5),
    ("KW", 5),
    ("MA", 5),
    ("MX", 5),
    ("MY", 5),
    ("NO", 4),
    ("NZ", 4),
    ("OM", 3),
    ("PE", 5),
    ("PK", 5),
    ("RO", 6),
    ("RU", 6),
    ("SA", 5),
    ("TH", 5),
    ("TN", 4),
    ("TR", 5),
    ("TW", 3),
    ("UA", 5),
    ("UY", 5),
    ("VE", 4),
    ("ZA", 4),
];

/// The code in its country's form. `country` is any text that `country_code` knows; without one,
/// or for a country without a rule here, letters and digits in capitals, 2 to 10 of them, one a
/// digit. `None` when the text cannot be a code of the country.
pub fn postcode_normalise(text: &str, country: Option<&str>) -> Option<String> {
    let digits = digits_ascii(text);
    let code: String =
        digits.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect();
    if !code.is_ascii() {
        return None;
    }
    let country = country.and_then(country_alpha2).unwrap_or("");
    // As Excel writes a number, and as Germans and others write the country before the code.
    let code = code.strip_prefix(country).filter(|rest| rest.len() >= 4).unwrap_or(&code);
    let numeric = code.bytes().all(|byte| byte.is_ascii_digit());
    match country {
        "US" | "PR" => {
            // ZIP+4 keeps its hyphen in most exports, so a lost zero shows in the part before it.
            let first = digits.split(['-', ' ']).find(|part| !part.is_empty()).unwrap_or("");
            let zip = match code.len() {
                9 => code.get(..5)?,
                3..=5 => code,
                7 | 8 if matches!(first.len(), 3 | 4) => first,
                _ => return None,
            };
            numeric.then(|| format!("{zip:0>5}"))
        }
        "GB" => {
            let inward = code.len().checked_sub(3)?;
            let (outward, inward) = (code.get(..inward)?, code.get(inward..)?);
            let shape = (2..=4).contains(&outward.len())
                && outward.starts_with(|c: char| c.is_ascii_alphabetic())
                && outward.contains(|c: char| c.is_ascii_digit())
                && is_shape(inward, "9AA");
            shape.then(|| format!("{outward} {inward}"))
        }
        "CA" => is_shape(code, "A9A9A9")
            .then(|| Some(format!("{} {}", code.get(..3)?, code.get(3..)?)))?,
        "NL" => is_shape(code, "9999AA")
            .then(|| Some(format!("{} {}", code.get(..4)?, code.get(4..)?)))?,
        "PT" => is_shape(code, "9999999")
            .then(|| Some(format!("{}-{}", code.get(..4)?, code.get(4..)?)))?,
        "PL" => is_shape(code, "99999")
            .then(|| Some(format!("{}-{}", code.get(..2)?, code.get(2..)?)))?,
        "SE" | "CZ" | "SK" => is_shape(code, "99999")
            .then(|| Some(format!("{} {}", code.get(..3)?, code.get(3..)?)))?,
        "AR" => (is_shape(code, "9999") || is_shape(code, "A9999AAA")).then(|| code.to_owned()),
        _ => match DIGITS.binary_search_by_key(&country, |(country, _)| country) {
            Ok(position) => {
                let (_, length) = DIGITS.get(position)?;
                let whole = code.len() == *length || (code.len() + 1 == *length && *length > 4);
                // Saudi and Venezuelan codes may carry an addition of four or one.
                let addition =
                    (country == "SA" && code.len() == 9) || (country == "VE" && code.len() == 5);
                if !numeric || !(whole || addition) {
                    return None;
                }
                if addition && country == "SA" {
                    return code.get(..5).map(str::to_owned);
                }
                if addition {
                    return Some(code.to_owned());
                }
                Some(format!("{code:0>length$}"))
            }
            Err(_) => {
                let plausible =
                    (2..=10).contains(&code.len()) && code.contains(|c: char| c.is_ascii_digit());
                plausible.then(|| code.to_owned())
            }
        },
    }
}

/// Whether the code has a letter where the shape has A and a digit where it has 9.
fn is_shape(code: &str, shape: &str) -> bool {
    code.len() == shape.len()
        && code.bytes().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
            b'A' => byte.is_ascii_uppercase(),
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_of_many_countries() {
        assert!(DIGITS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (text, country, code) in [
            ("02139", "US", Some("02139")),
            ("2139", "US", Some("02139")),
            ("021394307", "US", Some("02139")),
            ("k1a 0b1", "Canada", Some("K1A 0B1")),
            ("D-80331", "DE", None),
            ("DE-80331", "DE", Some("80331")),
            ("8001", "ES", Some("08001")),
            ("1012ab", "NL", Some("1012 AB")),
            ("11564-7412", "SA", Some("11564")),
            ("1010-A", "VE", None),
            ("1010", "VE", Some("1010")),
            ("c1425 abc", "AR", Some("C1425ABC")),
            ("none", "", None),
            ("lv-1010", "", Some("LV1010")),
        ] {
            assert_eq!(
                postcode_normalise(text, Some(country)).as_deref(),
                code,
                "{text} {country}"
            );
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_is_once(text in "[A-Za-z0-9 -]{1,11}|.{0,10}", country in "US|GB|CA|NL|PT|PL|SE|AR|ES|IR|SA|VE|DE||XX") {
            if let Some(once) = postcode_normalise(&text, Some(&country)) {
                prop_assert_eq!(postcode_normalise(&once, Some(&country)), Some(once.clone()));
            }
        }
    }
}
