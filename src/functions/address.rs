//! A street address in one line, taken apart: street, house number, unit.
//!
//! Knows the words for streets, numbers and flats in English, Spanish, Arabic and Persian. It has
//! no map: two spellings of a street are one only if their words are.

use super::script::text_fold;
use super::{Function, kernel};

pub(crate) const ADDRESS_NUMBER: Function = Function {
    name: "address_number",
    group: "place",
    signature: "address_number(text)",
    returns: "text",
    summary: "The house number in a street address, folded: after a word for number, else the first or last word that is one; null when there is none.",
    examples: &[
        ("address_number('221B Baker Street')", "221b"),
        ("address_number('Calle Mayor nº 12, 3º piso')", "12"),
        ("address_number('تهران، خیابان ولیعصر، پلاک ۱۲')", "12"),
    ],
    make: || kernel::text("address_number", |text| Address::parse(text)?.number),
};

pub(crate) const ADDRESS_STREET: Function = Function {
    name: "address_street",
    group: "place",
    signature: "address_street(text)",
    returns: "text",
    summary: "The street of an address, folded, without number, unit and what it is near (near, entre, بجوار: after a street with its number); words for kinds of street are one word in every language (St, Calle, شارع, خیابان: street; Av, Avenida: avenue).",
    examples: &[
        ("address_street('12 Main St. near Mill Lane')", "main street"),
        ("address_street('12 N. Main St., Apt 4')", "north main street"),
        ("address_street('C/ Mayor, 12') = address_street('Calle Mayor nº 12')", "true"),
        ("address_street('شارع التحرير')", "street التحرير"),
    ],
    make: || kernel::text("address_street", |text| Address::parse(text)?.street),
};

pub(crate) const ADDRESS_UNIT: Function = Function {
    name: "address_unit",
    group: "place",
    signature: "address_unit(text)",
    returns: "text",
    summary: "The flat, suite, floor or office in a street address, folded and without the word for it; null when there is none.",
    examples: &[
        ("address_unit('12 Main St Apt. 4-B')", "4b"),
        ("address_unit('Calle Mayor 12, piso 3')", "3"),
        ("address_unit('12 Main St')", ""),
    ],
    make: || kernel::text("address_unit", |text| Address::parse(text)?.unit),
};

/// The parts of a street address, folded, `None` where absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// Words of the street, kinds of street in one spelling.
    pub street: Option<String>,
    /// House number.
    pub number: Option<String>,
    /// Flat, suite, floor, office: values alone, parted by spaces.
    pub unit: Option<String>,
}

/// Words for kinds of street and directions, and the one spelling of each. Sorted.
const KINDS: &[(&str, &str)] = &[
    ("autopista", "highway"),
    ("av", "avenue"),
    ("avda", "avenue"),
    ("ave", "avenue"),
    ("aven", "avenue"),
    ("avenida", "avenue"),
    ("bd", "boulevard"),
    ("bldg", "building"),
    ("blvd", "boulevard"),
    ("bulevar", "boulevard"),
    ("bulevard", "boulevard"),
    ("calle", "street"),
    ("callejon", "alley"),
    ("carr", "carrera"),
    ("cir", "circle"),
    ("cl", "street"),
    ("cra", "carrera"),
    ("ct", "court"),
    ("dr", "drive"),
    ("e", "east"),
    ("edif", "building"),
    ("edificio", "building"),
    ("este", "east"),
    ("hwy", "highway"),
    ("kra", "carrera"),
    ("ln", "lane"),
    ("mt", "mount"),
    ("n", "north"),
    ("norte", "north"),
    ("oeste", "west"),
    ("pkwy", "parkway"),
    ("pky", "parkway"),
    ("pl", "place"),
    ("plaza", "square"),
    ("plz", "square"),
    ("rd", "road"),
    ("rte", "route"),
    ("ruta", "route"),
    ("s", "south"),
    ("sq", "square"),
    ("st", "street"),
    ("str", "street"),
    ("sur", "south"),
    ("ter", "terrace"),
    ("terr", "terrace"),
    ("transv", "transversal"),
    ("urb", "urbanizacion"),
    ("w", "west"),
    ("اتوبان", "highway"),
    ("بزرگراه", "highway"),
    ("بنايه", "building"),
    ("بولوار", "boulevard"),
    ("جاده", "road"),
    ("جنوبي", "south"),
    ("حاره", "alley"),
    ("خ", "street"),
    ("خيابان", "street"),
    ("زقاق", "alley"),
    ("ساختمان", "building"),
    ("ش", "street"),
    ("شارع", "street"),
    ("شرقي", "east"),
    ("شمالي", "north"),
    ("طريق", "road"),
    ("غربي", "west"),
    ("كوچه", "alley"),
    ("ميدان", "square"),
];

