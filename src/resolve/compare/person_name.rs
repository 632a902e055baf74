//! Two names of persons, given and family name as one comparison, across scripts and spellings.

mod many;

use std::sync::Arc;

use self::many::Many;
use super::name::{Name, Outline, Relation, itself, relation, same_sound};
use super::{Comparator, ComparisonKind, Crowd, Part, TermText, UNKNOWN};
use crate::intern::{Numbers, Texts};
use crate::resolve::columns::{MISSING, Tuples, Values};
use crate::resolve::fold;
use crate::threads::{self, both, map};

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "person_name",
    description: "Given and family name as one: across scripts and spellings, swapped, short forms and initials.",
    columns: &["given_name", "family_name"],
    levels: &[
        "exact",
        "same in another spelling or script",
        "given and family name swapped, or divided otherwise",
        "short form or initial or a part of one name, the other the same",
        "jaro_winkler >= 0.92 both",
        "jaro_winkler >= 0.8 both, also swapped",
        "short form or initial or a part of one name, the other alike",
        "same family name",
        "same given name",
        "else",
    ],
    thresholds: &[],
    normalise: |_, text| fold::text_fold(text),
    build,
};

struct Names {
    given: Vec<Name>,
    family: Vec<Name>,
    /// Of each given and each family name its outline.
    outlines: [Vec<Outline>; 2],
    /// The names, of given and family codes.
    tuples: Arc<Tuples>,
    /// All words of each name in any order, as a key of their spelling and one of their sound;
    /// `NO_WORDS` for a name of one word or with an initial.
    words: Vec<[u64; 2]>,
}

fn prepare(values: &Values) -> Vec<Name> {
    let name = |code: usize| Name::new(values.get(code as u32).to_owned());
    let all = map(values.len(), threads::count(), name);
    // Where a thread failed, on this one.
    all.unwrap_or_else(|_| (0..values.len()).map(name).collect())
}

/// One of the two columns of a name as words of a whole: the code of its one word; or that
/// something else is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    None,
    One(u32),
    /// A word of one letter, which stands for many names.
    Initial,
    Several,
}

impl Words {
    fn of(text: Option<&str>, known: &mut Texts) -> Self {
        match text {
            None => Self::None,
            Some(text) if text.contains(char::is_whitespace) => Self::Several,
            Some(text) if text.chars().nth(1).is_none() => Self::Initial,
            Some(text) => Self::One(known.number(text)),
        }
    }
}

/// The loosest level.
const ELSE: u8 = 10;

/// Of a name whose words are not looked at in any order.
const NO_WORDS: u64 = u64::MAX;

/// Keys of what all words of each name are, in any order: spelled, and as they sound. Of two words
/// they are the words' codes, the lesser first; of more the number of their list, marked.
fn whole_words(tuples: &Tuples, names: [&[Name]; 2]) -> Vec<[u64; 2]> {
    let mut known = Texts::default();
    let mut words = |sounds: bool| {
        names.map(|names| -> Vec<Words> {
            let text = |own: &Name| match sounds {
                // The sound of several words is not that of each, one after another.
                true if own.outline.several => Words::Several,
                true => Words::of(own.skeleton(), &mut known),
                false => Words::of(Some(own.text()), &mut known),
            };
            names.iter().map(text).collect()
        })
    };
    let (spelled, sounds) = (words(false), words(true));
    let mut lists = Texts::default();
    let pair = |l: u32, r: u32| u64::from(l.min(r)) << 32 | u64::from(l.max(r));
    let mut several = |mut words: Vec<String>| {
        if words.len() < 2 || words.iter().any(|word| word.chars().nth(1).is_none()) {
            return NO_WORDS;
        }
        words.sort_unstable();
        u64::from(MISSING) << 32 | u64::from(lists.number(&words.join(" ")))
    };
    (0..tuples.len() as u32)
        .map(|tuple| {
            [&spelled, &sounds].map(|form| {
                let own = [0, 1].map(|column| match tuples.part_code(tuple, column) {
                    MISSING => Words::None,
                    code => form[column][code as usize],
                });
                match own {
                    [Words::One(l), Words::One(r)] => pair(l, r),
                    [Words::Several, _] | [_, Words::Several] => {
                        let texts =
                            [0, 1].map(|column| tuples.part(tuple, column).unwrap_or_default());
                        let words = texts.iter().flat_map(|text| text.split_whitespace());
                        let words: Vec<String> = match std::ptr::eq(form, &sounds) {
                            true => words.filter_map(fold::name_skeleton).collect(),
                            false => words.map(str::to_owned).collect(),
                        };
                        // Two words are a pair, however they are divided.
                        let mut one = |word: &String| Words::of(Some(word), &mut known);
                        match words.iter().map(&mut one).collect::<Vec<_>>()[..] {
                            [Words::One(l), Words::One(r)] => pair(l, r),
                            _ => several(words),
                        }
                    }
                    _ => NO_WORDS,
                }
            })
        })
        .collect()
}

