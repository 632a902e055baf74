//! Levels that are SQL conditions on the two records.

use std::sync::Arc;

use arrow::array::ArrayRef;

use super::{Comparator, Comparison, ComparisonKind, Part, UNKNOWN};
use crate::error::{Error, Result};
use crate::intern::Texts;
use crate::resolve::columns::{Dictionary, MISSING, Tuples};
use crate::resolve::conditions::{Asked, PairConditions};
use crate::resolve::settings::{ComparisonSettings, Level};

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "sql",
    description: "Levels that are SQL conditions on the records `l` and `r`, as `levels: [\"l.x = r.x\", \"abs(l.y - \
        r.y) < 2\"]`, in either order of the two; nothing is said where none holds and one is unknown. With \
        `term_frequency`, `columns` are those on which the first level agrees.",
    columns: &[],
    levels: &["a condition each", "else"],
    thresholds: &[],
    normalise: super::as_is,
    build: |_, _| Box::new(Nothing),
};

/// Stands where no condition is given.
struct Nothing;

impl Comparator for Nothing {
    fn level(&self, _: u32, _: u32) -> u8 {
        UNKNOWN
    }
}

struct Conditions {
    asked: Asked,
    levels: Vec<String>,
    /// A row of each code.
    examples: Vec<u32>,
    /// Of each code the values of the columns whose frequency counts; none where all do.
    terms: Option<Vec<Option<String>>>,
}

impl Comparison {
    /// Prepares a comparison whose levels are conditions; `arrays` are those of its columns.
    pub(crate) fn of_conditions(
        settings: &ComparisonSettings,
        arrays: &[&ArrayRef],
        conditions: &Arc<dyn PairConditions>,
    ) -> Result<Self> {
        KIND.thresholds_of(&settings.levels).map_err(|what| {
            Error::configuration(format!("comparison `{}`: {what}", settings.name))
                .help("levels: a condition for each level, from strict to loose")
        })?;
        let levels: Vec<String> = settings
            .levels
            .iter()
            .filter_map(|level| match level {
                Level::Text(sql) => Some(sql.clone()),
                Level::Number(_) => None,
            })
            .collect();
        let mut columns: Vec<(String, ArrayRef)> = settings
            .columns
            .iter()
            .zip(arrays)
            .map(|(name, array)| (name.clone(), Arc::clone(array)))
            .collect();
        for sql in &levels {
            for column in conditions.columns(sql)? {
                if !columns[arrays.len()..].iter().any(|known| known.0 == column.0) {
                    columns.push(column);
                }
            }
        }
        // A row speaks for all of its code, so that null and blank are two; a row of nothing else
        // is missing.
        let texts: Vec<(String, ArrayRef)> = columns
            .iter()
            .map(|(name, array)| (name.clone(), super::list_overlap::as_text(array)))
            .collect();
        let silent = Dictionary::silent(&texts)?;
        let coded = texts
            .iter()
            .map(|(name, array)| Dictionary::exact(array, name, &silent))
            .collect::<Result<Vec<_>>>()?;
        let (tuples, codes) = Tuples::new(coded);
        let tuples = Arc::new(tuples);
        let mut examples = vec![MISSING; tuples.len()];
        for (row, code) in codes.iter().enumerate().filter(|(_, code)| **code != MISSING) {
            let example = &mut examples[*code as usize];
            *example = (*example).min(row as u32);
        }
        let own = |code| -> Option<String> {
            let parts: Option<Vec<&str>> =
                (0..arrays.len()).map(|column| tuples.part(code, column)).collect();
            let parts = parts?;
            let known = parts.iter().all(|part| !part.trim().is_empty());
            known.then(|| parts.join("\u{1f}"))
        };
        let terms = (!arrays.is_empty()).then(|| (0..tuples.len() as u32).map(own).collect());
        let names = levels.iter().cloned().chain(["else".to_owned()]).collect();
        let comparator = Conditions { asked: Asked::new(conditions), levels, examples, terms };
        Self::assemble(settings, &KIND, (tuples, codes), Vec::new(), names, Box::new(comparator))
    }
}

impl Comparator for Conditions {
    fn level(&self, l: u32, r: u32) -> u8 {
        let mut found = [UNKNOWN];
        self.levels(&[l], &[r], &mut found);
        found[0]
    }

    fn levels(&self, l: &[u32], r: &[u32], out: &mut [u8]) {
        let row = |code: &u32| self.examples[*code as usize];
        let mut left: Vec<u32> = l.iter().map(row).collect();
        let mut right: Vec<u32> = r.iter().map(row).collect();
        let mut places: Vec<usize> = (0..l.len()).collect();
        let last = self.levels.len() as u8 + 1;
        out.fill(last);
        for (level, condition) in (1u8..).zip(&self.levels) {
            let mut kept = 0;
            let mut still = vec![true; places.len()];
            self.asked.each(condition, &left, &right, |place, holds| match holds {
                Some(true) => {
                    out[places[place]] = level;
                    still[place] = false;
                }
                Some(false) => {}
                // A looser condition may still hold.
                None => out[places[place]] = UNKNOWN,
            });
            for (place, still) in still.into_iter().enumerate() {
                if still {
                    (left[kept], right[kept], places[kept]) =
                        (left[place], right[place], places[place]);
                    kept += 1;
                }
            }
            left.truncate(kept);
            right.truncate(kept);
            places.truncate(kept);
        }
    }

    fn failure(&self) -> Option<Error> {
        self.asked.failure()
    }

    fn terms(&self) -> Option<Vec<Part>> {
        let mut texts = Texts::default();
        let number = |text: &Option<String>| text.as_ref().map_or(MISSING, |own| texts.number(own));
        let codes = self.terms.as_ref()?.iter().map(number).collect();
        Some(vec![Part { codes, text: Box::new(move |term| texts.values.get(term).to_owned()) }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::compare::{Comparisons, Scratch};
    use crate::resolve::conditions::testing::Texts;

    fn comparison(levels: &[&str], values: &[Option<&str>]) -> Comparison {
        let settings = ComparisonSettings {
            name: "text".into(),
            kind: "sql".into(),
            columns: Vec::new(),
            levels: levels.iter().map(|sql| Level::Text((*sql).to_owned())).collect(),
            term_frequency: true,
        };
        Comparison::of_conditions(&settings, &[], &Texts::of(values)).unwrap()
    }

    #[test]
    fn the_first_condition_that_holds_is_the_level_and_null_says_nothing() {
        let values = [Some("ana"), Some("anna"), Some("bo"), None, Some("ana")];
        let own = comparison(&["=", "near"], &values);
        assert_eq!(own.levels, ["=", "near", "else"]);
        let list = Comparisons::new(vec![own], 1).unwrap();
        let (l, r) = ([0, 0, 0, 0, 1, 3], [4, 1, 2, 3, 0, 3]);
        let mut scratch = Scratch::default();
        assert_eq!(list.patterns(&mut scratch, &l, &r), [1, 2, 3, 0, 2, 0]);
        assert!(
            l.iter().zip(&r).zip([1, 2, 3, 0, 2, 0]).all(|((l, r), p)| list.pattern(*l, *r) == p)
        );
        assert!(list.check().is_ok());
        assert_eq!(list.list[0].terms[0].counts, [2, 1, 1]);
    }

    #[test]
    fn a_condition_that_fails_fails_the_comparison() {
        let list = Comparisons::new(vec![comparison(&["=", "wrong"], &[Some("a"), Some("b")])], 1)
            .unwrap();
        list.pattern(0, 1);
        assert!(list.check().is_err());
    }
}
