//! The records near some: those that share all keys of a blocking rule with one of them.
//!
//! Knows keys; refuses to know what a pair scores. What blocking gives for the asked records is the
//! same over those near them as over all: every block of theirs is whole, in the same order.

use std::collections::HashMap;

use arrow::array::ArrayRef;
use rustc_hash::FxHashSet;

use super::columns::Keys;
use super::settings::{Resolve, Verdict};
use crate::error::{Error, Result};

/// The blocking keys of settings, rule by rule, merge rules after them.
fn rules(settings: &Resolve) -> impl Iterator<Item = &[String]> {
    let merging = settings.rules.iter().filter(|rule| rule.then == Verdict::Merge);
    let implied = merging.filter(|rule| !rule.same.is_empty()).map(|rule| &rule.same[..]);
    settings.blocking.iter().map(|rule| &rule.keys[..]).chain(implied)
}

impl Resolve {
    /// Every SQL expression that [`near`] reads, each once.
    pub fn blocking_keys(&self) -> Vec<String> {
        let all: indexmap::IndexSet<&String> = rules(self).flatten().collect();
        all.into_iter().cloned().collect()
    }
}

/// Of `rows` records, those that share all keys of a rule with one of `asked`, and these, ascending.
/// `expressions` are [`Resolve::blocking_keys`], evaluated over the records.
///
/// # Errors
/// Where a key was not evaluated or has no text form.
pub fn near(
    settings: &Resolve,
    expressions: &HashMap<String, ArrayRef>,
    rows: usize,
    asked: &[u32],
) -> Result<Vec<u32>> {
    let mut found: FxHashSet<u32> = asked.iter().copied().collect();
    for keys in rules(settings) {
        let mut coded = Vec::new();
        for sql in keys {
            let array = expressions
                .get(sql)
                .ok_or_else(|| Error::bug(format!("the key `{sql}` was not evaluated")))?;
            coded.push(Keys::encode(array, sql)?);
        }
        // Of each key the codes of each asked record.
        for own in asked {
            let wanted: Vec<&[u32]> = coded.iter().map(|key| key.of(*own as usize)).collect();
            if wanted.iter().any(|codes| codes.is_empty()) {
                continue;
            }
            let shares = |row: usize| {
                let mut keys = coded.iter().zip(&wanted);
                keys.all(|(key, wanted)| key.of(row).iter().any(|code| wanted.contains(code)))
            };
            found.extend((0..rows).filter(|row| shares(*row)).map(|row| row as u32));
        }
    }
    let mut found: Vec<u32> = found.into_iter().collect();
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::inspect::Inspector;
    use super::super::run::Options;
    use super::super::run::tests::{input, people, settings};
    use super::*;

    /// A pair is scored and blocked among the records near it as it is among all.
    #[test]
    fn what_is_said_of_a_pair_is_the_same_among_the_records_near_it() {
        let (mut settings, rows) = (settings(), people());
        // Blocks past the bound are compared in windows: how far two are apart in one counts.
        settings.blocking.iter_mut().for_each(|rule| rule.max_block = 3);
        let whole = input(&settings, &rows);
        let options = Options { threads: 2 };
        let inspector = Inspector::new(&whole, options).unwrap();
        let model = inspector.train().unwrap();
        let scoring = inspector.scoring(&model).unwrap();
        let mut together = 0;
        let other = |a: usize| {
            (a + 1..rows.len()).find(|b| rows[*b][5] == rows[a][5] && rows[*b][1] == rows[a][1])
        };
        let same = (0..rows.len()).step_by(5).filter_map(|a| Some((a as u32, other(a)? as u32)));
        let any = (0..rows.len() as u32 - 1).step_by(20).map(|a| (a, a + 1));
        for (a, b) in same.chain(any) {
            let near = near(&settings, &whole.expressions, rows.len(), &[a, b]).unwrap();
            assert!(near.len() < rows.len());
            let part: Vec<[String; 6]> =
                near.iter().map(|row| rows[*row as usize].clone()).collect();
            let part = input(&settings, &part);
            let small = Inspector::new(&part, options).unwrap();
            let [l, r] = [a, b].map(|row| small.row(&inspector.key(row)).unwrap());
            assert_eq!(
                small.scoring(&model).unwrap().waterfall(l, r),
                scoring.waterfall(a, b),
                "of {} records near them",
                near.len()
            );
            let looked = small.pair_blocking(l, r).unwrap();
            assert_eq!(looked, inspector.pair_blocking(a, b).unwrap());
            let any = looked.iter().any(|rule| rule.together);
            assert_eq!(any, scoring.waterfall(a, b).blocking_rule.is_some());
            together += usize::from(any);
        }
        assert!(together > 0);
    }
}
