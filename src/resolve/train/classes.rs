//! Classes of pairs, what each may say of a comparison, and where training begins.
//!
//! Knows kinds of comparisons by what they compare; refuses to know counts.
//!
//! A class that is free in everything is a class of anything: where duplicates are clean or poor,
//! or keep or change their address as one, it takes a part of them for namesakes or a household.
//! What makes a class one of *different* entities is that some of what it compares is there by
//! chance. So:
//!
//! | class | a name | an e-mail address | a date | a phone | a place | what nobody knows |
//! |---|---|---|---|---|---|---|
//! | the same entity | free | free | free | free | free | free |
//! | a household | free | half by chance | half by chance | free | free | half by chance |
//! | namesakes | as the same entity | half by chance | by chance | by chance | half by chance | half by chance |
//! | branches | as the same entity | half by chance | by chance | free | half by chance | half by chance |
//!
//! What nobody knows and is mostly alike by chance, as a sex or a state, tells nobody apart: these
//! classes are free in it, or they would have to be less alike in it than their pairs are.
//!
//! *Half by chance*: at least half of the pairs are as coincidence has them. E-mail addresses are
//! not wholly by chance in either: they are made of names, and a name is what these pairs share.
//! Nor are the places of namesakes: a name is of a country, and who bears it lives there, so that
//! namesakes are of one city or country oftener than any two records. Where they had places by
//! chance, pairs of one common name in one city were taken for one person.
//! That is all that namesakes are for: who agrees on a name by chance and on nothing else is a
//! coincidence, so that without names and e-mail addresses there is no such class. Organisations have
//! branches: called alike by no chance, often in one town, and many with the phone of the head office.
//! Where their names are compared and places or phones, branches are that class, with no e-mail
//! address. Without dates and e-mail addresses names are what tells members of a household apart:
//! half of them are then as coincidence has them among those who are called by one family name.
//! Where nothing does, there are none.
//!
//! A household is known by what is known to be shared: an address, a phone, a place; and beside the
//! name of a person the name of a firm, which colleagues share as a household its address. Where every
//! column is compared by a plain similarity nobody can say whether a number is a phone, which a
//! household shares, or a social security number, which it does not; a class of households that was
//! free in such columns took in the poor copies of one person, and is not tried.
//!
//! Whose name is whose the kind of the records says: a firm that a person's record names is where
//! that person works; a person whom an organisation's record names works there, and is no name of it.

use super::Probabilities;
use crate::resolve::compare::Comparison;

/// A class of pairs that is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Same,
    Household,
    Namesake,
    /// Different entities that are called alike: estimated from what training first took for one
    /// entity, and free in everything.
    Alike,
}

/// What a class says of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Estimated.
    Free,
    /// Half as coincidence has it, half estimated.
    HalfByChance,
    /// Half as coincidence has it among pairs that reach this level, by its place; half estimated.
    HalfKin(usize),
    /// As coincidence has it.
    ByChance,
    /// As the same entity has it.
    AsSame,
    /// Given: it stays as it began.
    Given,
}

/// What a comparison is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// A name, shared by namesakes and in part by a family.
    Name,
    /// One person's or firm's own, though made of the name.
    Address,
    /// One person's or firm's own.
    Own,
    /// Where somebody is, which a household shares.
    Place,
    /// A phone, which a household may share.
    Phone,
    /// Nobody knows.
    Else,
}

/// What of records is compared, and of what kind they are.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    /// The kind of record.
    pub(super) kind: &'a str,
    /// The comparisons.
    pub(super) list: &'a [Comparison],
}

