//! A person's full name, taken apart: title, given name, middle names, family name, suffix.
//!
//! Knows the habits of English, Spanish, Arabic and Persian names. It never guesses a gender or a
//! nationality, and does not know which word orders a particular export uses, save "Family, Given".

use super::person_words::{
    DEVOTIONS, OPENING_PARTICLES, PARTICLES, PERSIAN_OPENING, PERSIAN_SECOND, SPANISH_GIVEN,
    SUFFIXES, TITLES, holds,
};
use super::script::{text_clean, text_fold};
use super::{Function, kernel};

pub(crate) const PERSON_FAMILY_NAME: Function = Function {
    name: "person_family_name",
    group: "names",
    signature: "person_family_name(full_name)",
    returns: "text",
    summary: "The family name in a person's full name: the last name with its particles, both surnames of a Spanish name, all of it before a comma; null for a name of one word.",
    examples: &[
        ("person_family_name('Ludwig van Beethoven')", "van Beethoven"),
        ("person_family_name('José García López')", "García López"),
        ("person_family_name('Smith, John Jr.')", "Smith"),
        ("person_family_name('آقای دکتر علی رضایی')", "رضایی"),
        ("person_family_name('Shakira')", ""),
    ],
    make: || kernel::text("person_family_name", |text| PersonName::parse(text)?.family),
};

pub(crate) const PERSON_GIVEN_NAME: Function = Function {
    name: "person_given_name",
    group: "names",
    signature: "person_given_name(full_name)",
    returns: "text",
    summary: "The given name in a person's full name: the first, with what belongs to it (Juan Carlos, María del Carmen, عبد الله, محمد رضا); null when there is none.",
    examples: &[
        ("person_given_name('Dr. John F. Smith')", "John"),
        ("person_given_name('Pérez, María del Carmen')", "María del Carmen"),
        ("person_given_name('السيد عبد الله أحمد')", "عبد الله"),
    ],
    make: || kernel::text("person_given_name", |text| PersonName::parse(text)?.given),
};

pub(crate) const PERSON_MIDDLE_NAME: Function = Function {
    name: "person_middle_name",
    group: "names",
    signature: "person_middle_name(full_name)",
    returns: "text",
    summary: "What stands between the given and the family name: middle names and initials, fathers' names; null when nothing does.",
    examples: &[
        ("person_middle_name('Dr. John F. Smith')", "F."),
        ("person_middle_name('محمد أحمد حسن')", "أحمد"),
    ],
    make: || kernel::text("person_middle_name", |text| PersonName::parse(text)?.middle),
};

pub(crate) const PERSON_NAME_CLEAN: Function = Function {
    name: "person_name_clean",
    group: "names",
    signature: "person_name_clean(full_name)",
    returns: "text",
    summary: "The full name without title and suffix, given name first, with capitals where it had only small or only large letters; null when nothing is left.",
    examples: &[
        ("person_name_clean('Sra. PÉREZ DE LA CRUZ, ANA')", "Ana Pérez de la Cruz"),
        ("person_name_clean('mr john smith jr.')", "John Smith"),
    ],
    make: || kernel::text("person_name_clean", person_name_clean),
};

pub(crate) const PERSON_TITLE: Function = Function {
    name: "person_title",
    group: "names",
    signature: "person_title(full_name)",
    returns: "text",
    summary: "The titles before a person's name, folded and without points; null when there is none.",
    examples: &[
        ("person_title('Prof. Dr. Ana Gil')", "prof dr"),
        ("person_title('الدكتور سامي')", "الدكتور"),
        ("person_title('Ana Gil')", ""),
    ],
    make: || kernel::text("person_title", |text| PersonName::parse(text)?.title),
};

/// The full name without title and suffix, given name first. `None` when nothing is left.
pub fn person_name_clean(full_name: &str) -> Option<String> {
    let name = PersonName::parse(full_name)?;
    let parts: Vec<String> = [name.given, name.middle, name.family].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The given name, with what belongs to it.
pub fn person_given_name(full_name: &str) -> Option<String> {
    PersonName::parse(full_name)?.given
}

/// The family name, with its particles; both surnames of a Spanish name.
pub fn person_family_name(full_name: &str) -> Option<String> {
    PersonName::parse(full_name)?.family
}

/// The parts of a person's name, each as written (cleaned), `None` where absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonName {
    /// Titles, folded: "prof dr".
    pub title: Option<String>,
    /// First given name, with what belongs to it.
    pub given: Option<String>,
    /// Between given and family name.
    pub middle: Option<String>,
    /// Family name, with particles.
    pub family: Option<String>,
    /// Jr, III, PhD, folded.
    pub suffix: Option<String>,
}

/// One word, as written and folded without spaces.
struct Word {
    written: String,
    folded: String,
}

