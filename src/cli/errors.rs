//! Pairs that were decided wrongly, told apart by why, each with its waterfall.
//!
//! Records are shown by their row unless values are asked for: an id may be a person's own number.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::out::say;
use super::sample::{masked, value};
use super::waterfall;
use crate::resolve::{Input, Inspector, Scoring};

/// Pairs of rows that are wrong, by why.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Errors {
    /// Of two entities, in one cluster, and the pair itself scored high enough.
    pub(super) merged: Vec<(u32, u32)>,
    /// Of two entities, in one cluster through other records.
    pub(super) chained: Vec<(u32, u32)>,
    /// Of one entity, and no blocking rule brought them together.
    pub(super) not_compared: Vec<(u32, u32)>,
    /// Of one entity, and scored too low.
    pub(super) scored_low: Vec<(u32, u32)>,
    /// Of one entity, scored high enough, and kept apart by a rule or a guard of clusters.
    pub(super) kept_apart: Vec<(u32, u32)>,
}

/// A list's name in JSON, what it holds in words, and its pairs.
type List<'a> = (&'static str, &'static str, &'a [(u32, u32)]);

impl Errors {
    /// Finds them: of each judged row, its golden id and its true customer.
    pub(super) fn find(
        judged: &BTreeMap<u32, (&str, &str)>,
        scoring: &Scoring<'_>,
        merge: f64,
    ) -> Self {
        let mut found = Self::default();
        let pairs = |side: fn(&(&str, &str)) -> String| {
            let mut groups: BTreeMap<String, Vec<u32>> = BTreeMap::new();
            judged.iter().for_each(|(row, own)| groups.entry(side(own)).or_default().push(*row));
            groups.into_values().flat_map(|rows| {
                let pair = |place: usize| rows[place + 1..].iter().map(move |r| (place, *r));
                (0..rows.len())
                    .flat_map(pair)
                    .map(|(place, r)| (rows[place], r))
                    .collect::<Vec<_>>()
            })
        };
        for (l, r) in pairs(|own| own.0.to_owned()) {
            if judged[&l].1 != judged[&r].1 {
                let list = match scoring.weight(l, r) >= merge && scoring.compared(l, r) {
                    true => &mut found.merged,
                    false => &mut found.chained,
                };
                list.push((l, r));
            }
        }
        for (l, r) in pairs(|own| own.1.to_owned()) {
            if judged[&l].0 != judged[&r].0 {
                let list = match (scoring.compared(l, r), scoring.weight(l, r) >= merge) {
                    (false, _) => &mut found.not_compared,
                    (true, false) => &mut found.scored_low,
                    (true, true) => &mut found.kept_apart,
                };
                list.push((l, r));
            }
        }
        // What surprises most comes first: what the model was surest of, or least far from.
        let by = |list: &mut Vec<(u32, u32)>| {
            list.sort_by(|a, b| {
                let weight = |pair: &(u32, u32)| scoring.weight(pair.0, pair.1);
                weight(b).total_cmp(&weight(a)).then(a.cmp(b))
            });
        };
        found.lists_mut().into_iter().for_each(by);
        found
    }

    fn lists_mut(&mut self) -> [&mut Vec<(u32, u32)>; 5] {
        [
            &mut self.merged,
            &mut self.chained,
            &mut self.not_compared,
            &mut self.scored_low,
            &mut self.kept_apart,
        ]
    }

    /// Each list with its name in JSON and in words.
    fn lists(&self) -> [List<'_>; 5] {
        [
            ("merged", "false positives that scored high enough by themselves", &self.merged),
            ("chained", "false positives that are together through other records", &self.chained),
            (
                "not_compared",
                "false negatives that no blocking rule brought together",
                &self.not_compared,
            ),
            (
                "scored_low",
                "false negatives that were compared and scored too low",
                &self.scored_low,
            ),
            (
                "kept_apart",
                "false negatives that scored high enough and were kept apart by a rule or a guard",
                &self.kept_apart,
            ),
        ]
    }

    /// How many of each.
    pub(super) fn counts(&self) -> Value {
        let counts = self.lists().map(|(name, _, pairs)| (name.to_owned(), json!(pairs.len())));
        Value::Object(counts.into_iter().collect())
    }

    /// Prints how many there are of each, and the first `shown` with their waterfalls.
    pub(super) fn print(
        &self,
        input: &Input<'_>,
        inspector: &Inspector<'_>,
        scoring: &Scoring<'_>,
        (shown, values): (usize, bool),
    ) {
        say!("");
        for (_, words, pairs) in self.lists() {
            say!("  {:>8} {words}", pairs.len());
        }
        for (_, words, pairs) in self.lists() {
            if shown > 0 && !pairs.is_empty() {
                say!("\n  {words}:");
            }
            for (l, r) in pairs.iter().take(shown) {
                let name = |row: u32| {
                    let key = inspector.key(row);
                    if values { key.to_string() } else { format!("{} row {row}", key.source) }
                };
                let looked = scoring.waterfall(*l, *r);
                let rule = looked.blocking_rule.as_deref().map_or_else(
                    || "no blocking rule".to_owned(),
                    |rule| format!("blocking rule `{rule}`"),
                );
                say!("\n    {} and {}: {rule}", name(*l), name(*r));
                for column in input.settings.comparisons.iter().flat_map(|own| &own.columns) {
                    if let Some(array) = input.expressions.get(column) {
                        let own = |row| {
                            let text = value(array, row);
                            if values { text } else { masked(&text) }
                        };
                        say!("      {column:<28} {:<32} {}", own(*l), own(*r));
                    }
                }
                for line in waterfall::lines(&looked) {
                    say!("      {line}");
                }
            }
        }
    }
}
