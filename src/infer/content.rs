//! What a column's values look like: counts, shapes and words.
//!
//! Knows values, one column at a time; refuses to know names of columns and what is made of it.
//! Values are sampled by a hash of themselves, so that neither the order of rows nor the number of
//! threads changes what is seen. Holds no value after it was looked at.

use std::hash::Hasher;

use arrow::array::{Array, StringArray};
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::words::{self, Word};
use crate::functions::country::country_alpha2;
use crate::functions::date::{date_parse, eight_digits};
use crate::functions::script::{digits_ascii, text_clean, text_fold};

/// Distinct values that are looked at closely.
const SAMPLE: usize = 3000;

/// What a column's values look like. Shares are of the rows of the distinct values that were sampled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// Rows.
    pub rows: usize,
    /// Rows with a value that is not blank and does not stand for none.
    pub filled: usize,
    /// Rows with a word that stands for no value.
    pub stand_ins: usize,
    /// Distinct values among them.
    pub distinct: usize,
    /// Probability in a thousand that two rows agree by what values are: the sum of squared shares.
    pub agreement: f64,
    /// The mean number of characters.
    pub length: f64,
    /// The share with a space.
    pub spaced: f64,
    /// The mean number of words.
    pub words: f64,
    /// The share that is an e-mail address.
    pub email: f64,
    /// The share that has digits enough for a phone number, and no letters.
    pub phone: f64,
    /// The share written as only phone numbers are: `+`, parentheses or groups of digits.
    pub phone_form: f64,
    /// The share that is a web address.
    pub url: f64,
    /// The share that is a date.
    pub date: f64,
    /// The share of dates with a time of day.
    pub time: f64,
    /// The share whose first number is over 12 where the day could be first.
    pub day_first: f64,
    /// The share whose second number is over 12 where the month could be first.
    pub month_first: f64,
    /// The share that has eight digits or the form of a date, though it may be no day of a calendar.
    pub date_form: f64,
    /// The share of years: whole numbers of 1500 to 2100.
    pub year: f64,
    /// The share of numbers.
    pub number: f64,
    /// The share of numbers with a fraction of three digits or more, in the range of degrees.
    pub degrees: f64,
    /// The share with digits alone.
    pub digits: f64,
    /// The share with both digits and letters.
    pub mixed: f64,
    /// The share of the commonest length in characters.
    pub same_length: f64,
    /// The share shaped as a postal code.
    pub postcode: f64,
    /// The share of words that are kinds of streets, by value.
    pub street: f64,
    /// The share that begins or ends with a number and has letters.
    pub numbered: f64,
    /// The share with a word of organisations.
    pub organisation: f64,
    /// The share with a common given name.
    pub given: f64,
    /// The share with a common family name.
    pub family: f64,
    /// The share that is a country.
    pub country: f64,
    /// The share that is a sex.
    pub sex: f64,
    /// The share with a comma, a semicolon or a bar that parts words, two or more.
    pub list: f64,
    /// The share with letters in Arabic script.
    pub arabic: f64,
    /// The share with a word of letters and digits together, two digits or more, as models have.
    pub coded: f64,
    /// Whether each row has a value of its own, within its source.
    pub unique: bool,
    /// Whether every value is a whole number and, sorted, they follow one another.
    pub sequence: bool,
}

/// Texts that stand for no value.
pub(super) const NONE: &[&str] = &[
    "",
    "null",
    "none",
    "nan",
    "na",
    "n a",
    "nil",
    "unknown",
    "undefined",
    "nulo",
    "ninguno",
    "desconocido",
    "غير معروف",
    "نامشخص",
    "لا يوجد",
];

/// Whether a text says that there is no value.
pub(super) fn is_none(text: &str) -> bool {
    let trimmed = text.trim();
    if trimmed.len() > 24 {
        return false;
    }
    text_fold(trimmed).is_none_or(|folded| NONE.contains(&&*folded))
}

