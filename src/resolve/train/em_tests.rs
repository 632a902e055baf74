//! EM against what it promises: never down, and back to the probabilities that made the pairs.

use proptest::prelude::*;

use super::*;
use crate::random::SplitMix64;

const CHANCE: [f64; 4] = [0.01, 0.04, 0.15, 0.8];

fn pattern(levels: &[u8]) -> Vector {
    let places = levels.iter().enumerate();
    let levels = places.map(|(place, level)| u64::from(*level) << (4 * place)).sum();
    Vector { levels, apart: false }
}

fn class(class: Class, hold: Hold, own: &[f64], comparisons: usize, size: f64) -> Estimated {
    Estimated {
        class,
        size,
        given_size: false,
        holds: vec![hold; comparisons],
        own: vec![own.to_vec(); comparisons],
        centres: vec![own.to_vec(); comparisons],
    }
}

fn mixture(others: &[(Class, Hold)], comparisons: usize, size: f64, all: f64) -> Mixture {
    let start = [0.6, 0.2, 0.15, 0.05];
    let halfway = [0.2, 0.2, 0.3, 0.3];
    let others = others.iter().map(|(own, hold)| class(*own, *hold, &halfway, comparisons, size));
    Mixture {
        classes: std::iter::once(class(Class::Same, Hold::Free, &start, comparisons, size))
            .chain(others)
            .collect(),
        u: vec![CHANCE.to_vec(); comparisons],
        all,
    }
}

fn objective(mixture: &Mixture, vectors: &Vectors) -> f64 {
    mixture.clone().step(vectors).1
}

proptest! {
    #[test]
    fn no_step_and_no_longer_step_lowers_what_em_raises(
        pairs in prop::collection::vec((prop::collection::vec(0u8..5, 3), 1u64..50), 1..40),
        others in prop::sample::select(vec![
            vec![],
            vec![(Class::Household, Hold::Free)],
            vec![(Class::Household, Hold::HalfByChance), (Class::Namesake, Hold::ByChance)],
            vec![(Class::Household, Hold::HalfByChance), (Class::Namesake, Hold::AsSame)],
            vec![(Class::Household, Hold::HalfKin(2))],
        ]),
    ) {
        let counts: Counts = pairs
            .iter()
            .map(|(levels, count)| (Vector { apart: count % 3 == 0, ..pattern(levels) }, *count))
            .collect();
        let vectors = Vectors::new(&counts, 3);
        let mut mixture = mixture(&others, 3, 300.0, 5000.0);
        let mut last = objective(&mixture, &vectors);
        for step in 0..30 {
            if step == 10 {
                mixture.free_coincidence(&vectors, &[5000.0; 3], &[false; 3]);
                last = objective(&mixture, &vectors);
            }
            if step % 3 == 2 {
                mixture.run(&vectors, 3, 0.0);
            } else {
                mixture.step(&vectors);
            }
            let now = objective(&mixture, &vectors);
            prop_assert!(now >= last - 1e-9 * last.abs(), "{last} to {now}");
            last = now;
        }
    }

    #[test]
    fn extrapolated_or_not_em_ends_at_the_same_place(
        pairs in prop::collection::vec((prop::collection::vec(1u8..5, 3), 1u64..50), 10..40),
    ) {
        let counts: Counts = pairs
            .iter()
            .map(|(levels, count)| (Vector { apart: count % 3 == 0, ..pattern(levels) }, *count))
            .collect();
        let vectors = Vectors::new(&counts, 3);
        let mut plain = mixture(&[], 3, 300.0, 5000.0);
        let mut fast = plain.clone();
        for _ in 0..20_000 {
            if plain.step(&vectors).0.by < 1e-10 {
                break;
            }
        }
        let ended = fast.run(&vectors, 3000, 1e-9);
        prop_assert!(ended.converged);
        let (plain, fast) = (objective(&plain, &vectors), objective(&fast, &vectors));
        prop_assert!(fast >= plain - 1e-5 * plain.abs(), "{plain} {fast}");
    }
}

