//! Two names of persons, given and family name as one comparison, across scripts and spellings.

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
        "given and family name swapped",
        "short form or initial, same family name",
        "jaro_winkler >= 0.92 both",
        "jaro_winkler >= 0.8 both",
        "same family name",
        "same given name",
        "else",
    ],
    thresholds: &[],
    expensive: true,
    normalise: |_, text| fold::text_fold(text),
    build,
};

/// A distinct given or family name.
struct Name {
    text: String,
    skeleton: Option<String>,
    root: Option<String>,
    /// The one letter of an initial.
    initial: bool,
}

struct Names {
    given: Vec<Name>,
    family: Vec<Name>,
    /// Given and family codes of each name.
    parts: Vec<[u32; 2]>,
}

fn prepare(values: &Values) -> Vec<Name> {
    (0..values.len() as u32)
        .map(|code| {
            let text = values.get(code).to_owned();
            Name {
                skeleton: fold::name_skeleton(&text).filter(|skeleton| skeleton.len() > 1),
                root: fold::nickname_root(&text),
                initial: text.chars().count() == 1,
                text,
            }
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
    })
}

/// Equal, or of one skeleton and not far apart where both are in one script: skeletons of short
/// names meet by chance (Dan, Dean, Dina).
fn same_sound(l: &Name, r: &Name) -> bool {
    if l.text == r.text {
        return true;
    }
    let one_script = l.text.is_ascii() == r.text.is_ascii();
    l.skeleton.is_some()
        && l.skeleton == r.skeleton
        && (!one_script || similarity::jaro_winkler(&l.text, &r.text) >= 0.8)
}

/// One is a short form of the other, its initial, or its first word.
fn short_form(l: &Name, r: &Name) -> bool {
    let begins = |short: &Name, long: &Name| {
        (short.initial || long.text[short.text.len()..].starts_with(' '))
            && long.text.len() > short.text.len()
    };
    (l.root.is_some() && l.root == r.root)
        || (r.text.starts_with(&l.text) && begins(l, r))
        || (l.text.starts_with(&r.text) && begins(r, l))
}

fn at(names: &[Name], code: u32) -> Option<&Name> {
    (code != MISSING).then(|| &names[code as usize])
}

impl Comparator for Names {
    fn level(&self, l: u32, r: u32) -> u8 {
        let ([given_l, family_l], [given_r, family_r]) =
            (self.parts[l as usize], self.parts[r as usize]);
        let given = at(&self.given, given_l).zip(at(&self.given, given_r));
        let family = at(&self.family, family_l).zip(at(&self.family, family_r));
        let ((given_l, given_r), (family_l, family_r)) = match (given, family) {
            (Some(given), Some(family)) => (given, family),
            // With one part known, agreement on it says no more than that.
            (None, Some((l, r))) => return if same_sound(l, r) { 7 } else { 9 },
            (Some((l, r)), None) => return if same_sound(l, r) { 8 } else { 9 },
            (None, None) => return UNKNOWN,
        };
        if given_l.text == given_r.text && family_l.text == family_r.text {
            // One initial stands for many names.
            return if given_l.initial || family_l.initial { 4 } else { 1 };
        }
        let family_same = same_sound(family_l, family_r);
        if family_same && same_sound(given_l, given_r) {
            return 2;
        }
        if same_sound(given_l, family_r) && same_sound(family_l, given_r) {
            return 3;
        }
        if family_same && short_form(given_l, given_r) {
            return 4;
        }
        let family_close = similarity::jaro_winkler(&family_l.text, &family_r.text);
        let given_close = similarity::jaro_winkler(&given_l.text, &given_r.text);
        match family_close.min(given_close) {
            close if close >= 0.92 => 5,
            close if close >= 0.8 => 6,
            _ if family_same => 7,
            _ if same_sound(given_l, given_r) => 8,
            _ => 9,
        }
    }

    /// Given and family names by what they sound like; an initial stands for too many to count.
    fn terms(&self) -> Option<Vec<Vec<Option<&str>>>> {
        fn part<'a>(names: &'a [Name], parts: &[[u32; 2]], place: usize) -> Vec<Option<&'a str>> {
            let term = |codes: &[u32; 2]| {
                let name = at(names, codes[place]).filter(|name| !name.initial)?;
                Some(name.skeleton.as_deref().unwrap_or(&name.text))
            };
            parts.iter().map(term).collect()
        }
        Some(vec![part(&self.given, &self.parts, 0), part(&self.family, &self.parts, 1)])
    }

    fn agreed(&self, level: u8) -> u8 {
        match level {
            1..=3 | 5 | 6 => BOTH,
            4 | 7 => FAMILY,
            8 => GIVEN,
            _ => 0,
        }
    }
}

const GIVEN: u8 = 1;
const FAMILY: u8 = 2;
const BOTH: u8 = GIVEN | FAMILY;

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

    #[test]
    fn levels_nest_from_strict_to_loose() {
        let cases = [
            (["Mohamed", "Hassan"], ["MOHAMED", "hassan"], "exact"),
            (["Mohamed", "Hassan"], ["محمد", "حسن"], "same in another spelling or script"),
            (["Mohamed", "Hassan"], ["Hassan", "Mohamed"], "given and family name swapped"),
            (["M.", "Hassan"], ["M", "Hassan"], "short form or initial, same family name"),
            (["M.", "Hassan"], ["Mohamed", "Hassan"], "short form or initial, same family name"),
            (["Ana", "Diaz"], ["Ana Maria", "Diaz"], "short form or initial, same family name"),
            (["Katharina", "Schmidt"], ["Katherinna", "Schmitd"], "jaro_winkler >= 0.92 both"),
            (["Peter", "Hassan"], ["Mohamed", "Hassan"], "same family name"),
            (["Peter", "Hassan"], ["Peter", "Ondieki"], "same given name"),
            (["Peter", "Hassan"], ["Lucia", "Ondieki"], "else"),
            (["", "Hassan"], ["Lucia", "Hassan"], "same family name"),
            (["", "Hassan"], ["Lucia", ""], "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("person_name", &l, &r), expected, "{l:?} {r:?}");
        }
    }
}
