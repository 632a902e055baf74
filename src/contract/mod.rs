//! Data contracts: an ODCS 3.1 YAML file as columns, their Arrow types and the rules of their rows.
//!
//! Knows what a contract says and how one value is held against it. Refuses to know files,
//! sources and what is done with a row that breaks a rule: that is `extract`'s.

mod cell;
mod check;
mod pattern;
mod raw;
mod resolve;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

pub(crate) use cell::{Accepted, Cell, CellReader};
pub use check::{Checker, Violation};
pub(crate) use pattern::Pattern;
pub(crate) use text::Zone;

/// What a table's rows must be: one table of one ODCS contract.
#[derive(Debug, Clone)]
pub struct Contract {
    /// The table's name.
    pub name: String,
    /// What the table is, in the contract's words.
    pub description: Option<String>,
    /// The columns, in the contract's order.
    pub columns: Vec<Column>,
    /// The least number of rows.
    pub min_rows: Option<u64>,
    /// The greatest number of rows.
    pub max_rows: Option<u64>,
    /// Rules that are read but not run (text, SQL, a vendor's, warnings), one sentence each.
    pub unenforced: Vec<String>,
}

/// One column of a contract.
#[derive(Debug, Clone)]
pub struct Column {
    /// The column's name in `raw_<source>` and in every table.
    pub name: String,
    /// The column's name in the export, where it differs (`physicalName`).
    pub physical_name: Option<String>,
    /// What the column is, in the contract's words.
    pub description: Option<String>,
    /// The Arrow type: Utf8, Int64, Float64, Decimal128, Boolean, Date32, Timestamp(us, UTC), or a
    /// list of one of these (landed tables only).
    pub data_type: DataType,
    /// Whether a value must be there; so for every column of the key.
    pub required: bool,
    /// Whether no two rows share a value.
    pub unique: bool,
    /// The column's place in the key, from 1.
    pub key_position: Option<u32>,
    /// Whether the values are personal data (`classification` or a tag says `personal` or `pii`).
    pub personal: bool,
    /// The least value.
    pub minimum: Option<Bound>,
    /// The greatest value.
    pub maximum: Option<Bound>,
    /// The least length, in characters.
    pub min_length: Option<u64>,
    /// The greatest length, in characters.
    pub max_length: Option<u64>,
    /// A regular expression that must be found in the text; anchor it to hold for all of it.
    pub pattern: Option<regex::Regex>,
    /// The values that are allowed, sorted; empty: all.
    pub valid_values: Vec<Value>,
    /// How dates and times are written, where not in ISO 8601.
    pub(crate) format: Option<Pattern>,
}

/// A bound of a column's values.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// The bound itself.
    pub value: Value,
    /// Whether the bound itself is outside.
    pub exclusive: bool,
}

/// A value that a rule names, in the column's type.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum Value {
    /// Text.
    Text(String),
    /// An integer, a decimal's unscaled integer, days, microseconds, or 0 and 1 for false and true.
    Integer(i128),
    /// A float.
    Number(f64),
}

/// The rules a row may break, in the order in which they are held: a row that breaks several is
/// refused by the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The row has not the columns of the table.
    Shape,
    /// The text is not text of the file's encoding, or holds a NUL.
    Encoding,
    /// A value is missing.
    Required,
    /// A value is not of the column's type.
    Type,
    /// A text is too short or too long.
    Length,
    /// A text does not fit the column's regular expression.
    Pattern,
    /// A value is outside the column's bounds.
    Range,
    /// A value is none of those allowed.
    ValidValues,
    /// A key or a unique value was there before.
    Unique,
    /// The table has too few or too many rows.
    RowCount,
}

impl Rule {
    /// The rule's name in `quarantine` and in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::Shape => "shape",
            Rule::Encoding => "encoding",
            Rule::Required => "required",
            Rule::Type => "type",
            Rule::Length => "length",
            Rule::Pattern => "pattern",
            Rule::Range => "range",
            Rule::ValidValues => "valid_values",
            Rule::Unique => "unique",
            Rule::RowCount => "row_count",
        }
    }
}

impl Contract {
    /// The table's Arrow schema: the columns in order, nullable unless required.
    pub fn arrow_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(
            self.columns
                .iter()
                .map(|column| Field::new(&column.name, column.data_type.clone(), !column.required))
                .collect::<Vec<_>>(),
        ))
    }

    /// The columns of the key, in the key's order; empty if the contract names none.
    pub fn key(&self) -> Vec<&str> {
        let mut key: Vec<(u32, &str)> = self
            .columns
            .iter()
            .filter_map(|column| Some((column.key_position?, column.name.as_str())))
            .collect();
        // Stable: columns of one position keep the contract's order.
        key.sort_by_key(|(position, _)| *position);
        key.into_iter().map(|(_, name)| name).collect()
    }

    /// The columns that hold personal data, in the contract's order.
    pub fn personal_columns(&self) -> Vec<&str> {
        self.columns
            .iter()
            .filter(|column| column.personal)
            .map(|column| column.name.as_str())
            .collect()
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl Column {
    /// The column's name in the export.
    pub fn export_name(&self) -> &str {
        self.physical_name.as_deref().unwrap_or(&self.name)
    }

    /// The type in words, for messages.
    pub(crate) fn type_name(&self) -> String {
        match &self.data_type {
            DataType::Utf8 => "text".to_owned(),
            DataType::Int64 => "an integer".to_owned(),
            DataType::Float64 => "a number".to_owned(),
            DataType::Decimal128(precision, scale) => format!("a decimal({precision},{scale})"),
            DataType::Boolean => "a boolean".to_owned(),
            DataType::Date32 => "a date".to_owned(),
            DataType::Timestamp(..) => "a timestamp".to_owned(),
            _ => "a list".to_owned(),
        }
    }

    /// Why a row that breaks `rule` here is refused: names the column and the rule, not the value.
    pub(crate) fn reason(&self, rule: Rule) -> String {
        let name = &self.name;
        match rule {
            Rule::Required => format!("column `{name}` is required and empty"),
            Rule::Type => match &self.format {
                Some(_) => {
                    format!("column `{name}` is not {} in the contract's format", self.type_name())
                }
                None => format!("column `{name}` is not {}", self.type_name()),
            },
            Rule::Length => match (self.min_length, self.max_length) {
                (Some(least), Some(most)) => {
                    format!("column `{name}` has not {least} to {most} characters")
                }
                (Some(least), None) => format!("column `{name}` has under {least} characters"),
                (None, Some(most)) => format!("column `{name}` has over {most} characters"),
                (None, None) => format!("column `{name}` has the wrong length"),
            },
            Rule::Pattern => format!("column `{name}` does not fit the contract's pattern"),
            Rule::Range => format!("column `{name}` is outside the contract's bounds"),
            Rule::ValidValues => format!("column `{name}` is none of the allowed values"),
            Rule::Encoding => format!("column `{name}` holds characters that are no text"),
            Rule::Unique => format!("column `{name}` repeats a value"),
            Rule::Shape | Rule::RowCount => format!("column `{name}` is not there"),
        }
    }
}
