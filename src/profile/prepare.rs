//! A computation's input and output as Arrow: columns found by name, numbers as floats, keys
//! checked; and results as decimals.
//!
//! Knows what a computation declares; refuses to know what it means.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, RecordBatch, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Schema};

use super::{Column, Computation, Kind};
use crate::error::{Error, Result};

/// The rows that a computation reads, sorted by its key.
pub(crate) struct Input {
    /// The table that is made, for errors.
    pub(crate) what: String,
    texts: Vec<(&'static str, StringArray)>,
    numbers: Vec<(&'static str, Float64Array)>,
    /// The columns that it does not name, in the order of the SELECT.
    pub(crate) features: Vec<(String, Float64Array)>,
}

impl Input {
    /// A column of text that the computation declares.
    pub(crate) fn text(&self, name: &str) -> Result<&StringArray> {
        let found = self.texts.iter().find(|(known, _)| *known == name);
        found.map(|(_, array)| array).ok_or_else(|| undeclared(name))
    }

    /// A column of numbers that the computation declares.
    pub(crate) fn number(&self, name: &str) -> Result<&Float64Array> {
        let found = self.numbers.iter().find(|(known, _)| *known == name);
        found.map(|(_, array)| array).ok_or_else(|| undeclared(name))
    }

    /// The error of a value that cannot be; `rule` says what holds of all.
    pub(crate) fn refuse(&self, rule: &str) -> Error {
        Error::data(format!("{}: a row breaks the rule that {rule}", self.what))
            .help("mend the table's SELECT, or the data that it reads")
    }
}

fn undeclared(name: &str) -> Error {
    Error::bug(format!("a computation reads `{name}`, which it does not declare"))
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() || *data_type == DataType::Boolean
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => value.is_string(),
        data_type => data_type.is_string(),
    }
}

/// Checks that a SELECT has the columns that a computation reads, and none besides.
pub(super) fn check(computation: &Computation, input: &Schema, what: &str) -> Result<()> {
    let name = computation.name;
    let reads: Vec<&str> = computation.input.iter().map(|column| column.name).collect();
    let all = format!("`{name}` reads {}: see docs/computations.md", reads.join(", "));
    for Column { name: column, kind, .. } in computation.input {
        let Ok(field) = input.field_with_name(column) else {
            let message = format!("{what}: the SQL gives no column `{column}`");
            return Err(Error::configuration(message).help(all));
        };
        let (fits, wanted) = match kind {
            Kind::Text => (is_text(field.data_type()), "text"),
            Kind::Number => (is_number(field.data_type()), "a number"),
        };
        if !fits && !field.data_type().is_null() {
            let message = format!("{what}: the column `{column}` is not {wanted}");
            return Err(Error::configuration(message).help(all));
        }
    }
    for field in input.fields().iter().filter(|field| !reads.contains(&field.name().as_str())) {
        let column = field.name();
        if computation.features.is_none() {
            let message = format!("{what}: `{name}` does not read the column `{column}`");
            return Err(Error::configuration(message).help(format!("leave it out; {all}")));
        }
        if !is_number(field.data_type()) {
            let message = format!("{what}: the column `{column}` is not a number");
            let help = format!("every other column that `{name}` reads is a feature: a number");
            return Err(Error::configuration(message).help(help));
        }
    }
    if computation.features.is_some() && input.fields().len() == reads.len() {
        return Err(Error::configuration(format!("{what}: the SQL gives no feature"))
            .help(format!("give at least one column of numbers beside those that {all}")));
    }
    Ok(())
}

/// The columns of a computation, of the types that it reads.
pub(super) fn input(computation: &Computation, rows: &RecordBatch, what: &str) -> Result<Input> {
    check(computation, &rows.schema(), what)?;
    let mut input = Input {
        what: what.to_owned(),
        texts: Vec::new(),
        numbers: Vec::new(),
        features: Vec::new(),
    };
    for column in computation.input {
        let Some(array) = rows.column_by_name(column.name) else {
            return Err(undeclared(column.name));
        };
        if column.required && array.null_count() > 0 {
            return Err(input.refuse(&format!("`{}` is known", column.name)));
        }
        match column.kind {
            Kind::Text => {
                input
                    .texts
                    .push((column.name, converted(array, &DataType::Utf8)?.as_string().clone()));
            }
            Kind::Number => input.numbers.push((column.name, numbers(&input, array, column.name)?)),
        }
    }
    let schema = rows.schema();
    for (field, array) in schema.fields().iter().zip(rows.columns()) {
        if !computation.input.iter().any(|column| column.name == field.name()) {
            let numbers = numbers(&input, array, field.name())?;
            input.features.push((field.name().clone(), numbers));
        }
    }
    let keys = computation.key.iter().map(|key| input.text(key)).collect::<Result<Vec<_>>>()?;
    for row in 1..rows.num_rows() {
        let parts = keys.iter().map(|array| part(array, row - 1).cmp(&part(array, row)));
        match parts.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => {
                let key = computation.key.join(", ");
                return Err(input.refuse(&format!("no two share ({key})")));
            }
            std::cmp::Ordering::Greater => {
                return Err(Error::bug(format!("{what}: rows come unsorted")));
            }
        }
    }
    Ok(input)
}

