//! Two postcodes, by how much of the way a letter goes they share.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Comparator, ComparisonKind, UNKNOWN};
use crate::resolve::columns::Tuples;
use crate::resolve::fold;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "postcode",
    description: "Postcodes as their country reads them: sector (N1 9), district (N1) and area (N) of a British one, \
        longer and shorter beginnings of others; one character wrong or two swapped.",
    columns: &["postcode", "country"],
    levels: &["exact", "same sector", "one edit", "same district", "same area", "else"],
    thresholds: &[],
    normalise,
    build,
};

fn normalise(column: usize, text: &str) -> Option<Cow<'_, str>> {
    if column == 1 {
        return fold::country_code(text).map(Cow::Owned);
    }
    let letters = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase);
    Some(letters.collect::<String>().into())
}

struct Postcode {
    /// Without spaces and hyphens.
    whole: String,
    /// The bytes of sector, district and area.
    prefixes: [usize; 3],
    country: Option<String>,
}

/// Countries whose codes have letters, by which a code without a country is known.
const LETTERED: &[&str] = &["GB", "CA", "NL"];

fn prepare(text: &str, country: Option<&str>) -> Postcode {
    let of = |country| fold::postcode_normalise(text, Some(country)).map(|code| (code, country));
    let lettered = text.chars().any(|c| c.is_alphabetic());
    let known = match country {
        Some(country) => of(country),
        None if lettered => LETTERED.iter().find_map(|country| of(country)),
        None => None,
    };
    let (code, read_as) = known.unwrap_or_else(|| (text.to_owned(), ""));
    let whole: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    let length = whole.len();
    let prefixes = match read_as {
        "GB" => {
            let area = whole.bytes().take_while(u8::is_ascii_alphabetic).count();
            [length.saturating_sub(2), length.saturating_sub(3), area]
        }
        "CA" => [3, 3, 1],
        "NL" => [4, 3, 2],
        _ => {
            let sector = (length * 4).div_ceil(5).min(length.saturating_sub(1));
            [sector, length * 3 / 5, length / 5]
        }
    };
    let prefixes = prefixes.map(|prefix| prefix.min(length).max(1));
    Postcode { whole, prefixes, country: country.map(str::to_owned) }
}

struct Postcodes {
    /// None where only the country is known.
    codes: Vec<Option<Postcode>>,
}

fn build(tuples: &Arc<Tuples>, _: &[f64]) -> Box<dyn Comparator> {
    let code = |code| {
        let prepared = prepare(tuples.part(code, 0)?, tuples.part(code, 1));
        (!prepared.whole.is_empty()).then_some(prepared)
    };
    Box::new(Postcodes { codes: (0..tuples.len() as u32).map(code).collect() })
}

/// Codes shorter than this are one edit apart by chance.
const SHORT: usize = 4;

impl Comparator for Postcodes {
    fn level(&self, l: u32, r: u32) -> u8 {
        let (Some(l), Some(r)) = (&self.codes[l as usize], &self.codes[r as usize]) else {
            return UNKNOWN;
        };
        // A missing country does not speak against.
        if l.country.is_some() && r.country.is_some() && l.country != r.country {
            return 6;
        }
        if l.whole == r.whole {
            return 1;
        }
        let shared = |place: usize| {
            let (own, other) = (l.prefixes[place], r.prefixes[place]);
            own == other && l.whole.get(..own) == r.whole.get(..other)
        };
        let long = l.whole.len() >= SHORT && r.whole.len() >= SHORT;
        match () {
            () if shared(0) => 2,
            () if long && similarity::one_edit(&l.whole, &r.whole) => 3,
            () if shared(1) => 4,
            () if shared(2) => 5,
            () => 6,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

    #[test]
    fn each_country_has_its_parts() {
        let cases = [
            (["N1 9GU", "GB"], ["n19gu", "United Kingdom"], "exact"),
            (["N1 9GU", "GB"], ["N1 9GU", ""], "exact"),
            (["N1 9GU", ""], ["N1 9XX", ""], "same sector"),
            (["N1 9GU", "GB"], ["N1 8GU", "GB"], "one edit"),
            (["N1 9GU", "GB"], ["N1 8XX", "GB"], "same district"),
            (["N1 9GU", "GB"], ["N16 8XX", "GB"], "same area"),
            (["N1 9GU", "GB"], ["E1 1AA", "GB"], "else"),
            (["02139", "US"], ["2139", "US"], "exact"),
            (["02139-4307", "US"], ["02139", "US"], "exact"),
            (["02139", "US"], ["02138", "US"], "same sector"),
            (["02139", "US"], ["02319", "US"], "one edit"),
            (["02139", "US"], ["02155", "US"], "same district"),
            (["02139", "US"], ["06510", "US"], "same area"),
            (["80331", "DE"], ["80331", "FR"], "else"),
            (["K1A 0B1", "CA"], ["K1A 9Z9", "CA"], "same sector"),
            (["1136915511", "IR"], ["1136911111", "IR"], "same district"),
            (["", "GB"], ["N1 9GU", "GB"], "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("postcode", &l, &r), expected, "{l:?} {r:?}");
        }
    }
}
