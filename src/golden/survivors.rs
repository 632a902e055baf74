//! The record that wins each unit of attributes for each customer, and why.
//!
//! Before any rule: a value that is not valid, or that may not be used, is no candidate. Refuses to
//! know settings, and the tables that winners are written to.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use super::Material;
use super::entities::Entities;
use super::rules::{Candidates, Reason};
use super::units::{Unit, units};
use crate::error::Result;
use crate::threads::{self, parallel, ranges};

/// Customers that a thread looks at together.
///
/// Few enough that their values are still in a core's own memory when they are compared.
const CUSTOMERS: usize = 2048;

/// The winner of an attribute that no record of the customer knows.
pub(super) const NOBODY: u32 = u32::MAX;

/// By unit, the row that wins for each customer, or [`NOBODY`].
pub(super) type Winners = Vec<Vec<u32>>;

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
    /// Reads the settings.
    pub(super) fn new(entities: Arc<Entities>, given: &Material<'_>) -> Result<Self> {
        let units = units(&entities, given)?;
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

    /// Finds every winner among the records that are allowed: all, where nothing is said.
    ///
    /// # Errors
    /// Where a thread failed.
    pub(super) fn survive(&self, entities: &Entities, allowed: Option<&[bool]>) -> Result<Winners> {
        let rows = entities.by_standing();
        let parts = ranges(entities.len(), CUSTOMERS);
        let winners = |unit: &Unit| -> Result<Vec<u32>> {
            let found = parallel(parts.len(), threads::count(), Contest::default, |own, part| {
                unit.winners(entities, &rows, parts[part].clone(), allowed, own)
            })?;
            Ok(found.concat())
        };
        self.units.iter().map(winners).collect()
    }
}

/// Customers of whom so many records may win that the rule decides, and those records: kept to be
/// used again.
#[derive(Default)]
struct Contest {
    customers: Vec<usize>,
    /// The records, and where those of each customer end.
    rows: Vec<u32>,
    ends: Vec<usize>,
    measures: Vec<i64>,
}

impl Unit {
    /// The winner of each of these customers; `rows` are all rows by customer, the best standing
    /// first.
    fn winners(
        &self,
        entities: &Entities,
        rows: &[u32],
        customers: Range<usize>,
        allowed: Option<&[bool]>,
        contest: &mut Contest,
    ) -> Vec<u32> {
        let Contest { customers: contested, rows: own, ends, measures } = contest;
        contested.clear();
        own.clear();
        ends.clear();
        measures.clear();
        let mut winners = Vec::with_capacity(customers.len());
        for customer in customers {
            let all = &rows[entities.span(customer)];
            let mut may_win = all.iter().copied().filter(|row| self.may_win(*row, allowed));
            if all.len() < self.rule.fewest {
                winners.push(may_win.next().unwrap_or(NOBODY));
                continue;
            }
            let before = own.len();
            own.extend(may_win);
            winners.push(own.get(before).copied().unwrap_or(NOBODY));
            if own.len() - before >= self.rule.fewest {
                contested.push(winners.len() - 1);
                ends.push(own.len());
            } else {
                own.truncate(before);
            }
        }
        (self.rule.measure)(&self.measured(entities, own, ends), measures);
        let mut start = 0;
        for (&customer, &end) in contested.iter().zip(&*ends) {
            // Of those that measure the same, the first stands best.
            let best = (start + 1..end)
                .fold(start, |best, at| if measures[at] > measures[best] { at } else { best });
            winners[customer] = own[best];
            start = end;
        }
        winners
    }

    /// The rows of a customer in which any attribute of the unit is known, valid and allowed.
    fn candidates(
        &self,
        entities: &Entities,
        customer: usize,
        allowed: Option<&[bool]>,
    ) -> Vec<u32> {
        let all = entities.rows(customer).iter().copied();
        all.filter(|row| self.may_win(*row, allowed)).collect()
    }

    fn may_win(&self, row: u32, allowed: Option<&[bool]>) -> bool {
        allowed.is_none_or(|allowed| allowed[row as usize])
            && self.usable.as_ref().is_none_or(|usable| usable.value(row as usize))
    }

    fn is_known(&self, row: u32) -> bool {
        self.columns.iter().any(|column| column.values.is_valid(row as usize))
    }

    fn is_valid(&self, row: u32) -> bool {
        self.valid.as_ref().is_none_or(|valid| valid.value(row as usize))
    }

    fn measured<'a>(
        &'a self,
        entities: &'a Entities,
        rows: &'a [u32],
        ends: &'a [usize],
    ) -> Candidates<'a> {
        Candidates {
            rows,
            ends,
            columns: &self.columns,
            recency: &entities.recency,
            source_rank: &entities.source_rank,
            measure: &self.measure,
        }
    }

    /// The rows of a customer's different values, the best first.
    pub(super) fn ranked(
        &self,
        entities: &Entities,
        customer: usize,
        allowed: Option<&[bool]>,
    ) -> Vec<u32> {
        let rows = self.candidates(entities, customer, allowed);
        if rows.is_empty() {
            return rows;
        }
        let ends = [rows.len()];
        let candidates = self.measured(entities, &rows, &ends);
        let mut measures = Vec::new();
        (self.rule.measure)(&candidates, &mut measures);
        let mut order: Vec<usize> = (0..rows.len()).collect();
        // Rows rise: of those that stand alike, the first is first.
        order.sort_by_key(|&at| (Reverse(measures[at]), entities.standing(rows[at])));
        let mut kept: Vec<u32> = Vec::new();
        for at in order {
            if !kept.iter().any(|&row| candidates.same(row, rows[at])) {
                kept.push(rows[at]);
            }
        }
        kept
    }

    /// Every known value of a customer with its reason; none if nothing is known.
    pub(super) fn verdicts(
        &self,
        entities: &Entities,
        customer: usize,
        winner: u32,
    ) -> Option<Verdicts> {
        let rows = self.candidates(entities, customer, None);
        let mut reasons: Vec<(u32, Reason)> = Vec::with_capacity(rows.len());
        if let [only] = rows[..] {
            reasons.push((only, "only value".into()));
        } else if let Some(won) = rows.iter().position(|&row| row == winner) {
            let ends = [rows.len()];
            let candidates = self.measured(entities, &rows, &ends);
            let mut measures = Vec::new();
            (self.rule.measure)(&candidates, &mut measures);
            reasons.extend((0..rows.len()).map(|at| {
                let reason = if at == won {
                    self.why_won(&candidates, &measures, won)
                } else {
                    self.why_lost(&candidates, &measures, won, at)
                };
                (rows[at], reason)
            }));
        }
        if let Some(column) = &self.keep_all {
            for (row, reason) in reasons.iter_mut().filter(|(row, _)| *row != winner) {
                if !self.columns.iter().all(|own| own.same(*row, winner)) {
                    *reason = format!("{reason}; kept in `{column}`").into();
                }
            }
        }
        if self.valid.is_some() {
            let all = entities.rows(customer).iter();
            let barred = all.filter(|row| self.is_known(**row) && !self.is_valid(**row));
            reasons.extend(barred.map(|row| (*row, Reason::from("not valid"))));
            reasons.sort_by_key(|(row, _)| *row);
        }
        (!reasons.is_empty()).then_some(Verdicts { candidates: reasons, winner })
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
