//! Two postal addresses, as one comparison: street, city and postcode depend on each other, and
//! apart they would be counted three times.
//!
//! In two scripts a street is compared by its numbers and by what its words sound like, and a city
//! that does not sound alike says nothing: Cairo is القاهرة.

use std::borrow::Cow;
use std::sync::Arc;

use super::tokens::{Bag, Bags, Lists};
use super::{Comparator, ComparisonKind, Crowd, UNKNOWN};
use crate::intern::Texts;
use crate::resolve::columns::{MISSING, Tuples, Values};
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

fn normalise(column: usize, text: &str) -> Option<Cow<'_, str>> {
    match column {
        // A postcode is written with and without its space.
        2 => fold::text_fold(text).map(|text| match text.contains(' ') {
            true => text.replace(' ', "").into(),
            false => text,
        }),
        _ => fold::text_fold(text),
    }
}

/// Words shared over all words, from which two streets are similar.
const SIMILAR: f64 = 0.5;

/// The loosest level.
const ELSE: u8 = 6;

/// A skeleton shorter than this is shared by chance.
const SHORT: usize = 3;

/// The distinct streets, as codes of their words.
struct Streets {
    /// Words, as sorted sets, and what bounds how many two streets share.
    words: Lists,
    bags: Vec<Bag>,
    /// The words with digits, sorted: house and flat numbers.
    numbers: Lists,
    /// What words sound like that are long enough to tell; sorted, and empty where all streets are
    /// in one script.
    sounds: Lists,
    latin: Vec<bool>,
}

struct Addresses {
    streets: Streets,
    /// By city, a code of what it sounds like, and whether it is in Latin letters.
    cities: Vec<(u32, bool)>,
    /// The addresses, of street, city and postcode codes.
    tuples: Arc<Tuples>,
}

/// What is known of a word by itself.
struct Word {
    /// The code of its one spelling: `st` is `street`.
    kind: u32,
    /// The same where it leads what is no number: `st` is `saint`.
    leading: u32,
    digits: bool,
    /// After it stands what an address is near.
    near: bool,
}

/// The words of streets, each looked at once.
#[derive(Default)]
struct Words {
    known: Texts,
    all: Vec<Word>,
}

impl Words {
    /// The words of a line, of what stands in it before a word such as "near".
    fn of(&mut self, line: &str, words: &mut Vec<u32>) {
        words.clear();
        let mut near = false;
        for word in line.split_whitespace() {
            let number = self.number(word);
            near |= self.all[number as usize].near;
            words.push(number);
        }
        if near && let Some(before) = fold::before_near(line) {
            words.truncate(before.split_whitespace().count());
        }
    }

    /// The code of a word.
    fn number(&mut self, word: &str) -> u32 {
        let number = self.known.number(word);
        if number as usize == self.all.len() {
            let digits = word.bytes().any(|byte| byte.is_ascii_digit());
            self.all.push(Word {
                kind: number,
                leading: number,
                digits,
                near: fold::is_near(word),
            });
            for leads in [false, true] {
                let kind = fold::kind(word, leads);
                if kind != word {
                    let kind = self.number(kind);
                    let own = &mut self.all[number as usize];
                    *(if leads { &mut own.leading } else { &mut own.kind }) = kind;
                }
            }
        }
        number
    }
}

fn streets(values: &Values) -> Streets {
    let mut known = Words::default();
    let (mut words, mut numbers) = (Lists::default(), Lists::default());
    let (mut line, mut set) = (Vec::new(), Vec::new());
    let mut bags = Vec::with_capacity(values.len());
    for code in 0..values.len() as u32 {
        known.of(values.get(code), &mut line);
        set.clear();
        let leads = line.iter().position(|word| !known.all[*word as usize].digits);
        let leads = leads.filter(|at| at + 1 < line.len());
        set.extend(line.iter().enumerate().map(|(at, word)| {
            let word = &known.all[*word as usize];
            if leads == Some(at) { word.leading } else { word.kind }
        }));
        set.sort_unstable();
        numbers.push(set.iter().copied().filter(|word| known.all[*word as usize].digits));
        set.dedup();
        words.push(set.iter().copied());
        bags.push(Bag::new(&set));
    }
    let latin: Vec<bool> =
        (0..values.len() as u32).map(|code| values.get(code).is_ascii()).collect();
    let mut sounds = Lists::default();
    if latin.contains(&true) && latin.contains(&false) {
        let mut codes = Texts::default();
        let sound = |word| {
            let sound = fold::name_skeleton(known.known.values.get(word));
            sound.filter(|sound| sound.len() >= SHORT).map(|sound| codes.number(&sound))
        };
        let by_word: Vec<Option<u32>> = (0..known.all.len() as u32).map(sound).collect();
        for code in 0..values.len() as u32 {
            // As written: a kind of street is one word in all languages, and sounds like itself.
            known.of(values.get(code), &mut line);
            set.clear();
            set.extend(line.iter().filter_map(|word| by_word[*word as usize]));
            set.sort_unstable();
            set.dedup();
            sounds.push(set.iter().copied());
        }
    }
    Streets { words, bags, numbers, sounds, latin }
}