impl Subject<'_> {
    fn about(&self, comparison: &Comparison) -> About {
        let any = |is: fn(&Comparison) -> bool| self.list.iter().any(is);
        match self.kind == ORGANISATION {
            // Beside the name of a person it is where that person works.
            false if is_of_organisation(comparison) && any(is_of_person) => About::Place,
            // Beside the name of an organisation it is who works there.
            true if is_of_person(comparison) && any(is_of_organisation) => About::Else,
            _ => about(comparison),
        }
    }

    fn has(&self, what: About) -> bool {
        self.list.iter().any(|own| self.about(own) == what)
    }

    /// Whether records are of organisations, which have branches.
    fn has_branches(&self) -> bool {
        let named = |own: &Comparison| is_of_organisation(own) && self.about(own) == About::Name;
        self.list.iter().any(named)
    }

    fn has_own(&self) -> bool {
        self.has(About::Own) || self.has(About::Address)
    }

    /// The comparisons, by their places, of what is an entity's own: where nothing else is, its name.
    pub(super) fn of_its_own(&self) -> impl Iterator<Item = usize> {
        let names = !self.has_own();
        let own = move |at: &usize| match self.about(&self.list[*at]) {
            About::Own | About::Address => true,
            About::Name => names,
            _ => false,
        };
        (0..self.list.len()).filter(own)
    }

    /// Whether nothing but names tells members of a household apart, and none says which part of it
    /// they share.
    pub(super) fn tells_by_whole_names(&self) -> bool {
        !self.has_own() && self.of_its_own().all(|at| family(&self.list[at]).is_none())
    }

    /// The comparisons, by their places, of what is known to be shared.
    pub(super) fn shared(&self) -> impl Iterator<Item = usize> {
        let shared =
            |at: &usize| matches!(self.about(&self.list[*at]), About::Place | About::Phone);
        (0..self.list.len()).filter(shared)
    }

    /// Whether a comparison is of what records are called: names and titles.
    pub(super) fn is_called(&self, comparison: &Comparison) -> bool {
        self.about(comparison) == About::Name || comparison.kind == "free_text"
    }
}

fn is_of_person(comparison: &Comparison) -> bool {
    matches!(comparison.kind, "person_name" | "full_name")
}

fn is_of_organisation(comparison: &Comparison) -> bool {
    comparison.kind == "organisation_name"
}

/// What a comparison is about by itself.
fn about(comparison: &Comparison) -> About {
    match comparison.kind {
        "person_name" | "full_name" | "organisation_name" => About::Name,
        "jaro" | "jaro_winkler" if comparison.term_frequency => About::Name,
        "email" | "handle" => About::Address,
        "date" | "date_difference" => About::Own,
        "address" | "geographic_distance" | "postcode" | "street_address" => About::Place,
        "phone" => About::Phone,
        _ => About::Else,
    }
}

/// Whether it is known what a comparison is about.
pub(super) fn is_understood(comparison: &Comparison) -> bool {
    about(comparison) != About::Else
}

/// The level, by its place, of names that share the family name alone.
pub(super) fn family(comparison: &Comparison) -> Option<usize> {
    comparison.levels.iter().position(|own| own == "same family name" || own == "same last word")
}

/// The kind of records of organisations.
const ORGANISATION: &str = "organisation";

/// More random pairs than this that agree exactly: a comparison that tells hardly anybody apart.
const WEAK: f64 = 0.05;

/// The share of pairs of one entity that agree on nothing of a comparison, to begin with.
pub(super) const START_ELSE: f64 = 0.05;

/// m before training: the strictest level most of the time, each looser one half as often.
pub(super) fn start(levels: usize) -> Vec<f64> {
    let halves: Vec<f64> = (0..levels - 1).map(|level| 0.5f64.powi(level as i32)).collect();
    let sum: f64 = halves.iter().sum();
    halves.iter().map(|half| half / sum * (1.0 - START_ELSE)).chain([START_ELSE]).collect()
}

/// Halfway between two, geometrically.
fn between(m: &[f64], u: &[f64]) -> Vec<f64> {
    let product: Vec<f64> = m.iter().zip(u).map(|(m, u)| (m * u).sqrt()).collect();
    let sum: f64 = product.iter().sum();
    product.into_iter().map(|value| value / sum).collect()
}

