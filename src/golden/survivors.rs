//! Attributes and groups of attributes, each with its rule, and the record that wins each.
//!
//! Before any rule: a value that is not valid, or that may not be used, is no candidate. Knows
//! nothing of the tables that winners are written to.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, make_comparator};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{SortOptions, cast};
use arrow::datatypes::DataType;
use rustc_hash::FxHashMap;

use super::entities::Entities;
use super::rules::{Candidates, Measured, Reason, Rule, rule, trust};
use super::{Golden, Material, Survivorship, Trust, expression_column, kernel};
use crate::error::{Error, Result};
use crate::tables;
use crate::threads::{self, parallel, ranges};

/// Columns of `customers` that are no attributes.
pub(super) const CUSTOMER_COLUMNS: &[&str] =
    &["golden_id", "kind", "member_count", "source_count", "first_seen", "last_updated"];

/// Customers that a thread looks at together.
///
/// Few enough that their values are still in a core's own memory when they are compared.
const CUSTOMERS: usize = 2048;

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
    /// By row, what the settings make of it, where the rule asks for that.
    measure: Vec<i64>,
    /// By row, whether its values are valid; absent where all are.
    valid: Option<BooleanBuffer>,
    /// By row, whether any of its values is known, and they are valid; absent where all are.
    usable: Option<BooleanBuffer>,
    /// The column of `customers` that keeps every value.
    pub(super) keep_all: Option<String>,
}

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