fn build(tuples: &Arc<Tuples>, _: &[f64]) -> Box<dyn Comparator> {
    Box::new(addresses(tuples))
}

fn addresses(tuples: &Arc<Tuples>) -> Addresses {
    let mut sounds = Texts::default();
    let cities = (0..tuples.values(1).len() as u32).map(|code| {
        let text = tuples.values(1).get(code);
        let sound = fold::name_skeleton(text).map_or(MISSING, |sound| sounds.number(&sound));
        (sound, text.is_ascii())
    });
    Addresses {
        cities: cities.collect(),
        streets: streets(tuples.values(0)),
        tuples: Arc::clone(tuples),
    }
}

impl Streets {
    /// The words that two streets in one script share over all words, where that is so many that they
    /// are similar.
    fn alike(&self, l: u32, r: u32) -> Option<f64> {
        if self.bags[l as usize].surely_under(&self.bags[r as usize], SIMILAR as f32) {
            return None;
        }
        let alike = similarity::jaccard(self.words.get(l), self.words.get(r));
        (alike >= SIMILAR).then_some(alike)
    }
}

impl Addresses {
    /// Whether two cities are one; unknown where they are in two scripts and do not sound alike.
    fn city(&self, l: u32, r: u32) -> Option<bool> {
        let same = agree(l, r)?;
        let ((l, latin_l), (r, latin_r)) = (self.cities[l as usize], self.cities[r as usize]);
        let sound = l != MISSING && l == r;
        (same || sound || latin_l == latin_r).then_some(same || sound)
    }
}

/// Whether two sorted lists have an element in common.
fn meet(l: &[u32], r: &[u32]) -> bool {
    similarity::common(l, r) > 0
}

/// Whether two codes are known and equal; known and different; or not both known.
fn agree(l: u32, r: u32) -> Option<bool> {
    (l != MISSING && r != MISSING).then_some(l == r)
}

impl Comparator for Addresses {
    fn level(&self, l: u32, r: u32) -> u8 {
        let ([street_l, city_l, code_l], [street_r, city_r, code_r]) =
            (self.tuples.part_codes(l), self.tuples.part_codes(r));
        let street = agree(street_l, street_r);
        let (city, postcode) = (self.city(city_l, city_r), agree(code_l, code_r));
        if street.is_none() && city.is_none() && postcode.is_none() {
            return UNKNOWN;
        }
        // A postcode decides the place where it is known; a missing place does not speak against.
        let place = postcode.or(city).unwrap_or(true);
        let of_same_street = if place { 1 } else { 2 };
        if street == Some(true) {
            return of_same_street;
        }
        let mut incomparable = false;
        if street == Some(false) {
            let Streets { numbers, sounds, latin, .. } = &self.streets;
            if latin[street_l as usize] != latin[street_r as usize] {
                let (l, r) = (numbers.get(street_l), numbers.get(street_r));
                let (sounds_l, sounds_r) = (sounds.get(street_l), sounds.get(street_r));
                let same_numbers = meet(l, r);
                if same_numbers && meet(sounds_l, sounds_r) {
                    return if place { 2 } else { 3 };
                }
                incomparable = same_numbers || l.is_empty() || r.is_empty();
            } else if let Some(alike) = self.streets.alike(street_l, street_r) {
                return match numbers.get(street_l) == numbers.get(street_r) {
                    true if alike == 1.0 => of_same_street,
                    true if place => 2,
                    _ => 3,
                };
            }
        }
        match (postcode, city) {
            (Some(true), _) => 4,
            (_, Some(true)) => 5,
            _ if incomparable => UNKNOWN,
            _ => ELSE,
        }
    }

    fn among<'a>(&'a self, codes: &'a [u32]) -> Option<Box<dyn Crowd + 'a>> {
        Some(Box::new(Many { addresses: self, codes, outlines: Outlines::new(self, codes) }))
    }
}

/// What tells most addresses apart.
#[derive(Clone, Copy)]
struct Outline {
    street: u32,
    city: u32,
    postcode: u32,
    /// A code of what the city sounds like.
    sound: u32,
    bag: Bag,
    /// Bits, where street and city are in Latin letters.
    latin: u32,
}

impl Outline {
    fn new(all: &Addresses, code: u32) -> Self {
        let [street, city, postcode] = all.tuples.part_codes(code);
        let of_street =
            |code: u32| (all.streets.bags[code as usize], all.streets.latin[code as usize]);
        let none = (Bag::new(&[]), false);
        let (bag, street_latin) = if street == MISSING { none } else { of_street(street) };
        let (sound, city_latin) =
            if city == MISSING { (MISSING, false) } else { all.cities[city as usize] };
        let latin = u32::from(street_latin) | u32::from(city_latin) << 1;
        Self { street, city, postcode, sound, bag, latin }
    }
}

