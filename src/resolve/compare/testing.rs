//! One pair of values through a kind of comparison.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};

use super::*;

/// The name of the level of two values, each with one text a column; both ways round.
pub(crate) fn level(kind: &str, l: &[&str], r: &[&str]) -> String {
    level_at(kind, &[], l, r)
}

/// The same with thresholds of its own.
pub(crate) fn level_at(kind: &str, levels: &[Level], l: &[&str], r: &[&str]) -> String {
    let arrays: Vec<ArrayRef> = l
        .iter()
        .zip(r)
        .map(|(l, r)| Arc::new(StringArray::from(vec![*l, *r])) as ArrayRef)
        .collect();
    let comparison = comparison(kind, levels, &arrays.iter().collect::<Vec<_>>());
    let level = comparison.level(0, 1);
    let mut scratch = Scratch::default();
    comparison.levels(&mut scratch, &[0, 1, 0], &[1, 0, 0]);
    let own = comparison.level(0, 0);
    assert_eq!(scratch.levels, [level, level, own], "symmetric, and in a chunk as alone");
    match level {
        UNKNOWN => "missing".to_owned(),
        level => comparison.levels[level as usize - 1].clone(),
    }
}

/// A comparison of a kind over these columns, with levels of its own.
pub(crate) fn comparison(kind: &str, levels: &[Level], columns: &[&ArrayRef]) -> Comparison {
    let settings = ComparisonSettings {
        name: kind.to_owned(),
        kind: kind.to_owned(),
        columns: vec![String::new(); columns.len()],
        levels: levels.to_vec(),
        term_frequency: false,
    };
    Comparison::new(&settings, columns).unwrap()
}

/// Holds what a comparator tells of these values, each compared with each, against what it tells of
/// each two; some are there twice.
pub(crate) fn each_with_each(comparator: &dyn Comparator, mut codes: Vec<u32>, loosest: u8) {
    codes.extend_from_within(..codes.len().min(3));
    let crowd = comparator.among(&codes).unwrap();
    for place in 0..codes.len() {
        let level = |other: usize| (other as u32, comparator.level(codes[place], codes[other]));
        let expected: Vec<_> = (0..place).map(level).filter(|(_, own)| *own != loosest).collect();
        let mut found = Vec::new();
        crowd.before(place, &mut found);
        assert_eq!(found, expected);
    }
}
