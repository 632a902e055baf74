//! One value held against one column: text is cast, typed values are taken, rules are asked.
//!
//! A cell is borrowed from the row it came in, and no text is copied here: a file of millions of
//! rows passes through without an allocation a value.

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, TimeUnit};

use super::text::{self, Zone};
use super::{Column, Rule, Value};

/// A value as it arrived.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    /// No value.
    Null,
    /// Text, to be cast to the column's type.
    Text(&'a str),
    /// Already of the column's type: see [`Value::Integer`].
    Integer(i128),
    /// A float, for a number or, within what a float can tell, a decimal or an integer.
    Number(f64),
    /// A value that cannot be of the column's type.
    Invalid,
}

/// A value that was accepted: what the column's builder is given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Accepted {
    /// Null.
    Null,
    /// The text of the cell itself.
    Text,
    /// See [`Value::Integer`].
    Integer(i128),
    /// A float.
    Number(f64),
}

impl Column {
    /// Casts a cell and asks every rule of one value. An empty text is no value; a text of blanks
    /// is none for a column that is not text.
    pub(crate) fn accept(&self, cell: Cell<'_>, zone: &Zone) -> Result<Accepted, Rule> {
        let accepted = self.cast(cell, zone)?;
        match accepted {
            Accepted::Null if self.required => Err(Rule::Required),
            Accepted::Null => Ok(accepted),
            Accepted::Text => match cell {
                Cell::Text(text) => self.text_rules(text).map(|()| accepted),
                _ => Ok(accepted),
            },
            Accepted::Integer(value) => self.value_rules(&Value::Integer(value)).map(|()| accepted),
            Accepted::Number(value) => self.value_rules(&Value::Number(value)).map(|()| accepted),
        }
    }

    fn cast(&self, cell: Cell<'_>, zone: &Zone) -> Result<Accepted, Rule> {
        match (cell, &self.data_type) {
            (Cell::Null, _) => Ok(Accepted::Null),
            (Cell::Invalid, _) => Err(Rule::Type),
            (Cell::Text(text), DataType::Utf8) => {
                if text.is_empty() {
                    Ok(Accepted::Null)
                } else if text.as_bytes().contains(&0) {
                    Err(Rule::Encoding)
                } else {
                    Ok(Accepted::Text)
                }
            }
            (Cell::Text(text), _) => match text.trim() {
                "" => Ok(Accepted::Null),
                trimmed => self.cast_text(trimmed, zone).ok_or_else(|| {
                    if trimmed.as_bytes().contains(&0) { Rule::Encoding } else { Rule::Type }
                }),
            },
            (Cell::Integer(value), _) => Ok(Accepted::Integer(value)),
            (Cell::Number(value), DataType::Float64) if value.is_finite() => {
                Ok(Accepted::Number(value))
            }
            (Cell::Number(value), DataType::Decimal128(precision, scale)) => {
                text::decimal_of_float(value, *precision, *scale)
                    .map(Accepted::Integer)
                    .ok_or(Rule::Type)
            }
            // 2^53: past it a float no longer tells neighbouring integers apart.
            (Cell::Number(value), DataType::Int64)
                if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 =>
            {
                Ok(Accepted::Integer(value as i128))
            }
            (Cell::Number(_), _) => Err(Rule::Type),
        }
    }

    fn cast_text(&self, text: &str, zone: &Zone) -> Option<Accepted> {
        let format = self.format.as_ref();
        match &self.data_type {
            DataType::Int64 => text::integer(text).map(i128::from).map(Accepted::Integer),
            DataType::Float64 => text::number(text).map(Accepted::Number),
            DataType::Decimal128(precision, scale) => {
                text::decimal(text, *precision, *scale).map(Accepted::Integer)
            }
            DataType::Boolean => text::boolean(text).map(i128::from).map(Accepted::Integer),
            DataType::Date32 => text::date(text, format).map(i128::from).map(Accepted::Integer),
            DataType::Timestamp(..) => {
                text::timestamp(text, format, zone).map(i128::from).map(Accepted::Integer)
            }
            _ => None,
        }
    }

    fn text_rules(&self, text: &str) -> Result<(), Rule> {
        if self.min_length.is_some() || self.max_length.is_some() {
            let length = text.chars().count() as u64;
            if self.min_length.is_some_and(|least| length < least)
                || self.max_length.is_some_and(|most| length > most)
            {
                return Err(Rule::Length);
            }
        }
        if self.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
            return Err(Rule::Pattern);
        }
        let is = |value: &Value| match value {
            Value::Text(allowed) => allowed.as_str().cmp(text),
            _ => std::cmp::Ordering::Less,
        };
        if !self.valid_values.is_empty() && self.valid_values.binary_search_by(is).is_err() {
            return Err(Rule::ValidValues);
        }
        Ok(())
    }

    fn value_rules(&self, value: &Value) -> Result<(), Rule> {
        let below = self.minimum.as_ref().is_some_and(|bound| {
            *value < bound.value || (bound.exclusive && *value == bound.value)
        });
        let above = self.maximum.as_ref().is_some_and(|bound| {
            *value > bound.value || (bound.exclusive && *value == bound.value)
        });
        if below || above {
            return Err(Rule::Range);
        }
        if !self.valid_values.is_empty() && !self.valid_values.contains(value) {
            return Err(Rule::ValidValues);
        }
        Ok(())
    }
}

/// The cells of one Arrow column, after [`CellReader::of`] brought it to a type that cells have.
#[derive(Debug)]
pub(crate) struct CellReader {
    original: ArrayRef,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Text(StringArray),
    Integer(Int64Array),
    Number(Float64Array),
    Decimal(Decimal128Array),
    Boolean(BooleanArray),
    Date(Date32Array),
    Timestamp(TimestampMicrosecondArray),
    /// A list: presence is all that is asked of it.
    Present,
}

