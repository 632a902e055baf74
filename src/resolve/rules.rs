//! Deterministic rules beside the model.
//!
//! Knows columns and comparisons as codes; refuses to know weights and clusters. Of a pair, the
//! first rule that holds decides. For clusters, records that no rule can tell apart have one
//! signature.

use std::sync::Arc;

use arrow::array::ArrayRef;
use rustc_hash::FxHashMap;

use super::columns::{Dictionary, MISSING};
use super::compare::{Comparisons, list_as_text};
use super::conditions::{Asked, PairConditions, compiled};
use super::settings::{Rule, Verdict};
use crate::error::{Error, Result};

struct Ready {
    verdict: Verdict,
    same: Vec<usize>,
    differ: Vec<usize>,
    /// Places among the comparisons.
    unlike: Vec<usize>,
    condition: Option<String>,
}

/// The rules over the records at hand.
pub(crate) struct Rules {
    rules: Vec<Ready>,
    columns: Vec<Vec<u32>>,
    comparisons: Arc<Comparisons>,
    /// Where a rule has a condition.
    asked: Option<Asked>,
    /// One a row where a rule separates, else empty; `MISSING` where none can touch the row.
    signatures: Vec<u32>,
    /// A row of each signature.
    examples: Vec<u32>,
}

impl Rules {
    /// Prepares rules; `array` gives the column of an expression.
    pub(crate) fn new<'a>(
        rules: &'a [Rule],
        rows: usize,
        comparisons: &Arc<Comparisons>,
        conditions: Option<&Arc<dyn PairConditions>>,
        array: impl Fn(&'a str) -> Result<&'a ArrayRef>,
    ) -> Result<Self> {
        let mut places: FxHashMap<&str, usize> = FxHashMap::default();
        let mut columns: Vec<Vec<u32>> = Vec::new();
        let mut place = |expression: &'a String| -> Result<usize> {
            if let Some(place) = places.get(expression.as_str()) {
                return Ok(*place);
            }
            columns.push(Dictionary::plain(array(expression)?, expression)?.codes);
            places.insert(expression, columns.len() - 1);
            Ok(columns.len() - 1)
        };
        let comparison = |name: &String| {
            comparisons.list.iter().position(|own| own.name == *name).ok_or_else(|| {
                Error::configuration(format!("there is no comparison `{name}`"))
                    .help("`unlike` lists names of comparisons of this kind")
            })
        };
        let mut ready = Vec::new();
        for rule in rules {
            if rule.same.is_empty()
                && rule.differ.is_empty()
                && rule.unlike.is_empty()
                && rule.condition.is_none()
            {
                return Err(Error::configuration(format!(
                    "rule `{}` would hold of every pair",
                    rule.name
                ))
                .help("give `same`, `differ`, `unlike` or `where`"));
            }
            ready.push(Ready {
                verdict: rule.then,
                same: rule.same.iter().map(&mut place).collect::<Result<_>>()?,
                differ: rule.differ.iter().map(&mut place).collect::<Result<_>>()?,
                unlike: rule.unlike.iter().map(comparison).collect::<Result<_>>()?,
                condition: rule.condition.clone(),
            });
        }
        let mut asked = None;
        for condition in ready.iter().filter_map(|rule| rule.condition.as_ref()) {
            let conditions = compiled(conditions)?;
            asked = Some(Asked::new(conditions));
            // What a condition reads tells records apart.
            for (name, array) in conditions.columns(condition)? {
                columns.push(Dictionary::exact(&list_as_text(&array), &name, &[])?.codes);
            }
        }
        let mut rules = Self {
            rules: ready,
            columns,
            comparisons: Arc::clone(comparisons),
            asked,
            signatures: Vec::new(),
            examples: Vec::new(),
        };
        if rules.rules.iter().any(|rule| rule.verdict == Verdict::Separate) {
            rules.sign(rows);
        }
        Ok(rules)
    }

    fn sign(&mut self, rows: usize) {
        let mut known: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
        let code = |place: usize, row: usize| self.comparisons.list[place].codes.of(row as u32);
        let mut unlike: Vec<usize> =
            self.rules.iter().flat_map(|rule| rule.unlike.iter().copied()).collect();
        unlike.sort_unstable();
        unlike.dedup();
        for row in 0..rows {
            let touched = self.rules.iter().any(|rule| {
                let mut needed = rule.same.iter().chain(&rule.differ);
                rule.verdict == Verdict::Separate
                    && needed.all(|column| self.columns[*column][row] != MISSING)
                    && rule.unlike.iter().all(|place| code(*place, row) != MISSING)
            });
            if !touched {
                self.signatures.push(MISSING);
                continue;
            }
            let values: Vec<u32> = self
                .columns
                .iter()
                .map(|column| column[row])
                .chain(unlike.iter().map(|place| code(*place, row)))
                .collect();
            let next = self.examples.len() as u32;
            let signature = *known.entry(values).or_insert(next);
            if signature == next {
                self.examples.push(row as u32);
            }
            self.signatures.push(signature);
        }
    }

    /// Whether a rule holds of two rows, but for its condition.
    fn holds(&self, rule: &Ready, left: u32, right: u32) -> bool {
        let (l, r) = (left as usize, right as usize);
        let known = |column: &Vec<u32>| column[l] != MISSING && column[r] != MISSING;
        let column = |place: &usize| &self.columns[*place];
        rule.same.iter().map(column).all(|c| known(c) && c[l] == c[r])
            && rule.differ.iter().map(column).all(|c| known(c) && c[l] != c[r])
            && rule.unlike.iter().all(|place| self.comparisons.list[*place].unlike(left, right))
    }

    /// The first rule that holds of two rows.
    pub(crate) fn decide(&self, left: u32, right: u32) -> Option<(usize, Verdict)> {
        self.decide_all(&[left], &[right]).pop().flatten()
    }

    /// The first rule that holds of each pair of rows. Conditions are asked of those pairs alone
    /// that no rule before has decided.
    pub(crate) fn decide_all(&self, left: &[u32], right: &[u32]) -> Vec<Option<(usize, Verdict)>> {
        let mut decided: Vec<Option<(usize, Verdict)>> = vec![None; left.len()];
        for (place, rule) in self.rules.iter().enumerate() {
            let verdict = Some((place, rule.verdict));
            let open = (0..left.len()).filter(|pair| {
                decided[*pair].is_none() && self.holds(rule, left[*pair], right[*pair])
            });
            let open: Vec<usize> = open.collect();
            match (&rule.condition, &self.asked) {
                (Some(condition), Some(asked)) => {
                    let of = |rows: &[u32]| open.iter().map(|pair| rows[*pair]).collect::<Vec<_>>();
                    asked.each(condition, &of(left), &of(right), |at, holds| {
                        if holds == Some(true) {
                            decided[open[at]] = verdict;
                        }
                    });
                }
                _ => open.into_iter().for_each(|pair| decided[pair] = verdict),
            }
        }
        decided
    }

    /// Of each pair of rows, whether a rule separates it; `None` where no rule separates any.
    pub(crate) fn separated(&self, left: &[u32], right: &[u32]) -> Option<Vec<bool>> {
        let separate = |own: &Option<(usize, Verdict)>| matches!(own, Some((_, Verdict::Separate)));
        let any = self.rules.iter().any(|rule| rule.verdict == Verdict::Separate);
        any.then(|| self.decide_all(left, right).iter().map(separate).collect())
    }

    /// Fails where a condition could not be computed.
    pub(crate) fn check(&self) -> Result<()> {
        self.asked.as_ref().and_then(Asked::failure).map_or(Ok(()), Err)
    }

    /// The signature of a row, `None` where no separating rule can touch it.
    pub(crate) fn signature(&self, row: u32) -> Option<u32> {
        self.signatures.get(row as usize).copied().filter(|signature| *signature != MISSING)
    }

    /// Whether rows of these signatures are kept apart, and by which rule.
    pub(crate) fn separates(&self, l: u32, r: u32) -> Option<usize> {
        match self.decide(self.examples[l as usize], self.examples[r as usize]) {
            Some((place, Verdict::Separate)) => Some(place),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringArray;

    use super::*;
    use crate::resolve::compare::Comparison;
    use crate::resolve::conditions::testing::Texts;
    use crate::resolve::settings::ComparisonSettings;

    fn none() -> Arc<Comparisons> {
        Arc::new(Comparisons::new(Vec::new(), 1).unwrap())
    }

    #[test]
    fn records_unlike_in_a_comparison_are_kept_apart_and_a_slip_is_forgiven() {
        let born: ArrayRef = Arc::new(StringArray::from(vec![
            Some("1984-03-05"),
            Some("1984-05-03"),
            Some("1951-03-05"),
            None,
        ]));
        let settings = ComparisonSettings {
            name: "born".into(),
            kind: "date".into(),
            columns: vec!["born".into()],
            levels: Vec::new(),
            term_frequency: false,
        };
        let list = vec![Comparison::new(&settings, &[&born]).unwrap()];
        let rule = |unlike: &str| Rule {
            name: "other birth".into(),
            then: Verdict::Separate,
            same: Vec::new(),
            differ: Vec::new(),
            unlike: vec![unlike.into()],
            condition: None,
        };
        let comparisons = Arc::new(Comparisons::new(list, 1).unwrap());
        let list = [rule("born")];
        let rules = Rules::new(&list, 4, &comparisons, None, |_| Ok(&born)).unwrap();
        assert_eq!(rules.decide(0, 2), Some((0, Verdict::Separate)));
        assert_eq!((rules.decide(0, 1), rules.decide(0, 3)), (None, None));
        let signature = |row| rules.signature(row).unwrap();
        assert_eq!(rules.separates(signature(1), signature(2)), Some(0));
        assert_eq!((rules.separates(signature(0), signature(1)), rules.signature(3)), (None, None));
        assert!(Rules::new(&[rule("shoe size")], 4, &comparisons, None, |_| Ok(&born)).is_err());
    }

    #[test]
    fn a_condition_is_asked_of_pairs_that_the_rest_of_the_rule_leaves() {
        let name = [Some("ana"), Some("anna"), Some("bo"), None];
        let tax: ArrayRef =
            Arc::new(StringArray::from(vec![Some("1"), Some("1"), Some("1"), Some("1")]));
        let rule = |name: &str, then, same: &[&str], condition: &str| Rule {
            name: name.into(),
            then,
            same: same.iter().map(|s| (*s).to_owned()).collect(),
            differ: Vec::new(),
            unlike: Vec::new(),
            condition: Some(condition.into()),
        };
        let list = [
            rule("near and same tax id", Verdict::Merge, &["tax"], "near"),
            rule("same name", Verdict::Separate, &[], "="),
        ];
        let conditions = Texts::of(&name);
        let rules = Rules::new(&list, 4, &none(), Some(&conditions), |_| Ok(&tax)).unwrap();
        assert_eq!(rules.decide(0, 1), Some((0, Verdict::Merge)));
        assert_eq!((rules.decide(0, 2), rules.decide(0, 3)), (None, None));
        assert_eq!(
            rules.decide_all(&[0, 0, 2], &[1, 2, 2]),
            [Some((0, Verdict::Merge)), None, Some((0, Verdict::Merge))]
        );
        assert!(rules.check().is_ok());
        assert!(Rules::new(&list, 4, &none(), None, |_| Ok(&tax)).is_err(), "not compiled");
        let apart = [rule("near", Verdict::Separate, &[], "near")];
        let rules = Rules::new(&apart, 4, &none(), Some(&conditions), |_| Ok(&tax)).unwrap();
        let signature = |row| rules.signature(row).unwrap();
        assert_eq!(rules.separates(signature(0), signature(1)), Some(0));
        assert_eq!(rules.separates(signature(0), signature(2)), None);
        let wrong = [rule("wrong", Verdict::Separate, &[], "wrong")];
        let rules = Rules::new(&wrong, 4, &none(), Some(&conditions), |_| Ok(&tax)).unwrap();
        rules.decide(0, 1);
        assert!(rules.check().is_err());
    }

    #[test]
    fn the_first_rule_that_holds_decides_and_nulls_hold_for_none() {
        let tax: ArrayRef =
            Arc::new(StringArray::from(vec![Some("1"), Some("1"), Some("2"), None]));
        let born: ArrayRef =
            Arc::new(StringArray::from(vec![Some("x"), Some("y"), Some("y"), None]));
        let rule = |name: &str, then, same: &[&str], differ: &[&str]| Rule {
            name: name.into(),
            then,
            same: same.iter().map(|s| (*s).to_owned()).collect(),
            differ: differ.iter().map(|s| (*s).to_owned()).collect(),
            unlike: Vec::new(),
            condition: None,
        };
        let rules = [
            rule("same tax id", Verdict::Merge, &["tax"], &[]),
            rule("other birth", Verdict::Separate, &[], &["born"]),
        ];
        let of = |rules| {
            let column = |name: &str| Ok(if name == "tax" { &tax } else { &born });
            Rules::new(rules, 4, &none(), None, column).unwrap()
        };
        let (only_merge, rules) = (of(&rules[..1]), of(&rules));
        assert_eq!(rules.decide(0, 1), Some((0, Verdict::Merge)));
        assert_eq!(rules.decide(0, 2), Some((1, Verdict::Separate)));
        assert_eq!((rules.decide(1, 2), rules.decide(0, 3)), (None, None));
        let signature = |row| rules.signature(row);
        assert_eq!(signature(3), None);
        let separates = |l, r| rules.separates(signature(l).unwrap(), signature(r).unwrap());
        assert_eq!((separates(0, 1), separates(0, 2)), (None, Some(1)));
        // The first rule that holds decides; without one that separates, nothing is asked.
        assert_eq!(rules.separated(&[0, 0, 1], &[1, 2, 2]), Some(vec![false, true, false]));
        assert_eq!(only_merge.separated(&[0], &[1]), None);
    }
}
