//! What dependence is left between comparisons within a class, and by chance.
//!
//! Knows posteriors of level vectors, and random pairs; refuses to know what to do about it. The
//! model multiplies the levels of a class as if they were independent. For each pair of comparisons
//! this says how far that is from the truth, over pairs that know both, weighted by their
//! probability in the class.
//!
//! Of coincidence random pairs tell, and only those that agree on nothing else: pairs of one entity
//! are among random pairs too, and agree on everything. A street and its city agree together far
//! oftener than by chance, so that a pair of neighbours weighs as much as a pair of one entity.

use super::classes::is_understood;
use super::em::{Mixture, Vectors, known};
use super::{Probabilities, Trainee};
use crate::random::SplitMix64;
use crate::resolve::compare::{Comparisons, MAX_LEVELS, Scratch, level_of};
use crate::resolve::model::Dependence;

/// The fewest pairs of which dependence can be told.
const PAIRS: f64 = 20.0;

/// Dependence in each estimated class, named by `classes`, between the comparisons of these names.
/// Coincidence is left out: blocking selects its pairs by what they agree on.
pub(super) fn dependence(
    mixture: &Mixture,
    vectors: &Vectors,
    classes: &[&str],
    names: &[&str],
) -> Vec<Dependence> {
    let pairs: Vec<(usize, usize)> = (0..names.len())
        .flat_map(|left| (left + 1..names.len()).map(move |right| (left, right)))
        .collect();
    let table = || vec![vec![0.0; MAX_LEVELS + 1]; MAX_LEVELS + 1];
    let mut counts: Vec<Vec<Probabilities>> =
        classes.iter().map(|_| pairs.iter().map(|_| table()).collect()).collect();
    mixture.posterior(vectors, |vector, count, own| {
        for (tables, own) in counts.iter_mut().zip(own) {
            for ((left, right), table) in pairs.iter().zip(tables) {
                if known(vector[*left]) && known(vector[*right]) {
                    table[usize::from(vector[*left])][usize::from(vector[*right])] += count * own;
                }
            }
        }
    });
    let mut found = Vec::new();
    for (class, tables) in classes.iter().zip(&counts) {
        for ((left, right), table) in pairs.iter().zip(tables) {
            let (left, right) = (names[*left], names[*right]);
            found.extend(of(class, left, right, table));
        }
    }
    found
}

/// Random pairs that are looked at for what depends by chance.
const RANDOM: u64 = 200_000;
/// The least pairs that agree on both, and the least times as many as there should be, for
/// dependence by chance to be told.
const TOLD: (u64, f64) = (20, 4.0);

/// Comparisons that agree together by chance far oftener than they should. `bits` is by how much a
/// pair that agrees on both weighs too much.
pub(super) fn by_chance(trainee: &Trainee<'_>, comparisons: &Comparisons) -> Vec<Dependence> {
    let (list, rows) = (&comparisons.list, u64::from(trainee.rows));
    let count = list.len();
    // What a name, an e-mail address, a phone and an address share, other classes know of.
    if rows < 2 || count < 3 || list.iter().all(is_understood) {
        return Vec::new();
    }
    let mut random = SplitMix64::new(trainee.settings.training.seed ^ RANDOM);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for _ in 0..RANDOM.min(rows * (rows - 1) / 2) {
        let (l, r) = (random.below(rows) as u32, random.below(rows) as u32);
        if l != r && !trainee.skip.is_some_and(|skip| skip(l, r)) {
            left.push(l.min(r));
            right.push(l.max(r));
        }
    }
    // By a pair of comparisons: pairs that know both and another, agree on the one, the other, both.
    let mut tallies = vec![[0u64; 4]; count * count];
    let mut scratch = Scratch::default();
    for pattern in comparisons.patterns(&mut scratch, &left, &right) {
        let knows = |place: usize| known(level_of(*pattern, place));
        let agrees = |place: usize| {
            knows(place) && usize::from(level_of(*pattern, place)) < list[place].levels.len()
        };
        let agreed: Vec<usize> = (0..count).filter(|place| agrees(*place)).collect();
        if agreed.len() > 2 || (0..count).filter(|place| knows(*place)).count() < 3 {
            continue;
        }
        for one in (0..count).filter(|place| knows(*place)) {
            for other in (one + 1..count).filter(|place| knows(*place)) {
                if agreed.iter().all(|place| *place == one || *place == other) {
                    let tally = &mut tallies[one * count + other];
                    tally[0] += 1;
                    tally[1] += u64::from(agreed.contains(&one));
                    tally[2] += u64::from(agreed.contains(&other));
                    tally[3] += u64::from(agreed.len() == 2);
                }
            }
        }
    }
    let rounded = |value: f64| (value * 1e6).round() / 1e6;
    let mut found = Vec::new();
    for (place, [pairs, one, other, both]) in tallies.into_iter().enumerate() {
        let all = pairs.max(1) as f64;
        let (observed, expected) = (both as f64 / all, one as f64 / all * other as f64 / all);
        let (left, right) = (&list[place / count], &list[place % count]);
        if is_understood(left) && is_understood(right) {
            continue;
        }
        if both >= TOLD.0 && observed >= TOLD.1 * expected {
            found.push(Dependence {
                class: "coincidence".to_owned(),
                left: left.name.clone(),
                right: right.name.clone(),
                pairs,
                observed: rounded(observed),
                expected: rounded(expected),
                bits: rounded((observed / expected).log2()),
            });
        }
    }
    found
}

fn of(class: &str, left: &str, right: &str, table: &Probabilities) -> Option<Dependence> {
    let pairs: f64 = table.iter().flatten().sum();
    if pairs < PAIRS {
        return None;
    }
    let rows: Vec<f64> = table.iter().map(|row| row.iter().sum::<f64>() / pairs).collect();
    let columns: Vec<f64> = (0..=MAX_LEVELS)
        .map(|level| table.iter().map(|row| row[level]).sum::<f64>() / pairs)
        .collect();
    let mut bits = 0.0;
    for (row, own) in table.iter().zip(&rows) {
        for (both, column) in row.iter().zip(&columns) {
            let both = both / pairs;
            if both > 0.0 {
                bits += both * (both / (own * column)).log2();
            }
        }
    }
    let rounded = |value: f64| (value * 1e6).round() / 1e6;
    Some(Dependence {
        class: class.to_owned(),
        left: left.to_owned(),
        right: right.to_owned(),
        pairs: pairs.round() as u64,
        observed: rounded(table[1][1] / pairs),
        expected: rounded(rows[1] * columns[1]),
        bits: rounded(bits.max(0.0)),
    })
}