/// Words after which the house number stands.
const NUMBER_WORDS: &[&str] = &[
    "casa",
    "hno",
    "no",
    "nr",
    "nro",
    "num",
    "number",
    "numero",
    "بلاك",
    "پلاك",
    "رقم",
    "شماره",
    "عماره",
    "مبني",
];

/// Words for a part of a house. A value follows, or (3º piso) stands before.
const UNIT_WORDS: &[&str] = &[
    "apartamento",
    "apartment",
    "apartamiento",
    "apt",
    "apto",
    "depto",
    "departamento",
    "dpto",
    "flat",
    "floor",
    "fl",
    "local",
    "of",
    "office",
    "oficina",
    "ofic",
    "piso",
    "puerta",
    "room",
    "rm",
    "ste",
    "suite",
    "unit",
    "الدور",
    "دور",
    "شقه",
    "طابق",
    "الطابق",
    "طبقه",
    "مكتب",
    "واحد",
];

/// Words after which stands what an address is near: a cross street, a landmark.
const NEAR_WORDS: &[&str] = &[
    "across",
    "at",
    "behind",
    "beside",
    "between",
    "btwn",
    "cerca",
    "cnr",
    "corner",
    "detras",
    "entre",
    "esq",
    "esquina",
    "facing",
    "frente",
    "junto",
    "near",
    "next",
    "opp",
    "opposite",
    "بجانب",
    "بجوار",
    "بين",
    "پشت",
    "تقاطع",
    "جنب",
    "خلف",
    "روبروي",
    "قرب",
    "مقابل",
    "ناصيه",
    "نبش",
    "نزديك",
];

/// Kinds of street that have a number for a name behind them: Calle 5, شارع ٥.
const NAMED_BY_NUMBER: &[&str] =
    &["alley", "avenue", "carrera", "highway", "road", "route", "street", "transversal"];

impl Address {
    /// Takes a line apart. `#4` and words for a flat with their values are the unit; a word for
    /// number with its value, else a leading number, else the last number that is not part of a
    /// street's name ("Calle 5", "5th Avenue"), is the house number; the rest is the street, to a
    /// word such as "near" if street and number stand before it. `None` when there is no word.
    pub fn parse(text: &str) -> Option<Self> {
        // "#" marks a unit or a number, "nº" a number: neither survives folding.
        let marked = text
            .replace('#', " num ")
            .replace("C/", "calle ")
            .replace("c/", "calle ")
            .replace("Nº", "num ")
            .replace("nº", "num ")
            .replace("N°", "num ")
            .replace("n°", "num ");
        let folded = text_fold(&marked)?;
        let all = Self::of(&folded);
        Some(match before_near(&folded) {
            Some(place) => Address { unit: all.unit, ..Self::of(place) },
            None => all,
        })
    }