/// A part of a row's key, as it sorts: nulls last.
fn part(array: &StringArray, row: usize) -> (bool, &str) {
    if array.is_null(row) { (true, "") } else { (false, array.value(row)) }
}

fn converted(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    cast(array, data_type).map_err(|_| Error::bug("a column that was checked cannot be cast"))
}

fn numbers(input: &Input, array: &ArrayRef, name: &str) -> Result<Float64Array> {
    let numbers = converted(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone();
    if numbers.iter().flatten().any(|number| !number.is_finite()) {
        return Err(input.refuse(&format!("`{name}` is finite")));
    }
    Ok(numbers)
}

/// Numbers rounded to a decimal type, half away from 0; null where there is none, or none that
/// fits.
pub(crate) fn decimal(
    numbers: impl IntoIterator<Item = Option<f64>>,
    data_type: &DataType,
) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = *data_type else {
        return Err(Error::bug("a decimal is asked for, of another type"));
    };
    let (unit, most) = (10_f64.powi(i32::from(scale)), 10_f64.powi(i32::from(precision)));
    let rounded = numbers.into_iter().map(|number| {
        let scaled = (number? * unit).round();
        // Past 2^53 digits are of no meaning, but it is a number all the same.
        (scaled.is_finite() && scaled.abs() < most).then_some(scaled as i128)
    });
    let array = Decimal128Array::from_iter(rounded)
        .with_precision_and_scale(precision, scale)
        .map_err(|_| Error::bug("a decimal type that there is not"))?;
    Ok(Arc::new(array))
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, Int32Array};

    use super::*;

    const COMPUTATION: &Computation = &super::super::pagerank::COMPUTATION;

    fn batch(from: &[&str], to: &[Option<&str>], weight: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([
            ("golden_id", Arc::new(StringArray::from_iter_values(from)) as ArrayRef, true),
            ("other_golden_id", Arc::new(StringArray::from_iter(to)) as ArrayRef, true),
            ("weight", weight, true),
        ])
        .unwrap()
    }

    #[test]
    fn numbers_of_any_type_are_read_and_others_are_not() {
        let to = [Some("b"), Some("c")];
        for weight in [
            Arc::new(Int32Array::from(vec![Some(1), None])) as ArrayRef,
            decimal([Some(1.0), None], &DataType::Decimal128(9, 2)).unwrap(),
            Arc::new(BooleanArray::from(vec![Some(true), None])),
        ] {
            let input = input(COMPUTATION, &batch(&["a", "a"], &to, weight), "a test").unwrap();
            assert_eq!(
                input.number("weight").unwrap().iter().collect::<Vec<_>>(),
                [Some(1.0), None]
            );
        }
        let weight = Arc::new(StringArray::from_iter_values(["1", "2"])) as ArrayRef;
        let error = input(COMPUTATION, &batch(&["a", "a"], &to, weight), "a test").err().unwrap();
        assert_eq!(error.to_string(), "a test: the column `weight` is not a number");
    }

    #[test]
    fn a_key_twice_and_a_number_that_is_none_are_refused() {
        let weight =
            |values: [f64; 2]| Arc::new(Float64Array::from_iter_values(values)) as ArrayRef;
        let twice = batch(&["a", "a"], &[None, None], weight([1.0, 1.0]));
        let error = input(COMPUTATION, &twice, "a test").err().unwrap();
        assert!(error.to_string().contains("no two share (golden_id, other_golden_id)"));
        let endless = batch(&["a", "b"], &[None, None], weight([1.0, f64::INFINITY]));
        let error = input(COMPUTATION, &endless, "a test").err().unwrap();
        assert!(error.to_string().contains("`weight` is finite"));
        let unsorted = batch(&["b", "a"], &[None, None], weight([1.0, 1.0]));
        assert!(input(COMPUTATION, &unsorted, "a test").is_err());
    }

    #[test]
    fn a_column_too_few_or_too_many_is_refused_by_name() {
        let rows = batch(&["a"], &[Some("b")], Arc::new(Int32Array::from(vec![1])));
        let schema = rows.project(&[0, 1]).unwrap().schema();
        let error = check(COMPUTATION, &schema, "enrich.ranks").unwrap_err();
        assert_eq!(error.to_string(), "enrich.ranks: the SQL gives no column `weight`");
        let mut fields = rows.schema().fields().to_vec();
        fields.push(Arc::new(arrow::datatypes::Field::new("since", DataType::Date32, true)));
        let error = check(COMPUTATION, &Schema::new(fields), "enrich.ranks").unwrap_err();
        assert!(error.to_string().contains("`since`"));
    }

    #[test]
    fn decimals_are_rounded_and_what_does_not_fit_is_null() {
        let numbers = [Some(1.25), Some(-1.26), None, Some(f64::NAN), Some(1e9), Some(99.94)];
        let array = decimal(numbers, &DataType::Decimal128(3, 1)).unwrap();
        let array = array.as_primitive::<arrow::datatypes::Decimal128Type>();
        let found: Vec<Option<i128>> = array.iter().collect();
        assert_eq!(found, [Some(13), Some(-13), None, None, None, Some(999)]);
    }
}