/// A hash with no seed, mixed so that alike texts lie apart.
fn hash(text: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    let mixed = hasher.finish().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

impl Profile {
    /// Looks at a column, in one or several parts (a part for each source).
    pub fn of(parts: &[&StringArray]) -> Self {
        let mut counts: FxHashMap<&str, usize> = FxHashMap::default();
        let rows = parts.iter().map(|part| part.len()).sum();
        for value in parts.iter().flat_map(|part| part.iter()).flatten() {
            *counts.entry(value).or_default() += 1;
        }
        let mut stand_ins = 0;
        counts.retain(|value, count| {
            let none = is_none(value);
            if none && !value.trim().is_empty() {
                stand_ins += *count;
            }
            !none
        });
        let filled: usize = counts.values().sum();
        let unique = rows > 0
            && filled == rows
            && (counts.len() == rows || parts.iter().all(|part| each_once(part)));
        let mut profile =
            Self { rows, filled, unique, stand_ins, distinct: counts.len(), ..Self::default() };
        if filled == 0 {
            return profile;
        }
        let whole = filled as f64;
        // Integers are summed: a float's sum would depend on the map's order.
        let squares: u128 = counts.values().map(|count| (*count as u128).pow(2)).sum();
        profile.agreement = squares as f64 / (whole * whole);
        profile.sequence = sequence(counts.keys().copied());
        let mut sample: Vec<(u64, &str, usize)> =
            counts.iter().map(|(value, count)| (hash(value), *value, *count)).collect();
        sample.sort_unstable();
        sample.truncate(SAMPLE);
        profile.look(sample.iter().map(|(_, value, count)| (*value, *count)));
        profile
    }

    fn look<'a>(&mut self, values: impl Iterator<Item = (&'a str, usize)>) {
        let mut tally: Vec<usize> = vec![0; TESTS.len()];
        let (mut number, mut characters, mut word_count) = (0_usize, 0, 0);
        let mut lengths: std::collections::BTreeMap<usize, usize> =
            std::collections::BTreeMap::new();
        for (value, count) in values {
            let Some(value) = Value::of(value) else { continue };
            number += count;
            let length = value.text.chars().count();
            characters += length * count;
            word_count += value.words.len() * count;
            *lengths.entry(length).or_default() += count;
            for (tally, test) in tally.iter_mut().zip(TESTS) {
                *tally += usize::from(test(&value)) * count;
            }
        }
        let whole = number.max(1) as f64;
        let share = |place: usize| tally[place] as f64 / whole;
        self.length = characters as f64 / whole;
        self.words = word_count as f64 / whole;
        self.same_length = lengths.values().copied().max().unwrap_or(0) as f64 / whole;
        let fields: [&mut f64; 22] = [
            &mut self.email,
            &mut self.phone,
            &mut self.phone_form,
            &mut self.url,
            &mut self.date,
            &mut self.time,
            &mut self.day_first,
            &mut self.month_first,
            &mut self.date_form,
            &mut self.year,
            &mut self.number,
            &mut self.degrees,
            &mut self.digits,
            &mut self.mixed,
            &mut self.postcode,
            &mut self.street,
            &mut self.numbered,
            &mut self.organisation,
            &mut self.given,
            &mut self.family,
            &mut self.list,
            &mut self.arabic,
        ];
        for (place, field) in fields.into_iter().enumerate() {
            *field = share(place);
        }
        self.country = share(22);
        self.sex = share(23);
        self.spaced = share(24);
        self.coded = share(25);
    }

    /// The share of rows that have a value.
    pub fn filled_share(&self) -> f64 {
        self.filled as f64 / self.rows.max(1) as f64
    }

    /// Distinct values over values.
    pub fn distinct_share(&self) -> f64 {
        self.distinct as f64 / self.filled.max(1) as f64
    }
}

/// A value with what several tests ask of it.
struct Value {
    text: String,
    digits: usize,
    letters: usize,
    words: Vec<String>,
}

impl Value {
    fn of(raw: &str) -> Option<Self> {
        let text = digits_ascii(&text_clean(raw)?).into_owned();
        let digits = text.chars().filter(char::is_ascii_digit).count();
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        let words = text_fold(&text).map(|folded| folded.split(' ').map(str::to_owned).collect());
        Some(Self { digits, letters, words: words.unwrap_or_default(), text })
    }

    fn number(&self) -> Option<f64> {
        if self.letters > 1 || self.digits == 0 {
            return None;
        }
        let plain: String =
            self.text.chars().filter(|c| !matches!(c, '$' | '€' | '£' | '%' | ' ' | '﷼')).collect();
        let plain = if plain.contains('.') || plain.matches(',').count() > 1 {
            plain.replace(',', "")
        } else {
            plain.replace(',', ".")
        };
        plain.parse().ok()
    }

    /// Three numbers parted by one kind of mark, or eight digits, the year first or last.
    fn date_numbers(&self) -> Option<[u32; 3]> {
        let date = self.text.split([' ', 'T']).next()?;
        if date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit()) {
            return Some(eight_digits(date.parse().ok()?).map(i32::unsigned_abs));
        }
        let parts: Vec<&str> = date.split(['-', '/', '.']).collect();
        let [first, second, third] = parts.as_slice() else { return None };
        let part = |text: &&str| text.parse::<u32>().ok();
        Some([part(first)?, part(second)?, part(third)?])
    }
}

type Test = fn(&Value) -> bool;

