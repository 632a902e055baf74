//! Attributes and groups of attributes, each with its rule, and the record that wins each.
//!
//! Knows nothing of the tables that winners are written to.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, make_comparator};
use arrow::compute::{SortOptions, cast};
use arrow::datatypes::DataType;
use rustc_hash::FxHashMap;

use super::entities::Entities;
use super::rules::{Candidates, Measured, Reason, Rule, rule};
use super::{Golden, kernel};
use crate::error::{Error, Result};
use crate::tables;
use crate::threads::{self, parallel, ranges};

/// Columns of `customers` that are no attributes.
pub(super) const CUSTOMER_COLUMNS: &[&str] =
    &["golden_id", "kind", "member_count", "source_count", "first_seen", "last_updated"];

/// Customers that a thread looks at together.
const CUSTOMERS: usize = 16_384;

/// The winner of an attribute that no record of the customer knows.
pub(super) const NOBODY: u32 = u32::MAX;

/// Attributes that survive together: one, or a group.
pub(super) struct Unit {
    /// Column numbers in `records`, in the order of `columns`.
    pub(super) attributes: Vec<usize>,
    /// The columns, made ready to be measured.
    columns: Vec<Measured>,
    /// What decides.
    pub(super) rule: &'static Rule,
    /// The row that wins for each customer, or [`NOBODY`].
    pub(super) winners: Vec<u32>,
}

/// All units, and which of them each attribute belongs to.
pub(super) struct Survivors {
    pub(super) units: Vec<Unit>,
    /// (column number in `records`, unit), in the order of the columns of `records`.
    pub(super) attributes: Vec<(usize, usize)>,
}

/// Why each candidate of one customer and unit won or lost.
pub(super) struct Verdicts {
    /// The candidates' rows, rising, with the reason of each.
    pub(super) candidates: Vec<(u32, Reason)>,
    /// The row that won.
    pub(super) winner: u32,
}

impl Survivors {
    /// Reads the settings and finds every winner.
    pub(super) fn new(entities: Arc<Entities>, settings: &Golden) -> Result<Self> {
        let mut units = units(&entities, settings)?;
        let parts = ranges(entities.len(), CUSTOMERS);
        for unit in &mut units {
            let own = &*unit;
            let winner = |rows: &mut Vec<u32>, customer: usize| {
                own.candidates(&entities, customer, rows);
                match rows.as_slice() {
                    [] => NOBODY,
                    [only] => *only,
                    rows => {
                        let candidates = own.measured(&entities, rows);
                        rows[best(&candidates, &(own.rule.measure)(&candidates))]
                    }
                }
            };
            let winners = parallel(parts.len(), threads::count(), Vec::new, |rows, part| {
                parts[part].clone().map(|customer| winner(rows, customer)).collect::<Vec<_>>()
            })?;
            unit.winners = winners.concat();
        }
        let mut attributes: Vec<(usize, usize)> = units
            .iter()
            .enumerate()
            .flat_map(|(unit, Unit { attributes, .. })| {
                attributes.iter().map(move |&at| (at, unit))
            })
            .collect();
        attributes.sort_unstable();
        Ok(Self { units, attributes })
    }
}

impl Unit {
    /// The rows of a customer in which any attribute of the unit is known.
    fn candidates(&self, entities: &Entities, customer: usize, rows: &mut Vec<u32>) {
        rows.clear();
        let known = |row: &u32| self.columns.iter().any(|c| c.values.is_valid(*row as usize));
        rows.extend(entities.rows(customer).iter().copied().filter(known));
    }

    fn measured<'a>(&'a self, entities: &'a Entities, rows: &'a [u32]) -> Candidates<'a> {
        Candidates {
            rows,
            columns: &self.columns,
            recency: &entities.recency,
            source_rank: &entities.source_rank,
        }
    }

    /// Every candidate of a customer with its reason; none if nothing is known.
    pub(super) fn verdicts(&self, entities: &Entities, customer: usize) -> Option<Verdicts> {
        let mut rows = Vec::new();
        self.candidates(entities, customer, &mut rows);
        let winner = *self.winners.get(customer)?;
        if rows.len() < 2 {
            let candidates = rows.into_iter().map(|row| (row, "only value".into())).collect();
            return (winner != NOBODY).then_some(Verdicts { candidates, winner });
        }
        let candidates = self.measured(entities, &rows);
        let measures = (self.rule.measure)(&candidates);
        let won = rows.iter().position(|&row| row == winner)?;
        let reasons = (0..rows.len()).map(|at| {
            let reason = if at == won {
                self.why_won(&candidates, &measures, won)
            } else {
                self.why_lost(&candidates, &measures, won, at)
            };
            (rows[at], reason)
        });
        Some(Verdicts { candidates: reasons.collect(), winner })
    }

    fn why_won(&self, candidates: &Candidates<'_>, measures: &[i64], won: usize) -> Reason {
        let winner = candidates.rows[won];
        if candidates.rows.iter().all(|&row| candidates.same(row, winner)) {
            return "all records agree".into();
        }
        let rivals = |at: &usize| {
            *at != won
                && measures[*at] == measures[won]
                && !candidates.same(candidates.rows[*at], winner)
        };
        // A tie counts only against another value: equal values have no quarrel.
        if (0..measures.len()).any(|at| rivals(&at)) {
            format!("{}, after a tie", self.rule.won).into()
        } else {
            self.rule.won.into()
        }
    }

    fn why_lost(
        &self,
        candidates: &Candidates<'_>,
        measures: &[i64],
        won: usize,
        lost: usize,
    ) -> Reason {
        let (winner, loser) = (candidates.rows[won], candidates.rows[lost]);
        if candidates.same(winner, loser) {
            return "same value as the winner".into();
        }
        if measures[won] != measures[lost] {
            return (self.rule.lost)(measures[won], measures[lost], measures.len());
        }
        let (winner, loser) = (winner as usize, loser as usize);
        if candidates.recency[winner] != candidates.recency[loser] {
            return "older".into();
        }
        if candidates.source_rank[winner] != candidates.source_rank[loser] {
            return "lower source priority".into();
        }
        "equal in all else, a later record id".into()
    }
}