/// What tells most addresses apart, each part of all together: a processor looks at several at a
/// time.
struct Outlines {
    all: Vec<Outline>,
    streets: Vec<u32>,
    cities: Vec<u32>,
    postcodes: Vec<u32>,
    sounds: Vec<u32>,
    latin: Vec<u32>,
    bags: Bags,
}

impl Outlines {
    fn new(addresses: &Addresses, codes: &[u32]) -> Self {
        let all: Vec<Outline> = codes.iter().map(|code| Outline::new(addresses, *code)).collect();
        let of = |part: fn(&Outline) -> u32| all.iter().map(part).collect();
        Self {
            streets: of(|own| own.street),
            cities: of(|own| own.city),
            postcodes: of(|own| own.postcode),
            sounds: of(|own| own.sound),
            latin: of(|own| own.latin),
            bags: Bags::new(all.iter().map(|own| own.bag)),
            all,
        }
    }

    /// Of those before a place, whether something is known of it and of them, and they surely have
    /// nothing in common.
    fn far(&self, place: usize, far: &mut Vec<bool>) {
        let own = self.all[place];
        self.bags.surely_under(&own.bag, place, SIMILAR as f32, far);
        let street = self.streets.iter().zip(&self.latin).map(|(street, latin)| {
            let known = (own.street != MISSING) & (*street != MISSING);
            (known, (own.street == *street) | ((own.latin ^ latin) & 1 != 0))
        });
        let city = self.cities.iter().zip(&self.sounds).zip(&self.latin);
        let city = city.map(|((city, sound), latin)| {
            let known = (own.city != MISSING) & (*city != MISSING);
            let same_sound = (own.sound != MISSING) & (own.sound == *sound);
            (known, (own.city == *city) | same_sound | ((own.latin ^ latin) & 2 != 0))
        });
        let postcode = self.postcodes.iter().map(|postcode| {
            ((own.postcode != MISSING) & (*postcode != MISSING), own.postcode == *postcode)
        });
        for (((far, street), city), postcode) in far.iter_mut().zip(street).zip(city).zip(postcode)
        {
            let meets =
                (street.0 & (street.1 | !*far)) | (city.0 & city.1) | (postcode.0 & postcode.1);
            *far = (street.0 | city.0 | postcode.0) & !meets;
        }
    }
}

/// Addresses that are each compared with each.
struct Many<'a> {
    addresses: &'a Addresses,
    codes: &'a [u32],
    outlines: Outlines,
}

impl Crowd for Many<'_> {
    fn before(&self, place: usize, found: &mut Vec<(u32, u8)>) {
        let mut far = Vec::new();
        self.outlines.far(place, &mut far);
        for ((other, code), far) in (0..).zip(self.codes).zip(far) {
            let level = if far { ELSE } else { self.addresses.level(self.codes[place], *code) };
            if level != ELSE {
                found.push((other, level));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};
    use proptest::prelude::*;

    use super::{ELSE, addresses};
    use crate::resolve::columns::{Dictionary, Tuples};
    use crate::resolve::compare::testing::{each_with_each, level};

    proptest! {
        #[test]
        fn outlines_tell_addresses_that_are_far_only(
            rows in prop::collection::vec(
                (
                    prop::option::of("[1-3]( [abc]{1,2}){0,3}|[1-3] شارع"),
                    prop::option::of("[ab]{1,2}|cairo|[اب]{1,2}"),
                    prop::option::of("[1-3]{1,2}"),
                ),
                1..30,
            ),
        ) {
            let column = |of: &dyn Fn(usize) -> Option<String>| {
                let array: ArrayRef = Arc::new((0..rows.len()).map(of).collect::<StringArray>());
                Dictionary::plain(&array, "x").unwrap()
            };
            let columns = vec![
                column(&|row| rows[row].0.clone()),
                column(&|row| rows[row].1.clone()),
                column(&|row| rows[row].2.clone()),
            ];
            let all = addresses(&Arc::new(Tuples::new(columns).0));
            // In another order than theirs.
            each_with_each(&all, (0..all.tuples.len() as u32).rev().collect(), ELSE);
        }
    }

    #[test]
    fn street_and_place_are_one_comparison() {
        let home = ["12 Rose Street", "London", "N1 9GU"];
        let cases = [
            (["12, rose street", "london", "n19gu"], "same street and place"),
            (["12 Rose St", "London", "N1 9GU"], "same street and place"),
            (["12 Rose St", "London", "E1 1AA"], "similar street and place"),
            (["12 Rose Rd", "London", "N1 9GU"], "similar street and place"),
            (["12 Rose St near E Mill Lane", "London", "N1 9GU"], "same street and place"),
            (["14 Rose St near E Mill Lane", "London", "N1 9GU"], "similar street"),
            (["12 St Rose Street", "London", "N1 9GU"], "similar street and place"),
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