/// The sets of classes that can be told apart by these comparisons, the fewest classes first.
pub(super) fn candidates(subject: Subject<'_>) -> Vec<Vec<Class>> {
    let has = |what: About| subject.has(what);
    let own = has(About::Own) || has(About::Address) || has(About::Name);
    let shared = has(About::Place) || has(About::Phone);
    let household = subject.list.len() >= 3 && shared && own;
    let kin = has(About::Address) || (shared && subject.has_branches());
    let namesake = subject.list.len() >= 3 && has(About::Name) && kin;
    let mut sets = vec![vec![Class::Same]];
    if household {
        sets.push(vec![Class::Same, Class::Household]);
    }
    if namesake {
        sets.push(vec![Class::Same, Class::Namesake]);
    }
    if household && namesake {
        sets.push(vec![Class::Same, Class::Household, Class::Namesake]);
    }
    sets
}

/// What a class says of each comparison, and the probabilities with which it begins.
pub(super) fn begin(
    class: Class,
    subject: Subject<'_>,
    m: &Probabilities,
    given: &[bool],
    u: &Probabilities,
) -> (Vec<Hold>, Probabilities) {
    let list = subject.list;
    let own = subject.has_own();
    let of = |place: usize| {
        let (m, u) = (&m[place], &u[place]);
        match (class, subject.about(&list[place])) {
            (Class::Same, _) if given[place] => (Hold::Given, m.clone()),
            (Class::Same, _) => (Hold::Free, m.clone()),
            (Class::Household, About::Own | About::Address) => (Hold::HalfByChance, u.clone()),
            (Class::Household | Class::Namesake, About::Else) if u[0] > WEAK => {
                (Hold::Free, between(m, u))
            }
            (Class::Household, About::Else) => (Hold::HalfByChance, u.clone()),
            (Class::Household, About::Name) if !own => match family(&list[place]) {
                Some(level) => (Hold::HalfKin(level), between(m, u)),
                None => (Hold::HalfByChance, u.clone()),
            },
            (Class::Household, _) => (Hold::Free, between(m, u)),
            (Class::Namesake, About::Name) => (Hold::AsSame, m.clone()),
            (Class::Namesake, About::Phone) if subject.has_branches() => {
                (Hold::Free, between(m, u))
            }
            (Class::Namesake, About::Own | About::Phone) => (Hold::ByChance, u.clone()),
            (Class::Namesake, _) => (Hold::HalfByChance, u.clone()),
            (Class::Alike, _) => (Hold::Free, between(m, u)),
        }
    };
    (0..list.len()).map(of).unzip()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};

    use super::*;
    use crate::resolve::compare::testing::comparison;

    fn sets(kind: &str, kinds: &[(&str, usize)]) -> Vec<Vec<Class>> {
        let array: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let one = |(kind, columns): &(&str, usize)| comparison(kind, &[], &vec![&array; *columns]);
        let list: Vec<Comparison> = kinds.iter().map(one).collect();
        candidates(Subject { kind, list: &list })
    }

    #[test]
    fn households_are_looked_for_only_where_it_is_known_what_they_share() {
        let household = [Class::Same, Class::Household];
        let name = ("person_name", 2);
        let known = sets("person", &[name, ("date", 1), ("phone", 1)]);
        assert!(known.iter().any(|own| own[..] == household));
        let plain = sets("person", &[name, ("levenshtein", 1), ("exact", 1), ("jaro_winkler", 1)]);
        assert_eq!(plain, [vec![Class::Same]]);
    }

    #[test]
    fn branches_are_looked_for_where_organisations_have_places() {
        let branches = [Class::Same, Class::Namesake];
        let has_branches =
            |kind, kinds: &[(&str, usize)]| sets(kind, kinds).iter().any(|own| own[..] == branches);
        let named = ("organisation_name", 1);
        assert!(has_branches("organisation", &[named, ("address", 3), ("exact", 1)]));
        assert!(!has_branches("organisation", &[named, ("exact", 1), ("numeric", 1)]));
        // Persons who work there have none; an organisation that says who leads it has.
        let of_both = [("person_name", 2), named, ("address", 3)];
        assert!(!has_branches("person", &of_both));
        assert!(has_branches("organisation", &of_both));
    }
}