/// The position of the best candidate: by measure, recency, source priority, then the first.
fn best(candidates: &Candidates<'_>, measures: &[i64]) -> usize {
    let place = |at: usize| {
        let row = candidates.rows[at] as usize;
        (measures[at], candidates.recency[row], std::cmp::Reverse(candidates.source_rank[row]))
    };
    (1..measures.len()).fold(0, |best, at| match place(at).cmp(&place(best)) {
        Ordering::Greater => at,
        Ordering::Less | Ordering::Equal => best,
    })
}

/// Every attribute of `records` in exactly one unit.
fn units(entities: &Entities, settings: &Golden) -> Result<Vec<Unit>> {
    let schema = entities.records.schema();
    let fields = schema.fields();
    let number = |name: &str, place: &str| -> Result<usize> {
        schema.index_of(name).map_err(|_| {
            Error::configuration(format!("{place}: records have no column `{name}`"))
                .help("name a column that the SQL of `records` gives")
        })
    };
    let mut taken: FxHashMap<usize, String> = FxHashMap::default();
    for name in &settings.exclude {
        taken.insert(number(name, "golden.exclude")?, "golden.exclude".to_owned());
    }
    for (at, field) in fields.iter().enumerate() {
        let name = field.name().as_str();
        if tables::RECORD_COLUMNS.contains(&name) {
            taken.insert(at, "the columns that every record has".to_owned());
        } else if CUSTOMER_COLUMNS.contains(&name) && !taken.contains_key(&at) {
            return Err(Error::configuration(format!(
                "records.{name} has the name of a column that customers have of themselves"
            ))
            .help("rename it in the SQL of `records`, or name it in golden.exclude"));
        }
    }

    let mut units = Vec::new();
    for (name, survivorship) in &settings.attributes {
        let place = format!("golden.attributes.{name}");
        let rule = rule(&survivorship.rule, &place)?;
        let alone = [name.clone()];
        let columns =
            if survivorship.columns.is_empty() { &alone[..] } else { &survivorship.columns };
        let mut attributes = Vec::with_capacity(columns.len());
        for column in columns {
            let at = number(column, &place)?;
            if let Some(elsewhere) = taken.insert(at, place.clone()) {
                return Err(Error::configuration(format!(
                    "{place}: `{column}` is named in {elsewhere} too"
                ))
                .help("an attribute survives by one rule, alone or in one group"));
            }
            attributes.push(at);
        }
        units.push(unit(entities, attributes, rule)?);
    }
    let default = rule(&settings.default_rule, "golden.default_rule")?;
    for at in (0..fields.len()).filter(|at| !taken.contains_key(at)) {
        units.push(unit(entities, vec![at], default)?);
    }
    Ok(units)
}

fn unit(entities: &Entities, attributes: Vec<usize>, rule: &'static Rule) -> Result<Unit> {
    let columns = attributes.iter().map(|&at| {
        let values = entities.records.column(at);
        let values = match values.data_type() {
            DataType::Utf8View | DataType::LargeUtf8 => {
                cast(values, &DataType::Utf8).map_err(kernel("a text column is too large"))?
            }
            _ => Arc::clone(values),
        };
        let compare = make_comparator(&values, &values, SortOptions::default()).map_err(|_| {
            Error::configuration(format!(
                "records.{}: values of this type cannot be compared",
                entities.records.schema().field(at).name()
            ))
            .help("cast it in the SQL of `records`, or name it in golden.exclude")
        })?;
        Ok(Measured { values, compare })
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(Unit { attributes, columns, rule, winners: Vec::new() })
}
