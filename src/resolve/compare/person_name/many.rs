//! Names that are each compared with each, as those of a sample of records are.
//!
//! How their parts stand to each other is found once for each two different parts, of which there
//! are fewer; and of most two parts nothing is kept, for they are surely far from each other.

use super::super::name::{Outlines, Relation};
use super::super::{Comparator, Crowd};
use super::{ELSE, Names, whole};
use crate::intern::Numbers;
use crate::memory;
use crate::resolve::columns::MISSING;
use crate::threads::{self, parallel, ranges};

/// Two parts that are not surely far from each other, by their places, and how they stand.
type Near = (u32, u32, Relation);

/// For each part of one column, those of a column that are not surely far from it.
struct Nears {
    /// Where those of each part end.
    ends: Vec<usize>,
    all: Vec<(u32, Relation)>,
}

impl Nears {
    /// Of so many parts, the left ones of these.
    fn new(parts: usize, nears: impl Iterator<Item = Near> + Clone) -> Self {
        let mut ends = vec![0; parts + 1];
        nears.clone().for_each(|(own, _, _)| ends[own as usize + 1] += 1);
        for part in 0..parts {
            ends[part + 1] += ends[part];
        }
        // Until all are there, an end is where the next one goes.
        let mut all = vec![(0, Relation::Far); ends[parts]];
        for (own, other, relation) in nears {
            let next = &mut ends[own as usize];
            all[*next] = (other, relation);
            *next += 1;
        }
        Self { ends, all }
    }

    /// Those that are not surely far from a part.
    fn of(&self, part: u32) -> &[(u32, Relation)] {
        let part = part as usize;
        let start = if part == 0 { 0 } else { self.ends[part - 1] };
        &self.all[start..self.ends[part]]
    }
}

/// How one part stands to each of a column.
struct Row {
    /// By place of the other. Past the last one stands what is always looked at.
    near: Vec<bool>,
    relations: Vec<Relation>,
}

impl Row {
    fn new(parts: usize, nears: &[(u32, Relation)]) -> Self {
        let (mut near, mut relations) = (vec![false; parts + 1], vec![Relation::Far; parts]);
        near[parts] = true;
        for (other, relation) in nears {
            near[*other as usize] = true;
            relations[*other as usize] = *relation;
        }
        Self { near, relations }
    }
}

/// The names.
pub(super) struct Many<'a> {
    names: &'a Names,
    codes: &'a [u32],
    /// By name, the places of its given and of its family name; of a name that lacks one, two places
    /// past the last.
    places: Vec<[u32; 2]>,
    /// How many different given and family names there are.
    parts: [usize; 2],
    /// Given to given names, given to family names, family to given names, family to family names.
    nears: [[Nears; 2]; 2],
}

/// The most pairs of different parts.
const PAIRS: usize = 1 << 25;

/// Left parts that a thread takes at a time.
const LEFTS: usize = 64;

/// Two parts that are not surely far from each other, of these of two columns; of one column, each
/// two once.
fn nears(
    names: &Names,
    [left, right]: [usize; 2],
    lefts: &[u32],
    rights: &[u32],
) -> Option<Vec<Near>> {
    let outline = |column: usize, code: u32| names.outlines[column][code as usize];
    let outlines = Outlines::new(rights.iter().map(|code| outline(right, *code)).collect());
    let parts = ranges(lefts.len(), LEFTS);
    let found = |far: &mut Vec<bool>, part: usize| {
        let mut found = Vec::new();
        for place in parts[part].clone() {
            let own = lefts[place];
            let width = if left == right { place + 1 } else { rights.len() };
            outlines.far(&outline(left, own), width, far);
            for (other, code) in rights[..width].iter().enumerate().filter(|(at, _)| !far[*at]) {
                let relation = names.relation([left, right], own, *code);
                found.push((place as u32, other as u32, relation));
            }
        }
        found
    };
    Some(parallel(parts.len(), threads::count(), Vec::new, found).ok()?.concat())
}

fn turned((left, right, relation): Near) -> Near {
    (right, left, relation)
}