impl PersonName {
    /// Takes a full name apart. Titles and suffixes go first. "Family, Given" is read by its
    /// comma (unless only a suffix follows it). Otherwise the family name is:
    ///
    /// - of a name whose first word is a common Spanish given name: everything after the given
    ///   names (a second one counts as given when at least one word follows);
    /// - of a name with Persian letters (پ چ ژ گ ک ی): everything after the given name, which is a
    ///   pair for محمد رضا and the like;
    /// - else the last word. Words between are middle names; in Arabic names, fathers.
    ///
    /// Particles (van, de la, bin, al, عبد) stay with the word after them. A single word is a given
    /// name. `None` when there is no letter.
    pub fn parse(full_name: &str) -> Option<Self> {
        let cleaned = text_clean(full_name)?;
        let mut name = PersonName::default();
        let (mut left, mut right) = match cleaned.split_once([',', '،']) {
            Some((left, right)) => (words(left), words(right)),
            None => (words(&cleaned), Vec::new()),
        };
        let mut titles = Vec::new();
        let mut suffixes = Vec::new();
        peel(&mut left, &mut titles, &mut suffixes);
        peel(&mut right, &mut titles, &mut suffixes);
        recapitalise(&mut left, &mut right);
        name.title = joined(&titles);
        name.suffix = joined(&suffixes);
        if right.is_empty() {
            name.split(&units(left));
        } else if left.is_empty() {
            name.split(&units(right));
        } else {
            let given = units(right);
            let count = given_units(&given, given.len());
            name.given = text_of(given.get(..count)?);
            name.middle = text_of(given.get(count..)?);
            name.family = text_of(&units(left));
        }
        let empty = name == PersonName::default();
        (!empty).then_some(name)
    }

    fn split(&mut self, units: &[Word]) {
        let Some(first) = units.first() else { return };
        let spanish = holds(SPANISH_GIVEN, &first.folded);
        let persian =
            units.iter().any(|unit| unit.written.contains(['پ', 'چ', 'ژ', 'گ', 'ک', 'ی']));
        let count = given_units(units, units.len().saturating_sub(1).max(1));
        let family = if spanish || persian { count } else { units.len() - 1 };
        let family = family.max(count);
        self.given = units.get(..count).and_then(text_of);
        self.middle = units.get(count..family).and_then(text_of);
        self.family = units.get(family..).and_then(text_of);
    }
}

/// How many of the leading units are one given name; at most `most`.
fn given_units(units: &[Word], most: usize) -> usize {
    let mut count = 1;
    let Some(first) = units.first() else { return 0 };
    if holds(SPANISH_GIVEN, &first.folded) {
        // María del Carmen, Ana Luisa; a devotion follows any given name.
        while count < most.min(3)
            && units.get(count).is_some_and(|unit| {
                is_devotion(unit) || (count < 2 && holds(SPANISH_GIVEN, &unit.folded))
            })
        {
            count += 1;
        }
    } else if holds(PERSIAN_OPENING, &first.folded)
        && units.get(1).is_some_and(|unit| holds(PERSIAN_SECOND, &unit.folded))
        && units.iter().any(|unit| unit.written.contains(['پ', 'چ', 'ژ', 'گ', 'ک', 'ی']))
    {
        count = 2;
    }
    count.min(most.max(1)).min(units.len())
}

fn is_devotion(unit: &Word) -> bool {
    let name = ["delos", "delas", "dela", "del", "de"]
        .iter()
        .find_map(|particles| unit.folded.strip_prefix(particles));
    name.is_some_and(|name| holds(DEVOTIONS, name))
}

fn words(text: &str) -> Vec<Word> {
    text.split([' ', ','])
        .filter_map(|written| {
            let folded = text_fold(written)?.replace(' ', "");
            Some(Word { written: written.to_owned(), folded })
        })
        .collect()
}

/// Takes titles off the front and suffixes off the end.
fn peel(words: &mut Vec<Word>, titles: &mut Vec<String>, suffixes: &mut Vec<String>) {
    let count = words.iter().take_while(|word| holds(TITLES, &word.folded)).count();
    titles.extend(words.drain(..count).map(|word| word.folded));
    let mut found = Vec::new();
    while let Some(last) = words.pop_if(|word| holds(SUFFIXES, &word.folded)) {
        found.push(last.folded);
    }
    suffixes.extend(found.into_iter().rev());
}

/// Joins each particle to the word after it ("de la Cruz"), and both sides of "y" ("Ortega y
/// Gasset"). Folded units carry no spaces.
fn units(words: Vec<Word>) -> Vec<Word> {
    let mut units: Vec<Word> = Vec::with_capacity(words.len());
    let mut open = false;
    for word in words {
        let first = units.is_empty();
        let list = if first { OPENING_PARTICLES } else { PARTICLES };
        let particle = holds(list, &word.folded) || (open && holds(PARTICLES, &word.folded));
        let joins = open || (word.folded == "y" && units.len() > 1);
        match units.last_mut() {
            Some(unit) if joins => {
                unit.written.push(' ');
                unit.written.push_str(&word.written);
                unit.folded.push_str(&word.folded);
            }
            _ => units.push(word),
        }
        open = particle;
    }
    units
}