/// Customers of whom more than one record may win, and those records: kept to be used again.
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
            let before = own.len();
            for &row in &rows[entities.span(customer)] {
                if self.may_win(row, allowed) {
                    own.push(row);
                }
            }
            winners.push(own.get(before).copied().unwrap_or(NOBODY));
            if own.len() - before > 1 {
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
        order.sort_by(|&l, &r| {
            place(&candidates, &measures, r).cmp(&place(&candidates, &measures, l))
        });
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

/// Where a candidate stands: by measure, recency, source priority, then the first. Greater wins.
fn place(
    candidates: &Candidates<'_>,
    measures: &[i64],
    at: usize,
) -> (i64, i64, std::cmp::Reverse<u32>, std::cmp::Reverse<usize>) {
    let row = candidates.rows[at] as usize;
    let rank = std::cmp::Reverse(candidates.source_rank[row]);
    (measures[at], candidates.recency[row], rank, std::cmp::Reverse(at))
}

/// Every attribute of `records` in exactly one unit.
fn units(entities: &Entities, given: &Material<'_>) -> Result<Vec<Unit>> {
    let settings = given.settings;
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
    let expressions = settings.expressions();
    for n in 0..expressions.len() {
        let name = expression_column(n);
        taken.insert(number(&name, "golden.attributes")?, "golden.attributes".to_owned());
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
    let mut lists: Vec<&str> = Vec::new();
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
        if let Some(list) = &survivorship.keep_all {
            let there = schema.index_of(list).is_ok() || CUSTOMER_COLUMNS.contains(&list.as_str());
            if attributes.len() != 1 || there || lists.contains(&list.as_str()) {
                return Err(Error::configuration(format!(
                    "{place}.keep_all: `{list}` cannot keep the values"
                ))
                .help("name a new column, of one attribute alone: emails for email"));
            }
            lists.push(list);
        }
        let mut own = unit(entities, attributes, rule)?;
        let evaluated = |sql: &String| -> Result<ArrayRef> {
            let n = expressions.iter().position(|own| own == sql);
            let column = n.and_then(|n| entities.column(&expression_column(n)));
            column.cloned().ok_or_else(|| Error::bug(format!("{place}: SQL was not evaluated")))
        };
        own.measure = measures(entities, given, &place, survivorship, &evaluated)?;
        own.valid = match &survivorship.valid {
            None => None,
            Some(sql) => {
                let values = evaluated(sql)?;
                let valid = values.as_boolean_opt().map(true_of).ok_or_else(|| {
                    Error::configuration(format!("{place}.valid: it is neither true nor false"))
                        .help("write a condition: email LIKE '%@%.%'")
                })?;
                Some(valid)
            }
        };
        own.usable = usable(&own.columns, own.valid.as_ref());
        own.keep_all.clone_from(&survivorship.keep_all);
        units.push(own);
    }
    let default = rule(&settings.default_rule, "golden.default_rule")?;
    let plain = Survivorship { rule: default.name.to_owned(), ..Survivorship::default() };
    let none = |_: &String| Err(Error::bug("the default rule has no SQL"));
    let measure = measures(entities, given, "golden.default_rule", &plain, &none)?;
    for at in (0..fields.len()).filter(|at| !taken.contains_key(at)) {
        units.push(Unit { measure: measure.clone(), ..unit(entities, vec![at], default)? });
    }
    Ok(units)
}

/// What the settings make of each record, where the rule asks for it.
fn measures(
    entities: &Entities,
    given: &Material<'_>,
    place: &str,
    own: &Survivorship,
    evaluated: &dyn Fn(&String) -> Result<ArrayRef>,
) -> Result<Vec<i64>> {
    match own.rule.as_str() {
        "expression" => {
            let sql = own.expression.as_ref().ok_or_else(|| {
                Error::configuration(format!("{place}: the rule `expression` needs one")).help(
                    "add expression: SQL over the columns of records; the greatest value wins",
                )
            })?;
            ranks(&evaluated(sql)?, place)
        }
        "trust" => {
            let settings: &Golden = given.settings;
            let trust = if own.trust.is_empty() { &settings.trust } else { &own.trust };
            if trust.is_empty() {
                return Err(Error::configuration(format!("{place}: no source is trusted"))
                    .help("golden: trust: {crm: {score: 0.9, half_life_days: 365}}"));
            }
            let left = |row: usize| {
                let Some(Trust { score, half_life_days }) = trust.get(entities.sources.value(row))
                else {
                    return 0;
                };
                let at = entities.recency[row];
                // Whole days: an hour must not decide.
                let day = at.div_euclid(MICROSECONDS_A_DAY);
                let age = (at != i64::MIN).then(|| (i64::from(given.logical_date) - day) as f64);
                trust::left(*score, *half_life_days, age)
            };
            Ok((0..entities.sources.len()).map(left).collect())
        }
        _ => Ok(Vec::new()),
    }
}

const MICROSECONDS_A_DAY: i64 = 86_400_000_000;

/// The rank of each value among all, equal values equal; nulls are least.
fn ranks(values: &ArrayRef, place: &str) -> Result<Vec<i64>> {
    let order = make_comparator(values, values, SortOptions::default()).map_err(|_| {
        Error::configuration(format!("{place}.expression: values of this type have no order"))
            .help("cast it to a number, a text or a date")
    })?;
    let mut rows: Vec<usize> = (0..values.len()).collect();
    rows.sort_by(|&l, &r| order(l, r));
    let mut ranks = vec![0; rows.len()];
    for (rank, equal) in rows.chunk_by(|&l, &r| order(l, r).is_eq()).enumerate() {
        equal.iter().for_each(|&row| ranks[row] = rank as i64);
    }
    Ok(ranks)
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
        Measured::new(values).map_err(|_| {
            Error::configuration(format!(
                "records.{}: values of this type cannot be compared",
                entities.records.schema().field(at).name()
            ))
            .help("cast it in the SQL of `records`, or name it in golden.exclude")
        })
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let usable = usable(&columns, None);
    let (measure, valid, keep_all) = (Vec::new(), None, None);
    Ok(Unit { attributes, columns, rule, measure, valid, usable, keep_all })
}

/// Where a condition is true: not where it is null.
fn true_of(condition: &BooleanArray) -> BooleanBuffer {
    match condition.nulls() {
        None => condition.values().clone(),
        Some(known) => condition.values() & known.inner(),
    }
}

/// By row, whether any of its values is known, and they are valid; `None` where all are.
fn usable(columns: &[Measured], valid: Option<&BooleanBuffer>) -> Option<BooleanBuffer> {
    let known = columns.iter().map(|column| column.values.nulls().map(|own| own.inner().clone()));
    // A column without nulls makes every row known.
    let known = known.reduce(|l, r| Some(&l? | &r?)).flatten();
    match (known, valid) {
        (Some(known), Some(valid)) => Some(&known & valid),
        (known, valid) => known.or_else(|| valid.cloned()),
    }
}
