//! Two names of persons, given and family name as one comparison, across scripts and spellings.

use rustc_hash::FxHashMap;

use super::{Comparator, ComparisonKind, UNKNOWN};
use crate::resolve::columns::{MISSING, Tuples, Values};
use crate::resolve::fold;
use crate::resolve::similarity;

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

/// A distinct given or family name.
pub(super) struct Name {
    text: String,
    /// Its words without the spaces between them.
    joined: String,
    skeleton: Option<String>,
    root: Option<String>,
    /// Skeletons of its words that are long enough to tell.
    words: Vec<String>,
    /// The one letter of an initial.
    initial: bool,
    latin: bool,
}

struct Names {
    given: Vec<Name>,
    family: Vec<Name>,
    /// Given and family codes of each name.
    parts: Vec<[u32; 2]>,
    /// All words of each name in any order, as a code of their spelling and one of their sound;
    /// `MISSING` for a name of one word or with an initial.
    words: Vec<[u32; 2]>,
}

/// A word's skeleton shorter than this is shared by chance.
const SHORT: usize = 3;

impl Name {
    /// A name of its folded text.
    pub(super) fn new(text: String) -> Self {
        let words = || text.split(' ').filter_map(fold::name_skeleton);
        Self {
            joined: text.replace(' ', ""),
            skeleton: fold::name_skeleton(&text),
            root: fold::nickname_root(&text),
            words: words().filter(|word| word.len() >= SHORT).collect(),
            initial: text.chars().count() == 1,
            latin: text.is_ascii(),
            text,
        }
    }
}

fn prepare(values: &Values) -> Vec<Name> {
    (0..values.len() as u32).map(|code| Name::new(values.get(code).to_owned())).collect()
}

/// Codes of what all words of each name are, in any order: spelled, and as they sound.
fn whole_words(tuples: &Tuples) -> Vec<[u32; 2]> {
    let mut known: FxHashMap<String, u32> = FxHashMap::default();
    let mut code = |mut words: Vec<String>| {
        // An initial, or a sound of one letter, stands for many names.
        if words.len() < 2 || words.iter().any(|word| word.chars().nth(1).is_none()) {
            return MISSING;
        }
        words.sort_unstable();
        let next = known.len() as u32;
        *known.entry(words.join(" ")).or_insert(next)
    };
    (0..tuples.len() as u32)
        .map(|tuple| {
            let texts = [0, 1].map(|column| tuples.part(tuple, column).unwrap_or_default());
            let words = || texts.iter().flat_map(|text| text.split_whitespace());
            let sounds = words().filter_map(fold::name_skeleton);
            [code(words().map(str::to_owned).collect()), code(sounds.collect())]
        })
        .collect()
}

fn build(tuples: &Tuples, _: &[f64]) -> Box<dyn Comparator> {
    Box::new(Names {
        given: prepare(tuples.values(0)),
        family: prepare(tuples.values(1)),
        parts: (0..tuples.len() as u32)
            .map(|code| [tuples.part_code(code, 0), tuples.part_code(code, 1)])
            .collect(),
        words: whole_words(tuples),
    })
}

/// How two given or two family names stand to each other, from strict to loose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Relation {
    Same,
    /// The same in another spelling or script.
    Sound,
    /// A short form, an initial, or a part of a name of several words.
    Part,
    /// Jaro-Winkler of 0.92 or more.
    Near,
    /// Jaro-Winkler of 0.8 or more.
    Like,
    Far,
}

/// Equal, or of one skeleton and not far apart where both are in one script: skeletons of short
/// names meet by chance (Dan, Dean, Dina).
fn same_sound(l: &Name, r: &Name) -> bool {
    if l.joined == r.joined {
        return true;
    }
    if l.initial || r.initial || l.skeleton.is_none() || l.skeleton != r.skeleton {
        return false;
    }
    let long = l.skeleton.as_ref().is_some_and(|skeleton| skeleton.len() > 1);
    if l.latin == r.latin {
        long && similarity::jaro_winkler(&l.text, &r.text) >= 0.8
    } else {
        true
    }
}

/// One is a short form of the other, its initial, or one or more of its words.
fn part(l: &Name, r: &Name) -> bool {
    let begins = |short: &Name, long: &Name| match short.initial {
        true if short.latin == long.latin => long.text.starts_with(&short.text),
        true => match (&short.skeleton, &long.skeleton) {
            (Some(short), Some(long)) => long.starts_with(short.as_str()),
            _ => false,
        },
        false => {
            long.text.contains(' ') && short.words.iter().any(|word| long.words.contains(word))
        }
    };
    (l.root.is_some() && l.root == r.root) || begins(l, r) || begins(r, l)
}