fn text_of(units: &[Word]) -> Option<String> {
    let written: Vec<&str> = units.iter().map(|unit| unit.written.as_str()).collect();
    (!written.is_empty()).then(|| written.join(" "))
}

fn joined(words: &[String]) -> Option<String> {
    (!words.is_empty()).then(|| words.join(" "))
}

/// Capitals at the start of words of a name written in small or in large letters only; particles
/// small, save at the start of the whole name. A name that mixes letters is left as it is.
fn recapitalise(left: &mut [Word], right: &mut [Word]) {
    let all = || left.iter().chain(right.iter()).flat_map(|word| word.written.chars());
    let letters = all().filter(|c| c.is_lowercase() || c.is_uppercase()).count();
    let mixed = all().any(char::is_lowercase) && all().any(char::is_uppercase);
    if mixed || letters < 2 {
        return;
    }
    // What stands before a comma is a family name, which may begin with a particle.
    let family_first = !right.is_empty();
    for words in [left, right] {
        let count = words.len();
        for (position, word) in words.iter_mut().enumerate() {
            let inside = (position > 0 || family_first) && position + 1 < count;
            word.written = if inside && holds(PARTICLES, &word.folded) {
                word.written.to_lowercase()
            } else {
                capitalised(&word.written)
            };
        }
    }
}

/// The word with capitals at its start and after hyphens, apostrophes and points.
fn capitalised(word: &str) -> String {
    let mut output = String::with_capacity(word.len());
    let mut start = true;
    for letter in word.to_lowercase().chars() {
        if start && letter.is_alphabetic() {
            output.extend(letter.to_uppercase());
            start = false;
        } else {
            output.push(letter);
            start |= matches!(letter, '-' | '\'' | '’' | '.');
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_four_languages_are_taken_apart() {
        for (full, given, middle, family) in [
            ("John Smith", Some("John"), None, Some("Smith")),
            ("Mr. John Quincy Adams III", Some("John"), Some("Quincy"), Some("Adams")),
            ("Smith, John Michael", Some("John"), Some("Michael"), Some("Smith")),
            ("John Smith, Jr.", Some("John"), None, Some("Smith")),
            ("VAN DER BERG, JAN", Some("Jan"), None, Some("van der Berg")),
            (
                "Sra. Ana María Rodríguez de Pérez",
                Some("Ana María"),
                None,
                Some("Rodríguez de Pérez"),
            ),
            ("Juan Carlos Pérez", Some("Juan Carlos"), None, Some("Pérez")),
            ("Juan Carlos", Some("Juan"), None, Some("Carlos")),
            ("Juan de la Cruz Pérez", Some("Juan"), None, Some("de la Cruz Pérez")),
            ("María del Carmen García López", Some("María del Carmen"), None, Some("García López")),
            ("José Ortega y Gasset", Some("José"), None, Some("Ortega y Gasset")),
            ("García López, Juan Carlos", Some("Juan Carlos"), None, Some("García López")),
            ("Mohammed bin Salman Al Saud", Some("Mohammed"), Some("bin Salman"), Some("Al Saud")),
            ("Abdul Rahman Khan", Some("Abdul Rahman"), None, Some("Khan")),
            ("محمد أحمد علي حسن", Some("محمد"), Some("أحمد علي"), Some("حسن")),
            ("الدكتور عبد الله بن سعود", Some("عبد الله"), None, Some("بن سعود")),
            ("آقای مهندس محمد رضا احمدی نژاد", Some("محمد رضا"), None, Some("احمدی نژاد")),
            ("خانم زهرا کریمی", Some("زهرا"), None, Some("کریمی")),
            ("Shakira", Some("Shakira"), None, None),
            ("Mr", None, None, None),
        ] {
            let name = PersonName::parse(full).unwrap();
            let parts = (name.given.as_deref(), name.middle.as_deref(), name.family.as_deref());
            assert_eq!(parts, (given, middle, family), "{full}");
        }
        assert_eq!(PersonName::parse(" - "), None);
        assert_eq!(PersonName::parse("Ana Gil, PhD").unwrap().suffix.as_deref(), Some("phd"));
    }

    proptest! {
        #[test]
        fn never_panics_and_loses_no_word(text in any::<String>()) {
            let _ = PersonName::parse(&text);
        }

        #[test]
        fn every_word_lands_in_one_part(text in "(Mr |Dr )?[A-Z][a-z]{2,8}( (de|la|van|bin|y))?( [A-Z][a-z]{2,8}){0,4}( Jr)?") {
            let name = PersonName::parse(&text).unwrap();
            let parts = [name.title, name.given, name.middle, name.family, name.suffix];
            let count: usize = parts.iter().flatten().map(|part| part.split(' ').count()).sum();
            prop_assert_eq!(count, text.split(' ').count());
        }
    }
}