/// In the order of the fields that `Profile::look` fills.
const TESTS: &[Test] = &[
    email,
    |value| {
        value.letters == 0 && (7..=15).contains(&value.digits) && !value.text.contains(['@', ':'])
    },
    phone_form,
    |value| {
        let text = value.text.to_ascii_lowercase();
        text.starts_with("http") || text.starts_with("www.") || text.contains("://")
    },
    |value| {
        value.digits >= 5
            && date_parse(&value.text, None)
                .is_some_and(|date| (1200..=2100).contains(&date.year()))
    },
    |value| value.text.contains(':') && value.date_numbers().is_some(),
    |value| {
        value.date_numbers().is_some_and(|[first, second, year]| {
            first > 12 && first < 32 && second <= 12 && year > 31
        })
    },
    |value| {
        value.date_numbers().is_some_and(|[first, second, year]| {
            first <= 12 && second > 12 && second < 32 && year > 31
        })
    },
    date_form,
    |value| {
        value.text.len() == 4
            && value.digits == 4
            && value.number().is_some_and(|year| (1300.0..=2100.0).contains(&year))
    },
    |value| value.number().is_some(),
    |value| {
        let fraction = value.text.rsplit_once('.').is_some_and(|(_, fraction)| fraction.len() >= 3);
        fraction && value.number().is_some_and(|number| number.abs() <= 180.0)
    },
    |value| {
        value.digits > 0
            && value.letters == 0
            && value.text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ' '))
    },
    |value| value.digits > 0 && value.letters > 0,
    postcode,
    |value| value.words.iter().any(|word| word.len() > 1 && words::is(word, Word::Street)),
    |value| {
        let number = |word: Option<&String>| {
            word.is_some_and(|word| {
                word.starts_with(|c: char| c.is_ascii_digit()) && word.len() <= 6
            })
        };
        value.letters >= 3
            && value.words.len() >= 2
            && (number(value.words.first()) || number(value.words.last()))
    },
    |value| {
        value.words.len() > 1
            && value.words.iter().any(|word| word.len() > 1 && words::is(word, Word::Organisation))
    },
    |value| value.words.iter().any(|word| words::is(word, Word::Given)),
    |value| value.words.iter().any(|word| words::is(word, Word::Family)),
    |value| {
        let parts = value
            .text
            .split([',', ';', '|', '،', '؛'])
            .filter(|part| part.trim().chars().count() > 1);
        parts.count() >= 2 || value.text.contains(" and ") || value.text.contains(" & ")
    },
    |value| value.text.chars().any(|c| ('\u{0600}'..='\u{06FF}').contains(&c) && c.is_alphabetic()),
    |value| value.letters > 1 && country_alpha2(&value.text).is_some(),
    |value| matches!(value.words.as_slice(), [word] if words::is(word, Word::Sex)),
    |value| value.text.contains(' '),
    |value| value.text.split_whitespace().any(coded),
];

/// Letters, then two digits or more, with marks between them.
fn coded(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    digits >= 2 && word.starts_with(|c: char| c.is_ascii_alphabetic()) && !word.contains(['@', ':'])
}

fn email(value: &Value) -> bool {
    let Some((user, domain)) = value.text.rsplit_once('@') else { return false };
    !user.is_empty() && domain.contains('.') && !value.text.contains(' ')
}

fn phone_form(value: &Value) -> bool {
    let text = &value.text;
    if value.letters > 0 || !(7..=15).contains(&value.digits) || date_form(value) {
        return false;
    }
    let marked = text.starts_with('+') || text.starts_with("00") || text.contains('(');
    let groups: Vec<usize> =
        text.split([' ', '-', '.', '/']).map(str::len).filter(|group| *group > 0).collect();
    // As social security numbers are written, and no phone is.
    if groups == [3, 2, 4] {
        return false;
    }
    let groups = groups.len();
    let plain = text.chars().all(|c| c.is_ascii_digit() || " -./+()".contains(c));
    plain && (marked || (2..=6).contains(&groups))
}

fn date_form(value: &Value) -> bool {
    let Some([first, second, third]) = value.date_numbers() else { return false };
    let year = |number: u32| (1250..=2100).contains(&number);
    (year(first) && second <= 99 && third <= 99) || (year(third) && first <= 99 && second <= 99)
}

/// Four to six digits, ten digits in two halves, or the capitals and digits of British, Canadian and
/// Dutch codes.
fn postcode(value: &Value) -> bool {
    let shape: String = value
        .text
        .chars()
        .filter(|c| *c != ' ' && *c != '-')
        .map(|c| {
            if c.is_ascii_digit() {
                '9'
            } else if c.is_ascii_alphabetic() {
                'A'
            } else {
                '?'
            }
        })
        .collect();
    matches!(
        shape.as_str(),
        "9999"
            | "99999"
            | "999999"
            | "9999999"
            | "999999999"
            | "9999999999"
            | "9999AA"
            | "A9A9A9"
            | "A99AA"
            | "A999AA"
            | "AA99AA"
            | "AA999AA"
            | "A9A9AA"
            | "AA9A9AA"
            | "AA9999"
    )
}

