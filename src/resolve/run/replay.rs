//! Clusters again, from the pairs that were logged.
//!
//! A run logs every pair at or above the review threshold, and every pair that a rule or a steward
//! decided: with its levels, its weight, the decision and who made it. These are the edges, and no
//! record is blocked or compared to find them. Guards also ask how well two groups match as wholes,
//! and for that of pairs which were never logged: those are compared and weighed again, under the
//! model that the run stored. How many there were is told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array, AsArray, ListArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type, UInt8Type};

use super::super::model::{Model, Scorer, fixed};
use super::super::record::{RecordKey, StewardDecision};
use super::grouping::Names;
use super::ready::{Ready, prepare};
use super::scoring::{Band, By, Scored};
use super::{Input, Link, Options};
use crate::error::{Error, Result};

/// What came of the logged pairs of one kind.
pub struct Replayed {
    /// The cluster of each row; clusters are numbered by their smallest row.
    pub clusters: Vec<u32>,
    /// Pairs that joined clusters, from the strongest on.
    pub links: Vec<Link>,
    /// Logged pairs of this kind.
    pub logged: u64,
    /// Pairs that guards asked for and the log does not hold: compared again.
    pub compared_again: u64,
}

/// Clusters records by logged pairs: `tables::scored_pairs()`, those of other kinds among them, as
/// the log leaves them after the run.
///
/// # Errors
/// A log that names a rule which the settings do not, or does not hold what it says; what
/// [`resolve`](super::resolve) refuses.
pub fn replay(
    input: &Input<'_>,
    model: &Model,
    pairs: &RecordBatch,
    options: Options,
) -> Result<Replayed> {
    let ready = prepare(input, options)?;
    model.check(input.kind, &ready.comparisons, input.hash_key.as_ref())?;
    let scorer = Scorer::new(model, &ready.comparisons, false, input.hash_key.as_ref())?;
    let logged = Logged::of(pairs)?;
    let mut stewards: Vec<StewardDecision> = Vec::new();
    let mut scored = Vec::new();
    for place in 0..pairs.num_rows() {
        let (l, r) = (ready.row(&logged.key(place, 0)), ready.row(&logged.key(place, 2)));
        // Pairs of another kind; what the comparison of tables finds if a record is gone.
        if let (Some(l), Some(r)) = (l, r) {
            scored.push(ready.logged(&logged, place, l, r, &mut stewards)?);
        }
    }
    scored.sort_unstable_by_key(|pair| (pair.l, pair.r));
    // The threshold was found before stewards decided: of what the model alone said.
    let as_scored: Vec<Scored> = scored
        .iter()
        .map(|pair| match pair.by {
            By::Steward(_) => ready.unruled(*pair),
            _ => *pair,
        })
        .collect();
    let merge = ready.merge_weight(&as_scored);
    let kept_apart =
        |pair: &&Scored| matches!(pair.by, By::Steward(_)) && pair.decision == Band::Separate;
    let different: Vec<(u32, u32)> =
        scored.iter().filter(kept_apart).map(|pair| (pair.l, pair.r)).collect();
    let names = Names { settings: input.settings, decisions: &stewards };
    let grouped = ready.group(&scorer, &scored, &different, merge, &names)?;
    ready.comparisons.check()?;
    ready.rules.check()?;
    Ok(Replayed {
        clusters: grouped.clusters,
        links: grouped.links,
        logged: scored.len() as u64,
        compared_again: ready.compared_again.load(Ordering::Relaxed),
    })
}

/// The columns of logged pairs.
struct Logged<'a> {
    texts: [StringArray; 7],
    weights: &'a arrow::array::Float64Array,
    levels: ListArray,
}

/// Places of a pair's texts: both keys, then these.
const RULE: usize = 4;
const DECISION: usize = 5;
const BY: usize = 6;

impl<'a> Logged<'a> {
    fn of(pairs: &'a RecordBatch) -> Result<Self> {
        let wrong = || Error::data("match_log: a column is missing or of another type");
        let text = |name: &str| -> Result<StringArray> {
            let column = pairs.column_by_name(name).ok_or_else(wrong)?;
            column.as_string_opt::<i32>().cloned().ok_or_else(wrong)
        };
        let weights = pairs.column_by_name("match_weight").ok_or_else(wrong)?;
        let levels = pairs.column_by_name("levels").ok_or_else(wrong)?;
        let item = Arc::new(Field::new("item", DataType::UInt8, false));
        let levels = arrow::compute::cast(levels, &DataType::List(item)).map_err(|_| wrong())?;
        Ok(Self {
            texts: [
                text("source_l")?,
                text("record_id_l")?,
                text("source_r")?,
                text("record_id_r")?,
                text("blocking_rule")?,
                text("decision")?,
                text("decided_by")?,
            ],
            weights: weights.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?,
            levels: levels.as_list_opt::<i32>().ok_or_else(wrong)?.clone(),
        })
    }

    fn key(&self, place: usize, first: usize) -> RecordKey {
        RecordKey::new(self.texts[first].value(place), self.texts[first + 1].value(place))
    }

    fn text(&self, place: usize, column: usize) -> &str {
        self.texts[column].value(place)
    }
}

impl Ready<'_> {
    /// A pair as it was logged.
    fn logged(
        &self,
        logged: &Logged<'_>,
        place: usize,
        l: u32,
        r: u32,
        stewards: &mut Vec<StewardDecision>,
    ) -> Result<Scored> {
        let wrong = |what: String| {
            Error::data(format!("match_log: {what}"))
                .help("replay with the pipeline file that the run was made with")
        };
        let levels = logged.levels.value(place);
        let levels = levels
            .as_primitive_opt::<UInt8Type>()
            .filter(|levels| levels.len() == self.comparisons.list.len())
            .ok_or_else(|| wrong("a pair has other comparisons than the settings".to_owned()))?;
        let pattern = levels.values().iter().enumerate();
        let pattern = pattern.fold(0, |all, (at, level)| all | u64::from(*level) << (4 * at));
        let decision = Band::find(logged.text(place, DECISION))
            .ok_or_else(|| wrong("a pair has a decision that is none".to_owned()))?;
        let by = match logged.text(place, BY).split_once(':') {
            None => By::Model,
            Some(("rule", name)) => {
                let rules = &self.input.settings.rules;
                let found = rules.iter().position(|rule| rule.name == name);
                let found =
                    found.ok_or_else(|| wrong(format!("the settings have no rule `{name}`")))?;
                By::Rule(found as u32)
            }
            Some((_, name)) => {
                let found = stewards.iter().position(|own| own.by == name);
                By::Steward(found.unwrap_or_else(|| {
                    stewards.push(StewardDecision {
                        a: logged.key(place, 0),
                        b: logged.key(place, 2),
                        same: decision == Band::Merge,
                        by: name.to_owned(),
                    });
                    stewards.len() - 1
                }) as u32)
            }
        };
        let name = logged.text(place, RULE);
        let rule = self.blocks.rules.iter().position(|rule| rule.name == name);
        Ok(Scored {
            l,
            r,
            rule: rule.and_then(|place| u16::try_from(place).ok()).unwrap_or(u16::MAX),
            pattern,
            weight: fixed(logged.weights.value(place)),
            decision,
            by,
        })
    }

    /// A pair as it would be without the steward who decided it.
    fn unruled(&self, pair: Scored) -> Scored {
        match self.rules.decide(pair.l, pair.r) {
            Some((place, _)) => Scored { by: By::Rule(place as u32), ..pair },
            None if pair.rule == u16::MAX => pair,
            None => Scored { by: By::Model, ..pair },
        }
    }
}
