//! Which set of classes is the model.
//!
//! Knows criteria and what a class turned out to be; refuses to know pairs.
//!
//! Which classes there are is not known beforehand: every set that the comparisons can tell apart
//! is trained, and the one with the best Bayesian information criterion (Schwarz 1978) is the model.
//! Where there are no households, a class for them would find something else to be. Fits compare
//! only where coincidence is the same: all sets are measured with u as it is without what one class
//! alone explains. Measured each with its own u, branches of organisations were found or not by
//! chance. A level at which a class has no pair costs nothing. Pricing each class by its own pairs was
//! tried: households of branches were chosen too often.
//!
//! What depends by chance, as the words of a name on what is served, leads astray: pairs that are
//! called alike are more than there should be, can be more than the duplicates, and are then what
//! is found. Such a class is known by this, that its pairs agree in nothing else; or by this, that
//! another class is more alike in all that is an entity's own, for the two have each other's pairs.
//! It is kept, as a class of look-alikes, and the same entity is trained beside it; where that
//! becomes look-alikes again, it is held to be called alike.

use super::classes::{Class, family};
use super::{LEAST, Material, Start, Trained, name};
use crate::error::{Error, Result};
use crate::resolve::model::Candidate;
use crate::threads::parallel;

/// Levels that so few random pairs reach, together with all stricter ones, tell entities apart.
pub(super) const TELLS: f64 = 0.001;
/// A class that found anything has more pairs than this: those of its prior, which EM counts as one
/// pair, and one more.
const PRIOR_AND_ONE: f64 = 2.0;
/// More than this share is most of a class.
const MOSTLY: f64 = 0.5;
/// Less than this share is hardly any of a class: a few duplicates that it took in.
const HARDLY: f64 = 0.1;
/// A comparison by which two classes are told apart says at least so many bits of a pair, even where
/// it does not agree strictly.
const SAYS: f64 = 0.3;