    /// The parts of a folded line, every word of which is of one of them.
    fn of(folded: &str) -> Self {
        let words: Vec<&str> = folded.split(' ').collect();
        let mut taken = vec![false; words.len()];
        let mut unit: Vec<&str> = Vec::new();
        let mut number = None;
        let word = |at: usize| words.get(at).copied();
        for at in 0..words.len() {
            let Some(here) = word(at) else { break };
            if taken.get(at).copied().unwrap_or(true) {
                continue;
            }
            if UNIT_WORDS.contains(&here) && at > 0 {
                let mut next = at + 1;
                if word(next).is_some_and(|word| NUMBER_WORDS.contains(&word)) {
                    mark(&mut taken, next);
                    next += 1;
                }
                let before = at.checked_sub(1).filter(|before| {
                    word(*before).is_some_and(is_ordinal)
                        && !taken.get(*before).copied().unwrap_or(true)
                });
                if let Some(value) = word(next).filter(|word| is_unit_value(word)) {
                    mark(&mut taken, at);
                    mark(&mut taken, next);
                    unit.push(value);
                    // 4-B folds to two words.
                    if is_number(value)
                        && let Some(letter) = word(next + 1).filter(|word| is_letter(word))
                    {
                        mark(&mut taken, next + 1);
                        unit.push(letter);
                    }
                } else if let Some(before) = before {
                    mark(&mut taken, at);
                    mark(&mut taken, before);
                    unit.extend(word(before));
                }
            } else if NUMBER_WORDS.contains(&here)
                && let Some(value) = word(at + 1).filter(|word| has_digit(word))
            {
                mark(&mut taken, at);
                mark(&mut taken, at + 1);
                // A second marked number is a unit: 12 Main St #4.
                let leading =
                    word(0).is_some_and(is_house_number) && !taken.first().copied().unwrap_or(true);
                if number.is_none() && !leading {
                    number = Some(value);
                } else {
                    unit.push(value);
                }
            }
        }
        let free = |taken: &[bool], at: usize| !taken.get(at).copied().unwrap_or(true);
        // Calle 5, شارع ٥; but Main Street 12 is a house.
        let named = |at: usize| {
            at == 1 && word(0).is_some_and(|before| NAMED_BY_NUMBER.contains(&kind(before, false)))
        };
        if number.is_none() {
            let mut candidates = (0..words.len()).filter(|&at| {
                free(&taken, at) && word(at).is_some_and(is_house_number) && !named(at)
            });
            let found = if free(&taken, 0) && word(0).is_some_and(is_house_number) {
                Some(0)
            } else {
                candidates.next_back()
            };
            // A line that is nothing but a number names a street by it.
            if let Some(at) = found
                && words.len() > 1
            {
                mark(&mut taken, at);
                number = word(at);
            }
        }
        let left: Vec<usize> = (0..words.len()).filter(|&at| free(&taken, at)).collect();
        let street: Vec<&str> = left
            .iter()
            .enumerate()
            .filter_map(|(position, &at)| {
                let word = word(at)?;
                Some(kind(word, position == 0 && left.len() > 1))
            })
            .collect();
        let join = |words: &[&str], by: &str| (!words.is_empty()).then(|| words.join(by));
        Address {
            street: join(&street, " "),
            number: number.map(str::to_owned),
            unit: join(&unit, ""),
        }
    }
}

/// What stands in a folded line before a word such as "near": the address, if it has a street by
/// name and a house number. `None` where it has not (a crossing, a landmark alone), and where there
/// is no such word.
pub(crate) fn before_near(folded: &str) -> Option<&str> {
    let named = |street: &str| !street.split(' ').all(|word| KINDS.iter().any(|own| own.1 == word));
    let mut end = 0;
    for word in folded.split(' ') {
        if is_near(word) && end > 0 {
            let before = &folded[..end - 1];
            let parts = Address::of(before);
            if parts.number.is_some() && parts.street.as_deref().is_some_and(named) {
                return Some(before);
            }
        }
        end += word.len() + 1;
    }
    None
}

/// Whether what an address is near stands after this folded word.
pub(crate) fn is_near(word: &str) -> bool {
    NEAR_WORDS.contains(&word)
}

fn mark(taken: &mut [bool], at: usize) {
    if let Some(taken) = taken.get_mut(at) {
        *taken = true;
    }
}

/// A folded word of a street, in one spelling if it is a kind of street or a direction. "St" that
/// leads, with more words behind it, is a saint.
pub(crate) fn kind(word: &str, leads: bool) -> &str {
    if leads && word == "st" {
        return "saint";
    }
    match KINDS.binary_search_by_key(&word, |(written, _)| written) {
        Ok(position) => KINDS.get(position).map_or(word, |(_, one)| one),
        Err(_) => word,
    }
}