fn build(tuples: &Arc<Tuples>, _: &[f64]) -> Box<dyn Comparator> {
    Box::new(names(tuples))
}

fn names(tuples: &Arc<Tuples>) -> Names {
    let (given, family) = (prepare(tuples.values(0)), prepare(tuples.values(1)));
    Names {
        outlines: [&given, &family].map(|names| names.iter().map(|own| own.outline).collect()),
        tuples: Arc::clone(tuples),
        words: whole_words(tuples, [&given, &family]),
        given,
        family,
    }
}

fn at(names: &[Name], code: u32) -> Option<&Name> {
    (code != MISSING).then(|| &names[code as usize])
}

impl Names {
    /// The given and the family code of a name.
    #[inline]
    fn codes(&self, name: u32) -> [u32; 2] {
        self.tuples.part_codes(name)
    }

    /// How a name of one column stands to a name of one, 0 for given and 1 for family names.
    fn relation(&self, [left, right]: [usize; 2], l: u32, r: u32) -> Relation {
        let (l, r) = (l as usize, r as usize);
        if left == right && l == r {
            return itself(self.outlines[left][l].initial);
        }
        if self.outlines[left][l].far(&self.outlines[right][r]) {
            return Relation::Far;
        }
        let names = |column: usize| if column == 0 { &self.given } else { &self.family };
        relation(&names(left)[l], &names(right)[r])
    }

    /// Whether two names are surely far from each other, as they stand and the given name of the one
    /// beside the family name of the other. Then they are no same words either: a word of the given
    /// name would be in one of the other's.
    #[inline]
    fn far(&self, l: [u32; 2], r: [u32; 2]) -> bool {
        let outline = |column: usize, code: u32| &self.outlines[column][code as usize];
        let (given_l, family_l) = (outline(0, l[0]), outline(1, l[1]));
        let (given_r, family_r) = (outline(0, r[0]), outline(1, r[1]));
        given_l.far(given_r) & family_l.far(family_r) & given_l.far(family_r)
    }

    /// Whether two names are the same words, however they are divided between the two columns;
    /// in two scripts, the same sounds.
    fn same_words(&self, l: u32, r: u32) -> bool {
        let latin = |code: u32| {
            let [given, family] = self.codes(code);
            let ascii = |name: Option<&Name>| name.is_none_or(|name| name.outline.latin);
            ascii(at(&self.given, given)) && ascii(at(&self.family, family))
        };
        let same = |form: usize| {
            let (l, r) = (self.words[l as usize][form], self.words[r as usize][form]);
            l != NO_WORDS && l == r
        };
        same(0) || (same(1) && latin(l) != latin(r))
    }

    /// The level of two names of which both parts are known.
    fn whole(&self, l: u32, r: u32) -> u8 {
        let (codes_l, codes_r) = (self.codes(l), self.codes(r));
        let relation =
            |left: usize, right: usize| self.relation([left, right], codes_l[left], codes_r[right]);
        whole(relation, || self.same_words(l, r))
    }
}