impl CellReader {
    /// Reads `array` for `column`. A value that the safe cast to the column's type makes null is
    /// [`Cell::Invalid`]. Times without a zone are taken as `zone`'s, which only the name of an
    /// IANA zone says. `None` if the types have nothing to do with each other.
    pub(crate) fn of(array: &ArrayRef, column: &Column, zone: &str) -> Option<Self> {
        let from = array.data_type();
        let textual = matches!(from, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
            || matches!(from, DataType::Dictionary(_, value)
                if matches!(**value, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View));
        let target = match (&column.data_type, from) {
            (DataType::List(_), DataType::List(_) | DataType::LargeList(_)) => {
                return Some(Self { original: array.clone(), values: Values::Present });
            }
            (DataType::List(_), _) => return None,
            // Text is cast by our own rules, the same for every format.
            _ if textual => DataType::Utf8,
            // Floats too: Arrow would round them to the decimal's scale.
            (
                DataType::Decimal128(..) | DataType::Int64,
                DataType::Float16 | DataType::Float32 | DataType::Float64,
            ) => DataType::Float64,
            // A decimal is rescaled by way of its text, which is exact, where digits may be lost.
            (DataType::Decimal128(_, scale), DataType::Decimal128(_, wider)) if wider > scale => {
                DataType::Utf8
            }
            (DataType::Int64, DataType::Decimal128(..) | DataType::Decimal256(..)) => {
                DataType::Utf8
            }
            // Neither says what it means as the other.
            (DataType::Boolean, from) if *from != DataType::Boolean => return None,
            (DataType::Int64 | DataType::Decimal128(..) | DataType::Float64, from)
                if !from.is_numeric() =>
            {
                return None;
            }
            (DataType::Date32 | DataType::Timestamp(..), from)
                if !matches!(
                    from,
                    DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)
                ) =>
            {
                return None;
            }
            // A date loses the time of day, and text is the one form that shows it.
            (DataType::Date32, DataType::Timestamp(..) | DataType::Date64) => DataType::Utf8,
            (DataType::Timestamp(..), DataType::Timestamp(_, None)) if zone != "UTC" => {
                DataType::Utf8
            }
            (target, _) => target.clone(),
        };
        let widened = match (&target, from) {
            // Text of a timestamp with a zone is of that zone: bring it to UTC first.
            (DataType::Utf8, DataType::Timestamp(unit, Some(_))) => {
                let utc = DataType::Timestamp(*unit, Some("UTC".into()));
                arrow::compute::cast(array, &utc).ok()?
            }
            _ => array.clone(),
        };
        let cast = arrow::compute::cast(&widened, &target).ok()?;
        let any = cast.as_any();
        let values = match &target {
            DataType::Utf8 => Values::Text(any.downcast_ref::<StringArray>()?.clone()),
            DataType::Int64 => Values::Integer(any.downcast_ref::<Int64Array>()?.clone()),
            DataType::Float64 => Values::Number(any.downcast_ref::<Float64Array>()?.clone()),
            DataType::Decimal128(..) => {
                Values::Decimal(any.downcast_ref::<Decimal128Array>()?.clone())
            }
            DataType::Boolean => Values::Boolean(any.downcast_ref::<BooleanArray>()?.clone()),
            DataType::Date32 => Values::Date(any.downcast_ref::<Date32Array>()?.clone()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Values::Timestamp(any.downcast_ref::<TimestampMicrosecondArray>()?.clone())
            }
            _ => return None,
        };
        Some(Self { original: array.clone(), values })
    }

    /// All cells as the contract's column has them, where none of them can be refused or changed:
    /// text that no rule is asked of. `None` says only that they must be looked at one by one.
    pub(crate) fn whole(&self, column: &Column) -> Option<&StringArray> {
        let Values::Text(values) = &self.values else { return None };
        let ruled = column.min_length.is_some()
            || column.max_length.is_some()
            || column.pattern.is_some()
            || !column.valid_values.is_empty();
        let nulls = values.null_count();
        if column.data_type != DataType::Utf8
            || ruled
            || nulls != self.original.null_count()
            || (column.required && nulls > 0)
        {
            return None;
        }
        let offsets = values.value_offsets();
        let bytes = &values.value_data()[offsets[0] as usize..offsets[values.len()] as usize];
        let empty = |row: usize| offsets[row] == offsets[row + 1] && values.is_valid(row);
        (!bytes.contains(&0) && !(0..values.len()).any(empty)).then_some(values)
    }

    /// The cell of one row.
    pub(crate) fn cell(&self, row: usize) -> Cell<'_> {
        if self.original.is_null(row) {
            return Cell::Null;
        }
        match &self.values {
            Values::Text(values) if values.is_valid(row) => Cell::Text(values.value(row)),
            Values::Integer(values) if values.is_valid(row) => {
                Cell::Integer(i128::from(values.value(row)))
            }
            Values::Number(values) if values.is_valid(row) => Cell::Number(values.value(row)),
            Values::Decimal(values) if values.is_valid(row) => Cell::Integer(values.value(row)),
            Values::Boolean(values) if values.is_valid(row) => {
                Cell::Integer(i128::from(values.value(row)))
            }
            Values::Date(values) if values.is_valid(row) => {
                Cell::Integer(i128::from(values.value(row)))
            }
            Values::Timestamp(values) if values.is_valid(row) => {
                Cell::Integer(i128::from(values.value(row)))
            }
            Values::Present => Cell::Integer(0),
            _ => Cell::Invalid,
        }
    }
}
