//! How customers relate to each other: those that share golden attributes (a household), and
//! those whose records name each other's (an employer, a parent company, a recommendation).
//!
//! Evidence names attributes and record addresses, never a value.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};

use super::entities::Entities;
use super::{Golden, Relation, kernel, sliced};
use crate::consent::Consents;
use crate::error::{Error, Result};
use crate::tables;

/// (golden customer, relation, other golden customer) to evidence; customers by position, which
/// is the order of their ids.
type Found<'a> = BTreeMap<(u32, &'a str, u32), String>;

/// `customer_relations`, and what was left out.
pub(super) fn relations(
    entities: &Entities,
    customers: &RecordBatch,
    settings: &Golden,
    consents: &Consents,
) -> Result<(Vec<RecordBatch>, Vec<String>)> {
    // A record that may not be compared is related to nobody either.
    let linked = |row: u32| {
        let row = row as usize;
        consents.links(entities.sources.value(row), entities.record_ids.value(row))
    };
    let mut found = Found::new();
    let mut warnings = Vec::new();
    for relation in &settings.relations {
        let left_out = match (&relation.reference, relation.share.is_empty()) {
            (None, false) => {
                let may =
                    |customer: u32| entities.rows(customer as usize).iter().any(|&row| linked(row));
                shared(customers, relation, &may, &mut found)?
            }
            (Some(column), true) => referenced(entities, relation, column, &linked, &mut found)?,
            _ => {
                return Err(Error::configuration(format!(
                    "golden.relations: `{}` needs `share` or `reference`, and not both",
                    relation.kind
                ))
                .help("share: [family_name, street, postcode], or reference: account_id"));
            }
        };
        warnings.extend(left_out);
    }
    Ok((sliced(&table(entities, &found)?), warnings))
}

fn table(entities: &Entities, found: &Found<'_>) -> Result<RecordBatch> {
    let id = |customer: &u32| entities.golden_ids.value(*customer as usize);
    let text = |values: StringArray| -> ArrayRef { Arc::new(values) };
    RecordBatch::try_new(
        tables::customer_relations(),
        vec![
            text(StringArray::from_iter_values(found.keys().map(|(one, _, _)| id(one)))),
            text(StringArray::from_iter_values(found.keys().map(|(_, relation, _)| relation))),
            text(StringArray::from_iter_values(found.keys().map(|(_, _, other)| id(other)))),
            text(StringArray::from_iter_values(found.values())),
        ],
    )
    .map_err(kernel("columns of customer_relations do not fit"))
}

/// Customers that share all of the known attributes, the smaller id first.
fn shared<'a>(
    customers: &RecordBatch,
    relation: &'a Relation,
    may: &dyn Fn(u32) -> bool,
    found: &mut Found<'a>,
) -> Result<Option<String>> {
    let columns = relation.share.iter().map(|name| {
        customers.column_by_name(name).cloned().ok_or_else(|| {
            Error::configuration(format!(
                "golden.relations.{}: customers have no attribute `{name}`",
                relation.kind
            ))
            .help("`share` names golden attributes: columns of records that are not excluded")
        })
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    let fields = columns.iter().map(|c| SortField::new(c.data_type().clone())).collect();
    let keys = RowConverter::new(fields)
        .and_then(|converter| converter.convert_columns(&columns))
        .map_err(kernel("shared attributes cannot be compared"))?;
    let kinds = customers.column_by_name("kind").map(|kinds| kinds.as_string::<i32>());
    let counted = |customer: &u32| {
        let at = *customer as usize;
        let of_kind = match (&relation.from_kind, kinds) {
            (Some(kind), Some(kinds)) => kinds.value(at) == kind,
            _ => true,
        };
        of_kind && may(*customer) && columns.iter().all(|column| column.is_valid(at))
    };
    let mut order: Vec<u32> = (0..customers.num_rows() as u32).filter(counted).collect();
    order.sort_by(|&l, &r| keys.row(l as usize).cmp(&keys.row(r as usize)).then(l.cmp(&r)));

    let evidence = format!("shares {}", relation.share.join(", "));
    let mut too_large = 0_u64;
    for group in order.chunk_by(|&l, &r| keys.row(l as usize) == keys.row(r as usize)) {
        if group.len() > relation.max_group as usize {
            too_large += 1;
            continue;
        }
        for (at, &one) in group.iter().enumerate() {
            for &other in &group[at + 1..] {
                let key = (one, relation.kind.as_str(), other);
                found.entry(key).or_insert_with(|| evidence.clone());
            }
        }
    }
    Ok((too_large > 0).then(|| {
        format!(
            "golden.relations.{}: {too_large} groups of more than {} customers that share {} \
             were left out",
            relation.kind,
            relation.max_group,
            relation.share.join(", ")
        )
    }))
}

/// The customers of records that hold another record's id.
fn referenced<'a>(
    entities: &Entities,
    relation: &'a Relation,
    column: &str,
    linked: &dyn Fn(u32) -> bool,
    found: &mut Found<'a>,
) -> Result<Option<String>> {
    let place = format!("golden.relations.{}", relation.kind);
    let ids = entities.column(column).ok_or_else(|| {
        Error::configuration(format!("{place}: records have no column `{column}`"))
            .help("`reference` names a column that the SQL of `records` gives")
    })?;
    let ids = cast(ids, &DataType::Utf8).map_err(|_| {
        Error::configuration(format!("{place}: records.{column} cannot hold a record's id"))
    })?;
    let ids = ids.as_string::<i32>();
    let mut dangling = 0_u64;
    // Rows rise by (source, record_id), so the evidence kept is that of the first record.
    for row in 0..ids.len() {
        let of_kind =
            relation.from_kind.as_deref().is_none_or(|kind| entities.kinds.value(row) == kind);
        if ids.is_null(row) || !of_kind || !linked(row as u32) {
            continue;
        }
        let source = entities.sources.value(row);
        let other = relation.to_source.as_deref().unwrap_or(source);
        let Some(target) = entities.find(other, ids.value(row)) else {
            dangling += 1;
            continue;
        };
        if !linked(target) {
            continue;
        }
        let (from, to) = (entities.customer_of[row], entities.customer_of[target as usize]);
        if from == to {
            continue;
        }
        let (one, other) = if relation.inverse { (to, from) } else { (from, to) };
        found
            .entry((one, relation.kind.as_str(), other))
            .or_insert_with(|| format!("{source}:{} {column}", entities.record_ids.value(row)));
    }
    Ok((dangling > 0)
        .then(|| format!("{place}: {dangling} records hold a {column} that no record has")))
}