/// The level of two names of which both parts are known, by how a part of the left stands to a part
/// of the right, and whether both are the same words.
#[inline]
fn whole(relation: impl Fn(usize, usize) -> Relation, same_words: impl Fn() -> bool) -> u8 {
    let (given, family) = (relation(0, 0), relation(1, 1));
    let (strict, loose) = (given.min(family), given.max(family));
    let swapped = || match relation(0, 1) {
        Relation::Far => Relation::Far,
        one => one.max(relation(1, 0)),
    };
    match (strict, loose) {
        (_, Relation::Same) => 1,
        (_, Relation::Sound) => 2,
        _ if same_words() => 3,
        (Relation::Same | Relation::Sound, Relation::Part) => 4,
        (Relation::Same | Relation::Sound | Relation::Near, Relation::Near) => 5,
        (_, Relation::Far) => match swapped() {
            Relation::Same | Relation::Sound => 3,
            Relation::Near | Relation::Like => 6,
            _ if family <= Relation::Sound => 8,
            _ if given <= Relation::Sound => 9,
            _ => ELSE,
        },
        (Relation::Part, _) => 7,
        (_, _) if given == Relation::Part || family == Relation::Part => 7,
        _ => 6,
    }
}

impl Comparator for Names {
    fn level(&self, l: u32, r: u32) -> u8 {
        let (codes_l, codes_r) = (self.codes(l), self.codes(r));
        let known = |column: usize| codes_l[column] != MISSING && codes_r[column] != MISSING;
        let same_sound = |names: &[Name], column: usize| {
            same_sound(&names[codes_l[column] as usize], &names[codes_r[column] as usize])
        };
        match (known(0), known(1)) {
            (true, true) => {}
            _ if self.same_words(l, r) => return 3,
            // With one part known, agreement on it says no more than that.
            (false, true) => return if same_sound(&self.family, 1) { 8 } else { ELSE },
            (true, false) => return if same_sound(&self.given, 0) { 9 } else { ELSE },
            (false, false) => return UNKNOWN,
        }
        if l != r && self.far(codes_l, codes_r) { ELSE } else { self.whole(l, r) }
    }

    fn among<'a>(&'a self, codes: &'a [u32]) -> Option<Box<dyn Crowd + 'a>> {
        Some(Box::new(Many::new(self, codes)?))
    }

    /// Given names, family names, and both together by what they sound like; an initial stands for
    /// too many to count.
    fn terms(&self) -> Option<Vec<Part>> {
        let mut sounds = Texts::default();
        let mut sound = |names: &[Name]| -> Vec<u32> {
            let text = |own: &Name| match own.outline.initial {
                true => MISSING,
                false => sounds.number(own.skeleton().unwrap_or_else(|| own.text())),
            };
            names.iter().map(text).collect()
        };
        let by_column = [sound(&self.given), sound(&self.family)];
        let of = |column: usize| {
            let by_column = &by_column;
            let term = move |tuple: u32| match self.tuples.part_code(tuple, column) {
                MISSING => MISSING,
                code => by_column[column][code as usize],
            };
            (0..self.tuples.len() as u32).map(term).collect::<Vec<u32>>()
        };
        // Where a thread failed, on this one.
        let (given, family) =
            both(threads::count(), || of(0), || of(1)).unwrap_or_else(|_| (of(0), of(1)));
        // In one order, so that a swapped name is the same.
        let mut pairs = Numbers::default();
        let sorted = given.iter().zip(&family).map(|(l, r)| match (*l, *r) {
            (MISSING, _) | (_, MISSING) => None,
            (l, r) => Some(u64::from(l.min(r)) << 32 | u64::from(l.max(r))),
        });
        let both_names = pairs.numbers(sorted, MISSING);
        let (sounds, pairs) = (Arc::new(sounds.values), pairs.into_keys());
        let text = |pairs: Option<Vec<u64>>| -> TermText {
            let sounds = Arc::clone(&sounds);
            Box::new(move |term| match &pairs {
                None => sounds.get(term).to_owned(),
                Some(pairs) => {
                    let key = pairs[term as usize];
                    let (l, r) = (sounds.get((key >> 32) as u32), sounds.get(key as u32));
                    format!("{}\n{}", l.min(r), l.max(r))
                }
            })
        };
        Some(vec![
            Part { codes: given, text: text(None) },
            Part { codes: family, text: text(None) },
            Part { codes: both_names, text: text(Some(pairs)) },
        ])
    }