/// How two names stand to each other.
pub(super) fn relation(l: &Name, r: &Name) -> Relation {
    if l.text == r.text {
        // One initial stands for many names.
        return if l.initial { Relation::Part } else { Relation::Same };
    }
    if same_sound(l, r) {
        return Relation::Sound;
    }
    if part(l, r) {
        return Relation::Part;
    }
    let close = match (&l.skeleton, &r.skeleton) {
        // In two scripts what they sound like is all that can be compared.
        (Some(l), Some(r)) if l.len() > 1 && r.len() > 1 => similarity::jaro_winkler(l, r),
        _ => 0.0,
    };
    let close = if l.latin == r.latin { similarity::jaro_winkler(&l.text, &r.text) } else { close };
    match close {
        close if close >= 0.92 => Relation::Near,
        close if close >= 0.8 => Relation::Like,
        _ => Relation::Far,
    }
}

fn at(names: &[Name], code: u32) -> Option<&Name> {
    (code != MISSING).then(|| &names[code as usize])
}

impl Names {
    /// Whether two names are the same words, however they are divided between the two columns;
    /// in two scripts, the same sounds.
    fn same_words(&self, l: u32, r: u32) -> bool {
        let latin = |code: u32| {
            let [given, family] = self.parts[code as usize];
            let ascii = |name: Option<&Name>| name.is_none_or(|name| name.latin);
            ascii(at(&self.given, given)) && ascii(at(&self.family, family))
        };
        let same = |form: usize| {
            let (l, r) = (self.words[l as usize][form], self.words[r as usize][form]);
            l != MISSING && l == r
        };
        same(0) || (same(1) && latin(l) != latin(r))
    }
}

impl Comparator for Names {
    fn level(&self, l: u32, r: u32) -> u8 {
        let ([given_l, family_l], [given_r, family_r]) =
            (self.parts[l as usize], self.parts[r as usize]);
        let given = at(&self.given, given_l).zip(at(&self.given, given_r));
        let family = at(&self.family, family_l).zip(at(&self.family, family_r));
        let ((given_l, given_r), (family_l, family_r)) = match (given, family) {
            (Some(given), Some(family)) => (given, family),
            _ if self.same_words(l, r) => return 3,
            // With one part known, agreement on it says no more than that.
            (None, Some((l, r))) => return if same_sound(l, r) { 8 } else { 10 },
            (Some((l, r)), None) => return if same_sound(l, r) { 9 } else { 10 },
            (None, None) => return UNKNOWN,
        };
        let (given, family) = (relation(given_l, given_r), relation(family_l, family_r));
        let (strict, loose) = (given.min(family), given.max(family));
        let swapped = || match relation(given_l, family_r) {
            Relation::Far => Relation::Far,
            one => one.max(relation(family_l, given_r)),
        };
        match (strict, loose) {
            (_, Relation::Same) => 1,
            (_, Relation::Sound) => 2,
            _ if self.same_words(l, r) => 3,
            (Relation::Same | Relation::Sound, Relation::Part) => 4,
            (Relation::Same | Relation::Sound | Relation::Near, Relation::Near) => 5,
            (_, Relation::Far) => match swapped() {
                Relation::Same | Relation::Sound => 3,
                Relation::Near | Relation::Like => 6,
                _ if family <= Relation::Sound => 8,
                _ if given <= Relation::Sound => 9,
                _ => 10,
            },
            (Relation::Part, _) => 7,
            (_, _) if given == Relation::Part || family == Relation::Part => 7,
            _ => 6,
        }
    }

    /// Given names, family names, and both together by what they sound like; an initial stands for
    /// too many to count.
    fn terms(&self) -> Option<Vec<Vec<Option<String>>>> {
        let sound = |names: &[Name], code: u32| {
            let name = at(names, code).filter(|name| !name.initial)?;
            Some(name.skeleton.as_ref().unwrap_or(&name.text).clone())
        };
        let parts = self.parts.iter();
        let each = parts.map(|codes| (sound(&self.given, codes[0]), sound(&self.family, codes[1])));
        let (mut given, mut family, mut both) = (Vec::new(), Vec::new(), Vec::new());
        for (own_given, own_family) in each {
            let pair = own_given.as_ref().zip(own_family.as_ref());
            // In one order, so that a swapped name is the same.
            both.push(pair.map(|(l, r)| format!("{}\n{}", l.min(r), l.max(r))));
            given.push(own_given);
            family.push(own_family);
        }
        Some(vec![given, family, both])
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
    use crate::resolve::compare::testing::level;

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
