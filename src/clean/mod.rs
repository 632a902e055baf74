//! Cleaning: what a pipeline's SQL gives for each source, united into conformed customer records.
//!
//! Plans in, plans out: nothing is executed here. What SQL functions do to a value is theirs
//! (`functions`); what a raw row had to be is its contract's (`extract`).

mod settings;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, cast, lit};
use indexmap::IndexMap;

use crate::error::{Error, Result};
use crate::functions::hash::HASH_TEXT;
use crate::tables::{RECORD_COLUMNS, timestamp};

pub use settings::*;

/// The columns that every mapping gives.
const REQUIRED: &[&str] = &["record_id", "kind", "updated_at"];

/// Unites the plans of all mappings, by column name, into the plan of `records`: the columns of
/// [`RECORD_COLUMNS`] and, between `kind` and `updated_at`, the attributes in the order in which
/// mappings first name them. A column that a mapping lacks is null there.
///
/// `content_hash` is a hash of kind and attributes, so that a record that did not change can be
/// told without comparing values. It covers `updated_at` no more than where the record was read.
///
/// # Errors
/// A mapping without `record_id`, `kind` or `updated_at`; a column of different types in two
/// mappings.
pub fn records(mappings: Vec<(String, DataFrame)>, run_id: &str) -> Result<DataFrame> {
    let attributes = attributes(&mappings)?;
    let mut united: Option<DataFrame> = None;
    for (source, frame) in mappings {
        let what = format!("records of source `{source}`");
        let unusable = |_| Error::configuration(format!("{what}: the plan cannot be built"));
        let names: Vec<String> =
            frame.schema().fields().iter().map(|field| field.name().clone()).collect();
        let column = |name: &str| Expr::Column(Column::new_unqualified(name));
        let mut columns = vec![
            lit(source.as_str()).alias("source"),
            cast(column("record_id"), DataType::Utf8).alias("record_id"),
            cast(column("kind"), DataType::Utf8).alias("kind"),
        ];
        for (name, data_type) in &attributes {
            columns.push(if names.contains(name) {
                cast(column(name), data_type.clone()).alias(name)
            } else {
                let null = ScalarValue::try_from(data_type).map_err(unusable)?;
                lit(null).alias(name)
            });
        }
        columns.push(cast(column("updated_at"), timestamp()).alias("updated_at"));
        let frame = frame.select(columns).map_err(unusable)?;
        united = Some(match united {
            Some(before) => before.union(frame).map_err(unusable)?,
            None => frame,
        });
    }
    let united =
        united.ok_or_else(|| Error::configuration("`records` names no source to resolve"))?;
    let hashed = content_hash(&attributes);
    united
        .with_column("content_hash", hashed)
        .and_then(|frame| frame.with_column("run_id", lit(run_id)))
        .map_err(|_| Error::configuration("`records`: the content hash cannot be built"))
}

/// Attributes and their types, in the order in which mappings first name them.
fn attributes(mappings: &[(String, DataFrame)]) -> Result<IndexMap<String, DataType>> {
    let mut attributes: IndexMap<String, (DataType, &str)> = IndexMap::new();
    for (source, frame) in mappings {
        for required in REQUIRED {
            if frame.schema().field_with_unqualified_name(required).is_err() {
                return Err(Error::configuration(format!(
                    "records of source `{source}`: the SQL gives no column `{required}`"
                ))
                .help(format!("add `... AS {required}` to its SELECT")));
            }
        }
        for field in frame.schema().fields() {
            let name = field.name();
            if REQUIRED.contains(&name.as_str()) {
                continue;
            }
            if RECORD_COLUMNS.contains(&name.as_str()) {
                return Err(Error::configuration(format!(
                    "records of source `{source}`: `{name}` is filled in by simurgh"
                ))
                .help("give the column another name"));
            }
            let data_type = match field.data_type() {
                DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
                other => other.clone(),
            };
            match attributes.get(name) {
                None => {
                    attributes.insert(name.clone(), (data_type, source));
                }
                Some((first, _)) if *first == data_type || data_type == DataType::Null => {}
                Some((DataType::Null, _)) => {
                    attributes.insert(name.clone(), (data_type, source));
                }
                Some((first, other)) => {
                    return Err(Error::configuration(format!(
                        "records of source `{source}`: `{name}` is {data_type}, and {first} in source `{other}`"
                    ))
                    .help("cast one of them, so that a column has one type"));
                }
            }
        }
    }
    Ok(attributes
        .into_iter()
        .map(|(name, (data_type, _))| {
            let data_type = if data_type == DataType::Null { DataType::Utf8 } else { data_type };
            (name, data_type)
        })
        .collect())
}

/// A hash over kind and attributes; null and empty text are told apart.
fn content_hash(attributes: &IndexMap<String, DataType>) -> Expr {
    let column = |name: &str| Expr::Column(Column::new_unqualified(name));
    let mut parts = vec![column("kind")];
    parts.extend(attributes.keys().map(|name| cast(column(name), DataType::Utf8)));
    (HASH_TEXT.make)().call(parts)
}