/// Whether no value comes twice.
fn each_once(part: &StringArray) -> bool {
    let mut seen: FxHashSet<&str> = FxHashSet::default();
    part.iter().flatten().all(|value| seen.insert(value))
}

/// Whether whole numbers follow one another without gaps, as row numbers do.
fn sequence<'a>(values: impl Iterator<Item = &'a str>) -> bool {
    let mut seen: FxHashSet<i64> = FxHashSet::default();
    let (mut least, mut most) = (i64::MAX, i64::MIN);
    for value in values {
        let Ok(number) = value.trim().parse::<i64>() else { return false };
        (least, most) = (least.min(number), most.max(number));
        seen.insert(number);
    }
    seen.len() > 1 && most.checked_sub(least).is_some_and(|span| span as usize + 1 == seen.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(values: &[&str]) -> Profile {
        Profile::of(&[&StringArray::from(values.to_vec())])
    }

    #[test]
    fn fields_are_filled_by_the_test_of_their_name() {
        assert_eq!(TESTS.len(), 26);
        assert_eq!(profile(&["a@b.org", "c.d@e.co.uk"]).email, 1.0);
        assert_eq!(
            profile(&["+44 20 7123 4567", "(212) 555-0100", "۰۹۱۲ ۳۴۵ ۶۷۸۹"]).phone_form,
            1.0
        );
        assert_eq!(profile(&["5550100123"]).phone, 1.0);
        assert_eq!(profile(&["http://a.org", "www.b.org"]).url, 1.0);
        assert_eq!(profile(&["1984-03-05", "5/3/1984", "19840305", "۱۳۶۵/۰۲/۱۵"]).date, 1.0);
        assert_eq!(profile(&["2024-03-09 22:10:00"]).time, 1.0);
        assert_eq!(profile(&["25/3/1984", "2/3/1984"]).day_first, 0.5);
        assert_eq!(profile(&["3/25/1984", "2/3/1984"]).month_first, 0.5);
        assert_eq!(profile(&["19841399", "25051365", "1984-45-12"]).date_form, 1.0);
        assert_eq!(profile(&["1984", "2020"]).year, 1.0);
        assert_eq!(profile(&["12", "1,200.50", "$ 3"]).number, 1.0);
        assert_eq!(profile(&["51.5072", "-0.1276"]).degrees, 1.0);
        assert_eq!(profile(&["12 34", "5-6"]).digits, 1.0);
        assert_eq!(profile(&["12a"]).mixed, 1.0);
        assert_eq!(profile(&["SW1A 1AA", "90210", "K1A 0B1"]).postcode, 1.0);
        assert_eq!(profile(&["calle mayor", "main st", "شارع التحرير"]).street, 1.0);
        assert_eq!(profile(&["12 main", "mayor 5"]).numbered, 1.0);
        assert_eq!(profile(&["acme ltd", "شركة النيل"]).organisation, 1.0);
        assert_eq!(profile(&["john", "فاطمة", "José"]).given, 1.0);
        assert_eq!(profile(&["Smith", "García"]).family, 1.0);
        assert_eq!(profile(&["A Bee, C Dee", "E. Eff; G. Gee"]).list, 1.0);
        assert_eq!(profile(&["نور"]).arabic, 1.0);
        assert_eq!(profile(&["France", "España"]).country, 1.0);
        assert_eq!(profile(&["m", "Female"]).sex, 1.0);
    }

    #[test]
    fn blanks_and_words_for_nothing_are_no_values() {
        let own = profile(&["", " ", "NULL", "n/a", "x"]);
        assert_eq!((own.rows, own.filled, own.distinct), (5, 1, 1));
        assert_eq!(profile(&[]).filled, 0);
    }

    #[test]
    fn the_order_of_rows_does_not_matter() {
        let values: Vec<String> =
            (0..5000).map(|n| format!("v{} {}", n * 7 % 5000, n % 13)).collect();
        let forward: StringArray = values.iter().map(Some).collect();
        let back: StringArray = values.iter().rev().map(Some).collect();
        assert_eq!(Profile::of(&[&forward]), Profile::of(&[&back]));
    }

    #[test]
    fn row_numbers_are_a_sequence() {
        assert!(profile(&["3", "1", "2"]).sequence);
        assert!(!profile(&["1", "3"]).sequence);
        assert!(!profile(&["a"]).sequence);
    }
}