fn has_digit(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_digit())
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_letter(word: &str) -> bool {
    word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Digits, with at most two letters behind that make no ordinal: 12, 12b, not 5th.
fn is_house_number(word: &str) -> bool {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < word.len()
        && rest.len() <= 2
        && rest.is_ascii()
        && !matches!(rest, "st" | "nd" | "rd" | "th")
}

/// What may number a flat: a word with a digit, or one letter.
fn is_unit_value(word: &str) -> bool {
    has_digit(word) || is_letter(word) || matches!(word, "ph" | "pb" | "bajo" | "همكف" | "ارضي")
}

/// 3, 3rd, 3o (3º folded): what stands before "floor" or "piso".
fn is_ordinal(word: &str) -> bool {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < word.len()
        && matches!(rest, "st" | "nd" | "rd" | "th" | "o" | "a" | "er" | "ro" | "do" | "to")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_sorted_and_folded() {
        assert!(KINDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let kinds = KINDS.iter().map(|(word, _)| word);
        for word in kinds.chain(NUMBER_WORDS).chain(UNIT_WORDS).chain(NEAR_WORDS) {
            assert_eq!(text_fold(word).as_deref(), Some(*word));
        }
        for (_, one) in KINDS {
            assert_eq!(kind(one, false), *one);
        }
    }

    #[test]
    fn addresses_of_four_languages() {
        for (text, street, number, unit) in [
            ("12 Main St", "main street", Some("12"), None),
            ("12 Main Street #4", "main street", Some("12"), Some("4")),
            ("350 Fifth Ave., Suite 300", "fifth avenue", Some("350"), Some("300")),
            ("1600 5th Avenue", "5th avenue", Some("1600"), None),
            ("St James Rd 7", "saint james road", Some("7"), None),
            ("Calle 5, casa 12", "street 5", Some("12"), None),
            (
                "Av. Bolívar, Edif. Sol, piso 3, apto 3-A",
                "avenue bolivar building sol",
                None,
                Some("33a"),
            ),
            ("Avda. de América 25, 3º piso", "avenue de america", Some("25"), Some("3o")),
            (
                "خیابان آزادی کوچه بهار پلاک ۵ واحد ۲",
                "street ازادي alley بهار",
                Some("5"),
                Some("2"),
            ),
            ("١٥ شارع النيل شقة ٧", "street النيل", Some("15"), Some("7")),
            ("Main Street", "main street", None, None),
            ("Hauptstraße 12", "hauptstrasse", Some("12"), None),
            ("Main Street 12", "main street", Some("12"), None),
            ("12 Main St. near Mill Lane", "main street", Some("12"), None),
            ("12 Main St. at 5th Ave., Apt 4", "main street", Some("12"), Some("4")),
            ("Calle 5 Nº 12 entre 3 y 4", "street 5", Some("12"), None),
            (
                "At Corner House, 12 Main St. near Mill",
                "at corner house main street",
                Some("12"),
                None,
            ),
            ("12 Opposite Road", "opposite road", Some("12"), None),
            ("١٢ شارع بين القصرين", "street بين القصرين", Some("12"), None),
            ("١٥ شارع النيل بجوار المسجد", "street النيل", Some("15"), None),
            // No house before it: what is near is all that tells.
            ("Main St. near Mill Lane", "main street near mill lane", None, None),
            ("5th Ave. at Mill Lane", "5th avenue at mill lane", None, None),
        ] {
            let address = Address::parse(text).unwrap();
            let parts =
                (address.street.as_deref(), address.number.as_deref(), address.unit.as_deref());
            assert_eq!(parts, (Some(street), number, unit), "{text}");
        }
        assert_eq!(Address::parse(" , "), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = Address::parse(&text);
        }

        #[test]
        fn near_addresses_never_panic(text in "((12|4b|5th|main|near|st|calle|piso|apt|no|#|3º|شارع|واحد|a)[ ,]){0,8}") {
            let _ = Address::parse(&text);
        }
    }
}
