//! Units of attributes as the settings name them: each attribute in exactly one, with its rule, what
//! the rule measures, and the rows whose values may win.
//!
//! Refuses to know customers, and which row wins.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, make_comparator};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{SortOptions, cast};
use arrow::datatypes::DataType;
use rustc_hash::FxHashMap;

use super::entities::Entities;
use super::rules::{Measured, Rule, rule, trust};
use super::{Golden, Material, Survivorship, Trust, expression_column, kernel};
use crate::error::{Error, Result};
use crate::tables;

/// Columns of `customers` that are no attributes.
const CUSTOMER_COLUMNS: &[&str] =
    &["golden_id", "kind", "member_count", "source_count", "first_seen", "last_updated"];

/// Attributes that survive together: one, or a group.
pub(super) struct Unit {
    /// Column numbers in `records`, in the order of `columns`.
    pub(super) attributes: Vec<usize>,
    /// The columns, made ready to be measured.
    pub(super) columns: Vec<Measured>,
    /// What decides.
    pub(super) rule: &'static Rule,
    /// By row, what the settings make of it, where the rule asks for that.
    pub(super) measure: Vec<i64>,
    /// By row, whether its values are valid; absent where all are.
    pub(super) valid: Option<BooleanBuffer>,
    /// By row, whether any of its values is known, and they are valid; absent where all are.
    pub(super) usable: Option<BooleanBuffer>,
    /// The column of `customers` that keeps every value.
    pub(super) keep_all: Option<String>,
}

/// Every attribute of `records` in exactly one unit.
pub(super) fn units(entities: &Entities, given: &Material<'_>) -> Result<Vec<Unit>> {
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
    for own in &mut units {
        own.usable = usable(&own.columns, own.valid.as_ref());
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
        Measured::new(values, entities.coded).map_err(|_| {
            Error::configuration(format!(
                "records.{}: values of this type cannot be compared",
                entities.records.schema().field(at).name()
            ))
            .help("cast it in the SQL of `records`, or name it in golden.exclude")
        })
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let (measure, valid, usable, keep_all) = (Vec::new(), None, None, None);
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