impl Material<'_> {
    /// Trains every set of classes but the first, one entity alone, which is trained; gives the one
    /// of the least criterion first, and all that were tried.
    pub(super) fn best(
        &self,
        alone: Trained,
        sets: &[Vec<Class>],
        threads: usize,
    ) -> Result<(Vec<Trained>, Vec<Candidate>)> {
        // The largest set takes longest: it is begun first.
        let one = |place: usize| self.train(&sets[sets.len() - 1 - place], Start::default());
        let mut trained = parallel(sets.len() - 1, threads, || (), |(), place| one(place))?;
        trained.push(alone);
        trained.reverse();
        let tried = trained.iter().map(candidate).collect();
        // Stable: of two that are as good the one of fewer classes.
        trained.sort_by(|one, other| one.criterion.total_cmp(&other.criterion));
        trained.retain(|own| !self.is_of_poor_copies(own));
        Ok((trained, tried))
    }

    /// Whether another class is more alike in all that is an entity's own than the same entity is:
    /// the classes have each other's pairs.
    fn is_swapped(&self, trained: &Trained) -> bool {
        let share = |class, place| trained.mixture.probability(class, place, 0);
        let own: Vec<usize> = self.subject.of_its_own().filter(|at| !self.given_m[*at]).collect();
        let others = 1..trained.mixture.classes.len();
        !own.is_empty()
            && others.into_iter().any(|at| own.iter().all(|own| share(at, *own) > share(0, *own)))
    }

    /// Whether a household is less alike in all that a household shares than the same entity is, and
    /// is told from it by whole names alone: it has the poor copies of one entity.
    fn is_of_poor_copies(&self, trained: &Trained) -> bool {
        let classes = &trained.mixture.classes;
        let Some(household) = classes.iter().position(|own| own.class == Class::Household) else {
            return false;
        };
        let share = |class, place| trained.mixture.probability(class, place, 0);
        self.subject.tells_by_whole_names()
            && self.subject.shared().all(|at| share(household, at) < share(0, at))
    }

    /// Whether what was trained as one entity is something else.
    fn is_another(&self, trained: &Trained) -> bool {
        self.is_of_look_alikes(trained, 0) || self.is_swapped(trained)
    }

    /// The best of what was trained, the best first. Where what it has as one entity is a class of
    /// look-alikes, or of what another class should be: trains again with that as a class of its own,
    /// and with one entity as it is before training.
    pub(super) fn beside_look_alikes(
        &self,
        sets: &[Vec<Class>],
        trained: Vec<Trained>,
        tried: &mut Vec<Candidate>,
    ) -> Result<Trained> {
        let none = || Error::bug("no set of classes was trained");
        let best = trained.first().ok_or_else(none)?;
        if !self.is_another(best) {
            return trained.into_iter().next().ok_or_else(none);
        }
        let alike = best.mixture.classes[0].clone();
        // Where one entity becomes look-alikes once more, what it is called is held fast.
        let held = self.first_called().map(Some);
        for pinned in std::iter::once(None).chain(held) {
            let mut found: Option<Trained> = None;
            for set in sets.iter().filter(|set| !set.contains(&Class::Namesake)) {
                let set = [&set[..], &[Class::Alike]].concat();
                let mut own = self.train(&set, Start { alike: Some(&alike), pinned });
                self.name_the_same(&mut own);
                tried.push(candidate(&own));
                let better = found.as_ref().is_none_or(|found| own.criterion < found.criterion);
                let found_some = own.mixture.classes[0].size > PRIOR_AND_ONE;
                let is_one = !self.is_another(&own) && !self.is_of_poor_copies(&own);
                if better && found_some && is_one {
                    found = Some(own);
                }
            }
            if let Some(found) = found {
                return Ok(found);
            }
        }
        // One class alone is never another's.
        trained.into_iter().find(|own| !self.is_swapped(own)).ok_or_else(none)
    }

    /// What records are called before all else: the first comparison of names or titles.
    fn first_called(&self) -> Option<usize> {
        let list = self.subject.list;
        list.iter()
            .position(|own| self.subject.is_called(own))
            .filter(|place| !self.given_m[*place])
    }

    /// Where the class of look-alikes took the duplicates in, and became what is no look-alike, it is
    /// one entity, and what was begun as one entity is the lesser class.
    fn name_the_same(&self, trained: &mut Trained) {
        let classes = &trained.mixture.classes;
        let Some(alike) = classes.iter().position(|own| own.class == Class::Alike) else { return };
        if classes[alike].size > classes[0].size && !self.is_of_look_alikes(trained, alike) {
            let classes = &mut trained.mixture.classes;
            classes.swap(0, alike);
            (classes[0].class, classes[alike].class) = (Class::Same, Class::Alike);
            if let Some(last) = &mut trained.ended.last {
                last.class = match last.class {
                    0 => alike,
                    own if own == alike => 0,
                    own => own,
                };
            }
        }
    }

    /// Whether a class that was trained as one entity is none: its pairs are mostly not called the
    /// same, and are either called nothing alike, as neighbours are, or in most of what else would
    /// tell as far apart as random pairs, as are names that share a word with what is served. Or by
    /// what they are called before all else they are mostly apart, as the pieces of one album are by
    /// their titles; or they mostly bear other given names, as a family does. There can be more of
    /// these than of duplicates, which are then a part of the class.
    fn is_of_look_alikes(&self, trained: &Trained, class: usize) -> bool {
        let list = self.subject.list;
        // Of each comparison that would tell: whether it is of what records are called, the share
        // that agrees strictly, the share that does not agree at all, and the bits that all else than
        // strict agreement says.
        let mut tell: Vec<(bool, f64, f64, f64)> = Vec::new();
        let mut others_called = false;
        let first_called = self.first_called();
        for (place, own) in list.iter().enumerate() {
            let (mut chance, mut strict, mut bits, mut apart) = (0.0, 0.0, 0.0, 0.0);
            let (u, share) = (&trained.mixture.u[place], |level| {
                trained.mixture.probability(class, place, level).max(LEAST)
            });
            for (level, u) in u.iter().enumerate() {
                apart = share(level);
                chance += u;
                if chance <= TELLS {
                    strict += apart;
                } else {
                    bits += apart * (apart / u.max(LEAST)).log2();
                }
            }
            if u.first().is_some_and(|u| *u <= TELLS) {
                if self.given_m[place] {
                    return false;
                }
                tell.push((self.subject.is_called(own), strict, apart, bits));
                others_called |= family(own).is_some_and(|kin| share(kin) + apart > MOSTLY);
                others_called |= first_called == Some(place) && strict < MOSTLY && apart > MOSTLY;
            }
        }
        let called = || tell.iter().filter(|own| own.0);
        let others = || tell.iter().filter(|own| !own.0);
        let silent = others().filter(|own| own.1 < HARDLY && own.3 < SAYS).count();
        let never_called = called().count() > 0 && called().all(|own| own.1 < MOSTLY);
        let neighbours = called().all(|own| own.2 > MOSTLY);
        others_called || (never_called && (neighbours || 2 * silent > others().count()))
    }
}