    fn agreed(&self, level: u8) -> u8 {
        match level {
            1..=3 | 5 | 6 => BOTH,
            4 | 7 | 8 => FAMILY,
            9 => GIVEN,
            _ => 0,
        }
    }
}

const GIVEN: u8 = 1;
const FAMILY: u8 = 2;
const BOTH: u8 = 4;

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, StringArray};
    use proptest::prelude::*;

    use super::*;
    use crate::resolve::columns::Dictionary;
    use crate::resolve::compare::testing::level;

    const NAME: &str = "([a-d]|[a-d]{2,6}|[a-d]{1,5}( [a-d]{1,4}){1,2}|bob|robert|[ا-د]{2,4})";

    proptest! {
        #[test]
        fn names_that_are_far_have_nothing_in_common(
            given in prop::collection::vec(NAME, 6), family in prop::collection::vec(NAME, 6),
        ) {
            let column = |texts: &[String]| {
                let array: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
                Dictionary::plain(&array, "x").unwrap()
            };
            let names = names(&Arc::new(Tuples::new(vec![column(&given), column(&family)]).0));
            let all = 0..names.tuples.len() as u32;
            for l in all.clone() {
                for r in all.clone().filter(|r| *r != l) {
                    let far = names.far(names.codes(l), names.codes(r));
                    prop_assert!(!far || names.whole(l, r) == ELSE);
                }
            }
        }
    }

    #[test]
    fn levels_nest_from_strict_to_loose() {
        let part = "short form or initial or a part of one name, the other the same";
        let alike = "short form or initial or a part of one name, the other alike";
        let divided = "given and family name swapped, or divided otherwise";
        let cases = [
            (["Mohamed", "Hassan"], ["MOHAMED", "hassan"], "exact"),
            (["Mohamed", "Hassan"], ["محمد", "حسن"], "same in another spelling or script"),
            (["Haya", "Hassan"], ["هيا", "حسن"], "same in another spelling or script"),
            (["Mohamed", "Hassan"], ["Hassan", "Mohamed"], divided),
            (["M.", "Hassan"], ["M", "Hassan"], part),
            (["M.", "Hassan"], ["Mohamed", "Hassan"], part),
            (["L.", "Hassan"], ["ليلى", "حسن"], part),
            (["Ana", "Diaz"], ["Ana Maria", "Diaz"], part),
            (["Ana", "Diaz Moreno"], ["Ana", "Moreno"], part),
            (["Katharina", "Schmidt"], ["Katherinna", "Schmitd"], "jaro_winkler >= 0.92 both"),
            (["Kave", "Mohammadi"], ["Mohamadi", "Kaave"], divided),
            (
                ["Rahul", "Thompson"],
                ["Tomphson", "Rahul"],
                "jaro_winkler >= 0.8 both, also swapped",
            ),
            (["D.", "Thompson"], ["David", "Thomson"], alike),
            (["A.", "Diaz Moreno"], ["Ana", "Moreno"], alike),
            (["Peter", "Hassan"], ["Mohamed", "Hassan"], "same family name"),
            (["Peter", "Hassan"], ["Peter", "Ondieki"], "same given name"),
            (["Peter", "Hassan"], ["Lucia", "Ondieki"], "else"),
            (["Mohamed Hassan", ""], ["Mohamed", "Hassan"], divided),
            (["", "محمد حسن"], ["Mohamed", "Hassan"], divided),
            (["Ana Maria", "Diaz"], ["Ana", "Maria Diaz"], divided),
            (["AnaMaria", "Diaz"], ["Ana Maria", "Diaz"], "same in another spelling or script"),
            (["", "Hassan"], ["Lucia", "Hassan"], "same family name"),
            (["", "Hassan"], ["Lucia", ""], "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("person_name", &l, &r), expected, "{l:?} {r:?}");
        }
    }
}