/// Pairs are drawn from known probabilities; EM finds them again.
#[test]
fn probabilities_that_made_the_pairs_are_found_again() {
    let m = [0.8, 0.1, 0.06, 0.04];
    let mut random = SplitMix64::new(7);
    let mut uniform = || random.uniform();
    let mut counts = Counts::new();
    for _ in 0..200_000 {
        let of = if uniform() < 0.3 { m } else { CHANCE };
        let levels: Vec<u8> = (0..4)
            .map(|_| {
                let (drawn, mut sum, mut level) = (uniform(), of[0], 1);
                while drawn > sum && level < 4 {
                    sum += of[level];
                    level += 1;
                }
                level as u8
            })
            .collect();
        *counts.entry(pattern(&levels)).or_default() += 1;
    }
    let vectors = Vectors::new(&counts, 4);
    let mut mixture = mixture(&[], 4, 50_000.0, 140_000.0);
    let ended = mixture.run(&vectors, 1000, 1e-9);
    assert!(ended.converged, "{ended:?}");
    let same = &mixture.classes[0];
    assert!((same.size - 60_000.0).abs() < 1000.0, "{}", same.size);
    for own in &same.own {
        for (found, made) in own.iter().zip(m) {
            assert!((found - made).abs() < 0.01, "{own:?}");
        }
    }
}

#[test]
fn what_is_by_chance_or_given_does_not_move() {
    let counts: Counts = [(pattern(&[1, 1, 1]), 40), (pattern(&[4, 1, 4]), 9)].into();
    let vectors = Vectors::new(&counts, 3);
    let mut mixture = mixture(&[(Class::Namesake, Hold::ByChance)], 3, 20.0, 5000.0);
    mixture.classes[0].holds[1] = Hold::Given;
    mixture.classes[0].given_size = true;
    let before = mixture.clone();
    mixture.run(&vectors, 100, 1e-6);
    assert_eq!(mixture.classes[0].own[1], before.classes[0].own[1]);
    assert_eq!(mixture.classes[0].size, before.classes[0].size);
    assert_ne!(mixture.classes[0].own[0], before.classes[0].own[0]);
    let u = |level| mixture.probability(1, 0, level);
    assert_eq!([u(0), u(1), u(2), u(3)], CHANCE);
}

#[test]
fn what_a_rule_separates_teaches_nothing_of_one_entity() {
    // As many pairs agree on everything as differ on the last alone; a rule separates the latter.
    let (alike, differs) = (pattern(&[1, 1, 1]), pattern(&[1, 1, 4]));
    let m = |apart: bool| {
        let counts: Counts = [(alike, 100), (Vector { apart, ..differs }, 100)].into();
        let mut mixture = mixture(&[(Class::Namesake, Hold::Free)], 3, 50.0, 5000.0);
        mixture.run(&Vectors::new(&counts, 3), 500, 1e-6);
        mixture.classes[0].own[2][3]
    };
    assert!(m(false) > 0.3, "{}", m(false));
    assert!(m(true) < 0.05, "{}", m(true));
}

#[test]
fn a_level_at_which_a_class_has_no_pair_costs_nothing() {
    let price = |levels: &[[u8; 1]]| {
        let counts: Counts = levels.iter().map(|own| (pattern(own), 10)).collect();
        let own = mixture(&[(Class::Household, Hold::ByChance)], 1, 5.0, 100.0);
        own.price(&Vectors::new(&counts, 1))
    };
    // Two sizes: of the last level coincidence has all but .03 pairs, and one level is no number.
    assert_eq!(price(&[[1], [4]]), 0.5 * 2.0 * 20f64.ln());
    // Of the second level the same entity has 2 pairs of 10, of the third .4.
    assert_eq!(price(&[[1], [2], [3], [4]]), 0.5 * 3.0 * 40f64.ln());
    // A missing value is no level.
    assert_eq!(price(&[[0], [1], [4]]), 0.5 * 2.0 * 30f64.ln());
}