impl<'a> Many<'a> {
    /// `None` where there are too many: what is found of names is the same without.
    pub(super) fn new(names: &'a Names, codes: &'a [u32]) -> Option<Self> {
        let mut places = vec![[MISSING; 2]; codes.len()];
        let [given, family] = [0, 1].map(|column| -> Vec<u32> {
            let mut different = Numbers::default();
            let part = |name: &u32| match names.codes(*name)[column] {
                MISSING => None,
                code => Some(u64::from(code)),
            };
            let own = different.numbers(codes.iter().map(part), MISSING);
            places.iter_mut().zip(own).for_each(|(places, place)| places[column] = place);
            different.into_keys().into_iter().map(|code| code as u32).collect()
        });
        let parts = [given.len(), family.len()];
        for own in places.iter_mut().filter(|own| own.contains(&MISSING)) {
            *own = parts.map(|parts| parts as u32);
        }
        let of_two = |all: usize| all * (all + 1) / 2;
        let pairs = of_two(given.len()) + given.len() * family.len() + of_two(family.len());
        // Twice each, where none is surely far from another, and once as they are found.
        let room = 3 * pairs * size_of::<Near>();
        if pairs > PAIRS || !memory::has_room(room as u64) {
            return None;
        }
        let of_one = |column: usize, parts: &[u32]| -> Option<Nears> {
            let found = nears(names, [column, column], parts, parts)?;
            // A part and itself are there once.
            let other = found.iter().copied().filter(|(l, r, _)| l != r).map(turned);
            Some(Nears::new(parts.len(), found.iter().copied().chain(other)))
        };
        let crossed = nears(names, [0, 1], &given, &family)?;
        let to_family = Nears::new(given.len(), crossed.iter().copied());
        let to_given = Nears::new(family.len(), crossed.iter().copied().map(turned));
        let nears = [[of_one(0, &given)?, to_family], [to_given, of_one(1, &family)?]];
        Some(Self { names, codes, places, parts, nears })
    }
}

impl Crowd for Many<'_> {
    fn before(&self, place: usize, found: &mut Vec<(u32, u8)>) {
        let (name, own) = (self.codes[place], self.places[place]);
        let others = || (0..).zip(&self.places[..place]).zip(self.codes);
        let mut put = |other: u32, level: u8| {
            if level != ELSE {
                found.push((other, level));
            }
        };
        if own[0] as usize == self.parts[0] {
            for ((other, _), code) in others() {
                put(other, self.names.level(name, *code));
            }
            return;
        }
        // By the column of the own part, then of the other's.
        let rows = [0, 1].map(|left| {
            [0, 1].map(|right| Row::new(self.parts[right], self.nears[left][right].of(own[left])))
        });
        let near = |row: &Row, part: u32| row.near[part as usize];
        for ((other, [given, family]), code) in others() {
            let any =
                near(&rows[0][0], *given) | near(&rows[1][1], *family) | near(&rows[0][1], *family);
            if !any {
                continue;
            }
            if *given as usize == self.parts[0] {
                put(other, self.names.level(name, *code));
                continue;
            }
            let parts = [*given, *family];
            let relation =
                |left: usize, right: usize| rows[left][right].relations[parts[right] as usize];
            put(other, whole(relation, || self.names.same_words(name, *code)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};
    use proptest::prelude::*;

    use super::super::names;
    use super::*;
    use crate::resolve::columns::{Dictionary, Tuples};
    use crate::resolve::compare::testing::each_with_each;

    const NAME: &str = "([a-d]|[a-d]{2,6}|[a-d]{1,5}( [a-d]{1,4}){1,2}|bob|robert|[ا-د]{2,4})";

    proptest! {
        /// Some lack a part.
        #[test]
        fn of_many_names_each_two_stand_as_they_do_alone(
            given in prop::collection::vec(prop::option::weighted(0.9, NAME), 12),
            family in prop::collection::vec(prop::option::weighted(0.9, NAME), 12),
        ) {
            let column = |texts: &[Option<String>]| {
                let array: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
                Dictionary::plain(&array, "x").unwrap()
            };
            let (tuples, codes) = Tuples::new(vec![column(&given), column(&family)]);
            let names = names(&Arc::new(tuples));
            // In another order than theirs.
            let codes = codes.into_iter().rev().filter(|code| *code != MISSING).collect();
            each_with_each(&names, codes, ELSE);
        }
    }
}
