//! Two postal addresses, as one comparison: street, city and postcode depend on each other, and
//! apart they would be counted three times.
//!
//! In two scripts a street is compared by its numbers and by what its words sound like, and a city
//! that does not sound alike says nothing: Cairo is القاهرة.

use super::tokens::token_sets;
use super::{Comparator, ComparisonKind, UNKNOWN};
use crate::resolve::columns::{MISSING, Tuples};
use crate::resolve::fold;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "address",
    description: "Postal addresses: street with number and place, street nearly, postcode, city.",
    columns: &["street", "city", "postcode"],
    levels: &[
        "same street and place",
        "similar street and place",
        "similar street",
        "same postcode",
        "same city",
        "else",
    ],
    thresholds: &[],
    normalise,
    build,
};

fn normalise(column: usize, text: &str) -> Option<String> {
    match column {
        // A postcode is written with and without its space.
        2 => fold::text_fold(text).map(|text| text.replace(' ', "")),
        _ => fold::text_fold(text),
    }
}

/// Words shared over all words, from which two streets are similar.
const SIMILAR: f64 = 0.5;

struct Street {
    words: Vec<u32>,
    /// The words with digits, sorted: house and flat numbers.
    numbers: Vec<String>,
    /// Skeletons of the words that are long enough to tell, sorted.
    sounds: Vec<String>,
    latin: bool,
}

struct City {
    skeleton: Option<String>,
    latin: bool,
}

/// A skeleton shorter than this is shared by chance.
const SHORT: usize = 3;

struct Addresses {
    streets: Vec<Street>,
    cities: Vec<City>,
    /// Street, city and postcode codes of each address.
    parts: Vec<[u32; 3]>,
}

fn build(tuples: &Tuples, _: &[f64]) -> Box<dyn Comparator> {
    let values = tuples.values(0);
    let streets = token_sets(values)
        .into_iter()
        .enumerate()
        .map(|(code, words)| {
            let text = values.get(code as u32).split_whitespace();
            let mut numbers: Vec<String> = text
                .filter(|word| word.chars().any(|c| c.is_ascii_digit()))
                .map(str::to_owned)
                .collect();
            numbers.sort_unstable();
            let text = values.get(code as u32);
            let mut sounds: Vec<String> = text
                .split_whitespace()
                .filter_map(fold::name_skeleton)
                .filter(|sound| sound.len() >= SHORT)
                .collect();
            sounds.sort_unstable();
            Street { words, numbers, sounds, latin: text.is_ascii() }
        })
        .collect();
    let cities = (0..tuples.values(1).len() as u32)
        .map(|code| {
            let text = tuples.values(1).get(code);
            City { skeleton: fold::name_skeleton(text), latin: text.is_ascii() }
        })
        .collect();
    let parts = (0..tuples.len() as u32)
        .map(|code| [0, 1, 2].map(|column| tuples.part_code(code, column)))
        .collect();
    Box::new(Addresses { streets, cities, parts })
}

impl Addresses {
    /// Whether two cities are one; unknown where they are in two scripts and do not sound alike.
    fn city(&self, l: u32, r: u32) -> Option<bool> {
        let same = agree(l, r)?;
        let (l, r) = (&self.cities[l as usize], &self.cities[r as usize]);
        let sound = l.skeleton.is_some() && l.skeleton == r.skeleton;
        (same || sound || l.latin == r.latin).then_some(same || sound)
    }
}

/// Whether two sorted lists have an element in common.
fn meet(l: &[String], r: &[String]) -> bool {
    l.iter().any(|own| r.binary_search(own).is_ok())
}

/// Whether two codes are known and equal; known and different; or not both known.
fn agree(l: u32, r: u32) -> Option<bool> {
    (l != MISSING && r != MISSING).then_some(l == r)
}

impl Comparator for Addresses {
    fn level(&self, l: u32, r: u32) -> u8 {
        let ([street_l, city_l, code_l], [street_r, city_r, code_r]) =
            (self.parts[l as usize], self.parts[r as usize]);
        let street = agree(street_l, street_r);
        let (city, postcode) = (self.city(city_l, city_r), agree(code_l, code_r));
        if street.is_none() && city.is_none() && postcode.is_none() {
            return UNKNOWN;
        }
        // A postcode decides the place where it is known; a missing place does not speak against.
        let place = postcode.or(city).unwrap_or(true);
        if street == Some(true) {
            return if place { 1 } else { 2 };
        }
        let mut incomparable = false;
        if street == Some(false) {
            let (l, r) = (&self.streets[street_l as usize], &self.streets[street_r as usize]);
            if l.latin != r.latin {
                let same_numbers = meet(&l.numbers, &r.numbers);
                if same_numbers && meet(&l.sounds, &r.sounds) {
                    return if place { 2 } else { 3 };
                }
                incomparable = same_numbers || l.numbers.is_empty() || r.numbers.is_empty();
            } else if similarity::jaccard(&l.words, &r.words) >= SIMILAR {
                let same_numbers = l.numbers == r.numbers;
                return if place && same_numbers { 2 } else { 3 };
            }
        }
        match (postcode, city) {
            (Some(true), _) => 4,
            (_, Some(true)) => 5,
            _ if incomparable => UNKNOWN,
            _ => 6,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

    #[test]
    fn street_and_place_are_one_comparison() {
        let home = ["12 Rose Street", "London", "N1 9GU"];
        let cases = [
            (["12, rose street", "london", "n19gu"], "same street and place"),
            (["12 Rose St", "London", "N1 9GU"], "similar street and place"),
            (["14 Rose Street", "London", "N1 9GU"], "similar street"),
            (["3 Mill Lane", "London", "N1 9GU"], "same postcode"),
            (["3 Mill Lane", "London", "E1 1AA"], "same city"),
            (["3 Mill Lane", "Leeds", "LS1 1AA"], "else"),
            (["", "", ""], "missing"),
            (["", "London", ""], "same city"),
            (["", "لندن", ""], "same city"),
            (["", "الرياض", ""], "missing"),
        ];
        for (other, expected) in cases {
            assert_eq!(level("address", &home, &other), expected, "{other:?}");
        }
    }

    #[test]
    fn streets_in_two_scripts_are_compared_by_number_and_sound() {
        let home = ["37 Ramses St", "Cairo", ""];
        let cases = [
            (["37 شارع رمسيس", "القاهرة", ""], "similar street and place"),
            (["39 شارع رمسيس", "القاهرة", ""], "else"),
            (["37 شارع الهرم", "القاهرة", ""], "missing"),
            (["شارع رمسيس", "Cairo", ""], "same city"),
        ];
        for (other, expected) in cases {
            assert_eq!(level("address", &home, &other), expected, "{other:?}");
        }
    }
}