fn candidate(trained: &Trained) -> Candidate {
    Candidate {
        classes: trained.mixture.classes.iter().map(|own| name(own.class).to_owned()).collect(),
        criterion: (trained.criterion * 1e3).round() / 1e3,
        iterations: trained.iterations,
        converged: trained.ended.converged,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};

    use super::super::classes::{Hold, Subject};
    use super::super::em::{Ended, Estimated, Mixture, Move, Vectors};
    use super::super::{Counts, Probabilities};
    use super::*;
    use crate::resolve::compare::{Comparison, testing};
    use crate::resolve::settings::Training;

    /// Levels of an e-mail address, and of a text that tells as much; four and an else.
    const CHANCE: [f64; 5] = [1e-5, 1e-5, 1e-5, 1e-5, 0.99996];

    fn comparison(kind: &str) -> Comparison {
        let array: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        testing::comparison(kind, &[], &[&array])
    }

    fn material<'a>(list: &'a [Comparison], training: &'a Training) -> Material<'a> {
        let u: Probabilities = vec![CHANCE.to_vec(); list.len()];
        Material {
            subject: Subject { kind: "record", list },
            training,
            vectors: Vectors::new(&Counts::new(), list.len()),
            m: u.clone(),
            given_m: vec![false; list.len()],
            u: u.clone(),
            freed: u,
            given_u: vec![false; list.len()],
            known: vec![1.0; list.len()],
            all: 1.0,
            same: None,
        }
    }

    /// What was trained: classes with a size and, by comparison, how many agree exactly.
    fn trained(classes: &[(Class, f64, &[f64])]) -> Trained {
        let of = |(class, size, exact): &(Class, f64, &[f64])| {
            let own: Probabilities =
                exact.iter().map(|exact| vec![*exact, 0.0, 0.0, 0.0, 1.0 - exact]).collect();
            let holds = vec![Hold::Free; own.len()];
            let (class, size) = (*class, *size);
            Estimated { class, size, given_size: false, holds, centres: own.clone(), own }
        };
        let comparisons = classes[0].2.len();
        let mixture = Mixture {
            classes: classes.iter().map(of).collect(),
            u: vec![CHANCE.to_vec(); comparisons],
            all: 1.0,
        };
        let last = Some(Move { by: 0.1, class: 1, level: None });
        let ended = Ended { iterations: 1, converged: true, last };
        Trained { mixture, ended, iterations: 1, criterion: 0.0 }
    }

    #[test]
    fn a_class_that_is_more_alike_in_what_is_its_own_has_the_pairs_of_one_entity() {
        let (list, training) =
            ([comparison("email"), comparison("jaro_winkler")], Training::default());
        let mut material = material(&list, &training);
        let both = |same, household| {
            trained(&[(Class::Same, 9.0, same), (Class::Household, 9.0, household)])
        };
        assert!(material.is_swapped(&both(&[0.1, 0.9], &[0.6, 0.1])));
        // Texts are nobody's own.
        assert!(!material.is_swapped(&both(&[0.6, 0.1], &[0.1, 0.9])));
        // What is given is believed.
        material.given_m[0] = true;
        assert!(!material.is_swapped(&both(&[0.1, 0.9], &[0.6, 0.1])));
    }

    #[test]
    fn neighbours_that_share_less_than_one_entity_does_are_its_poor_copies() {
        let training = Training::default();
        let both = |same, household| {
            trained(&[(Class::Same, 9.0, same), (Class::Household, 9.0, household)])
        };
        let list = [comparison("organisation_name"), comparison("phone")];
        let material = material(&list, &training);
        assert!(material.is_of_poor_copies(&both(&[0.9, 0.8], &[0.1, 0.7])));
        assert!(!material.is_of_poor_copies(&both(&[0.9, 0.8], &[0.1, 0.9])));
        // An e-mail address tells members of a household apart.
        let list = [comparison("email"), comparison("phone")];
        let material = self::material(&list, &training);
        assert!(!material.is_of_poor_copies(&both(&[0.9, 0.8], &[0.1, 0.7])));
    }

    #[test]
    fn look_alikes_are_called_alike_by_chance_and_agree_in_hardly_anything_else() {
        let (list, training) =
            ([comparison("free_text"), comparison("email")], Training::default());
        let material = material(&list, &training);
        let alone = |exact: &[f64]| trained(&[(Class::Same, 9.0, exact)]);
        assert!(material.is_of_look_alikes(&alone(&[0.1, 0.0]), 0));
        // Called the same.
        assert!(!material.is_of_look_alikes(&alone(&[0.9, 0.0]), 0));
        // Neighbours are called nothing alike.
        assert!(material.is_of_look_alikes(&alone(&[0.1, 0.9]), 0));
    }

    #[test]
    fn look_alikes_that_took_the_duplicates_in_are_one_entity() {
        let (list, training) =
            ([comparison("free_text"), comparison("email")], Training::default());
        let material = material(&list, &training);
        let with = |alike: &[f64], size| {
            let mut own = trained(&[(Class::Same, 5.0, &[0.1, 0.1]), (Class::Alike, size, alike)]);
            material.name_the_same(&mut own);
            let classes: Vec<Class> = own.mixture.classes.iter().map(|own| own.class).collect();
            assert_eq!(classes, [Class::Same, Class::Alike]);
            (own.mixture.classes[0].size, own.ended.last.map(|last| last.class))
        };
        assert_eq!(with(&[0.9, 0.9], 50.0), (50.0, Some(0)));
        // The lesser class stays what it is, and so does one that is of look-alikes.
        assert_eq!(with(&[0.9, 0.9], 4.0), (5.0, Some(1)));
        assert_eq!(with(&[0.1, 0.0], 50.0), (5.0, Some(1)));
    }
}
