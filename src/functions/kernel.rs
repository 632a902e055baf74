//! How a plain Rust function becomes a SQL function: coercion of arguments, nulls, arrays.
//!
//! Knows nothing of what any function means. A kernel is a function pointer, so that no SQL
//! function can capture state: a worker that registers the table under the same names computes
//! the same values. Every function takes text (numbers, dates and booleans are cast to it, nested
//! and binary types are refused when a query is planned), is immutable, and answers null to null.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array,
    ListBuilder, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Field, Int64Type, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Digits of a money value, and those after the point: what every amount column carries.
pub(crate) const MONEY: (u8, i8) = (18, 2);

/// The Rust function behind a SQL function, by what it takes and gives.
#[derive(Clone, Copy)]
enum Kernel {
    Text(fn(&str) -> Option<String>),
    TextBy(fn(&str, Option<&str>) -> Option<String>),
    Texts(fn(&[Option<&str>]) -> Option<String>),
    List(fn(&str) -> Option<Vec<String>>),
    ListBy(fn(&str, i64) -> Option<Vec<String>>),
    ListByNumbers(fn(&str, &[i64]) -> Option<Vec<String>>),
    NumberOfTwo(fn(&str, &str) -> Option<f64>),
    DateBy(fn(&str, Option<&str>) -> Option<i32>),
    TimestampBy(fn(&str, Option<&str>) -> Option<i64>),
    Money(fn(&str) -> Option<i128>),
    DateFlag(fn(i32) -> Option<bool>),
}

/// `name(text) -> text`.
pub(crate) fn text(name: &'static str, function: fn(&str) -> Option<String>) -> ScalarUDF {
    build(name, Kernel::Text(function))
}

/// `name(text[, hint]) -> text`; a null hint is no hint.
pub(crate) fn text_by(
    name: &'static str,
    function: fn(&str, Option<&str>) -> Option<String>,
) -> ScalarUDF {
    build(name, Kernel::TextBy(function))
}

/// `name(text, ...) -> text`; sees every value, null or not.
pub(crate) fn texts(
    name: &'static str,
    function: fn(&[Option<&str>]) -> Option<String>,
) -> ScalarUDF {
    build(name, Kernel::Texts(function))
}

/// `name(text) -> list of text`.
pub(crate) fn list(name: &'static str, function: fn(&str) -> Option<Vec<String>>) -> ScalarUDF {
    build(name, Kernel::List(function))
}

/// `name(text, integer) -> list of text`.
pub(crate) fn list_by(
    name: &'static str,
    function: fn(&str, i64) -> Option<Vec<String>>,
) -> ScalarUDF {
    build(name, Kernel::ListBy(function))
}

/// `name(text, integer, integer[, integer]) -> list of text`; a null number gives null.
pub(crate) fn list_by_numbers(
    name: &'static str,
    function: fn(&str, &[i64]) -> Option<Vec<String>>,
) -> ScalarUDF {
    build(name, Kernel::ListByNumbers(function))
}

/// `name(text, text) -> number`.
pub(crate) fn number_of_two(
    name: &'static str,
    function: fn(&str, &str) -> Option<f64>,
) -> ScalarUDF {
    build(name, Kernel::NumberOfTwo(function))
}

/// `name(text[, hint]) -> date`, as days since 1970-01-01.
pub(crate) fn date_by(
    name: &'static str,
    function: fn(&str, Option<&str>) -> Option<i32>,
) -> ScalarUDF {
    build(name, Kernel::DateBy(function))
}

/// `name(text[, hint]) -> timestamp`, as microseconds since 1970-01-01 00:00 UTC.
pub(crate) fn timestamp_by(
    name: &'static str,
    function: fn(&str, Option<&str>) -> Option<i64>,
) -> ScalarUDF {
    build(name, Kernel::TimestampBy(function))
}

/// `name(text) -> decimal(18, 2)`, as hundredths.
pub(crate) fn money(name: &'static str, function: fn(&str) -> Option<i128>) -> ScalarUDF {
    build(name, Kernel::Money(function))
}

/// `name(date) -> boolean`.
pub(crate) fn date_flag(name: &'static str, function: fn(i32) -> Option<bool>) -> ScalarUDF {
    build(name, Kernel::DateFlag(function))
}

fn build(name: &'static str, kernel: Kernel) -> ScalarUDF {
    let signature = Signature::user_defined(Volatility::Immutable);
    ScalarUDF::from(KernelFunction { name, kernel, signature })
}

impl Kernel {
    /// The type of each argument; the number of them that must be given.
    fn arguments(self) -> (Vec<DataType>, usize) {
        match self {
            Kernel::Text(_) | Kernel::List(_) | Kernel::Money(_) => (vec![DataType::Utf8], 1),
            Kernel::TextBy(_) | Kernel::DateBy(_) | Kernel::TimestampBy(_) => {
                (vec![DataType::Utf8, DataType::Utf8], 1)
            }
            Kernel::ListBy(_) => (vec![DataType::Utf8, DataType::Int64], 2),
            Kernel::ListByNumbers(_) => {
                let number = DataType::Int64;
                (vec![DataType::Utf8, number.clone(), number.clone(), number], 3)
            }
            Kernel::NumberOfTwo(_) => (vec![DataType::Utf8, DataType::Utf8], 2),
            Kernel::DateFlag(_) => (vec![DataType::Date32], 1),
            Kernel::Texts(_) => (vec![DataType::Utf8], 1),
        }
    }

    fn returns(self) -> DataType {
        match self {
            Kernel::Text(_) | Kernel::TextBy(_) | Kernel::Texts(_) => DataType::Utf8,
            Kernel::List(_) | Kernel::ListBy(_) | Kernel::ListByNumbers(_) => {
                DataType::List(Arc::new(item()))
            }
            Kernel::NumberOfTwo(_) => DataType::Float64,
            Kernel::DateBy(_) => DataType::Date32,
            Kernel::TimestampBy(_) => {
                DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
            }
            Kernel::Money(_) => DataType::Decimal128(MONEY.0, MONEY.1),
            Kernel::DateFlag(_) => DataType::Boolean,
        }
    }
}

fn item() -> Field {
    Field::new_list_field(DataType::Utf8, true)
}

struct KernelFunction {
    name: &'static str,
    kernel: Kernel,
    signature: Signature,
}

// By name alone: names are unique in the table, and addresses of functions are not stable.
impl PartialEq for KernelFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for KernelFunction {}

impl Hash for KernelFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl std::fmt::Debug for KernelFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KernelFunction").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ScalarUDFImpl for KernelFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.kernel.returns())
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let (mut wanted, least) = self.kernel.arguments();
        if matches!(self.kernel, Kernel::Texts(_)) {
            wanted.resize(given.len().max(1), DataType::Utf8);
        }
        if given.len() < least || given.len() > wanted.len() {
            let most = wanted.len();
            return plan_err!(
                "{} takes {least} to {most} arguments, not {}",
                self.name,
                given.len()
            );
        }
        wanted.truncate(given.len());
        for (position, (given, wanted)) in given.iter().zip(&wanted).enumerate() {
            if !castable(given, wanted) {
                let position = position + 1;
                return plan_err!("{}: argument {position} is {given}, not {wanted}", self.name);
            }
        }
        Ok(wanted)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let array = self.evaluate(&args.args, rows)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

fn castable(given: &DataType, wanted: &DataType) -> bool {
    let given = match given {
        DataType::Dictionary(_, value) => value,
        given => given,
    };
    match wanted {
        DataType::Int64 => given.is_integer() || given.is_null(),
        DataType::Date32 => given.is_temporal() || given.is_null(),
        _ => {
            given.is_string()
                || given.is_primitive()
                || given.is_null()
                || *given == DataType::Boolean
        }
    }
}

/// One argument: a column, or one value for all rows (not spread out: it is mostly a literal).
enum Column {
    Rows(StringArray),
    Constant(Option<String>),
}

impl Column {
    fn new(value: &ColumnarValue) -> Result<Self> {
        Ok(match value {
            ColumnarValue::Array(array) => Column::Rows(strings(array)?),
            ColumnarValue::Scalar(scalar) => {
                let strings = strings(&scalar.to_array_of_size(1)?)?;
                let value = strings.is_valid(0).then(|| strings.value(0).to_owned());
                Column::Constant(value)
            }
        })
    }

    fn get(&self, row: usize) -> Option<&str> {
        match self {
            Column::Rows(array) => array.is_valid(row).then(|| array.value(row)),
            Column::Constant(value) => value.as_deref(),
        }
    }
}

fn strings(array: &ArrayRef) -> Result<StringArray> {
    match array.data_type() {
        DataType::Utf8 => Ok(array.as_string::<i32>().clone()),
        _ => Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone()),
    }
}

impl KernelFunction {
    fn evaluate(&self, arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
        let Some(first) = arguments.first() else {
            return exec_err!("{} was called without arguments", self.name);
        };
        let hint = || arguments.get(1).map_or(Ok(Column::Constant(None)), Column::new);
        Ok(match self.kernel {
            Kernel::Text(function) => {
                let first = Column::new(first)?;
                text_array(rows, |row| (first.get(row), None), |text, _| function(text))
            }
            Kernel::TextBy(function) => {
                let (first, hint) = (Column::new(first)?, hint()?);
                text_array(rows, |row| (first.get(row), hint.get(row)), function)
            }
            Kernel::Texts(function) => {
                let columns = arguments.iter().map(Column::new).collect::<Result<Vec<_>>>()?;
                let array: StringArray = (0..rows)
                    .map(|row| {
                        let values: Vec<_> = columns.iter().map(|column| column.get(row)).collect();
                        function(&values)
                    })
                    .collect();
                Arc::new(array)
            }
            Kernel::List(function) => {
                let first = Column::new(first)?;
                list_array(rows, |row| function(first.get(row)?))
            }
            Kernel::ListBy(function) => {
                let first = Column::new(first)?;
                let Some(number) = arguments.get(1) else {
                    return exec_err!("{} takes 2 arguments", self.name);
                };
                let number = cast(&number.to_array(rows)?, &DataType::Int64)?;
                let number = number.as_primitive::<Int64Type>();
                list_array(rows, |row| {
                    let number = number.is_valid(row).then(|| number.value(row))?;
                    function(first.get(row)?, number)
                })
            }
            Kernel::ListByNumbers(function) => {
                let first = Column::new(first)?;
                let numbers = arguments[1..]
                    .iter()
                    .map(|number| {
                        cast(&number.to_array(rows)?, &DataType::Int64).map_err(Into::into)
                    })
                    .collect::<Result<Vec<_>>>()?;
                let numbers: Vec<_> =
                    numbers.iter().map(|number| number.as_primitive::<Int64Type>()).collect();
                list_array(rows, |row| {
                    let own: Option<Vec<i64>> = numbers
                        .iter()
                        .map(|number| number.is_valid(row).then(|| number.value(row)))
                        .collect();
                    function(first.get(row)?, &own?)
                })
            }
            Kernel::NumberOfTwo(function) => {
                let (first, second) = (Column::new(first)?, hint()?);
                let numbers = (0..rows).map(|row| function(first.get(row)?, second.get(row)?));
                Arc::new(Float64Array::from_iter(numbers))
            }
            Kernel::DateBy(function) => {
                let (first, hint) = (Column::new(first)?, hint()?);
                let dates = (0..rows).map(|row| function(first.get(row)?, hint.get(row)));
                Arc::new(Date32Array::from_iter(dates))
            }
            Kernel::TimestampBy(function) => {
                let (first, hint) = (Column::new(first)?, hint()?);
                let instants = (0..rows).map(|row| function(first.get(row)?, hint.get(row)));
                Arc::new(TimestampMicrosecondArray::from_iter(instants).with_timezone("UTC"))
            }
            Kernel::Money(function) => {
                let first = Column::new(first)?;
                let amounts = (0..rows).map(|row| function(first.get(row)?));
                Arc::new(
                    Decimal128Array::from_iter(amounts)
                        .with_precision_and_scale(MONEY.0, MONEY.1)?,
                )
            }
            Kernel::DateFlag(function) => {
                let dates = cast(&first.to_array(rows)?, &DataType::Date32)?;
                let flags = dates.as_primitive::<Date32Type>().iter();
                Arc::new(flags.map(|date| function(date?)).collect::<BooleanArray>())
            }
        })
    }
}

/// Text for each row. Exports are often sorted or repeat a value, so an input equal to the row
/// before gives that row's output again: one comparison saves a parse.
fn text_array<'a>(
    rows: usize,
    input: impl Fn(usize) -> (Option<&'a str>, Option<&'a str>),
    function: impl Fn(&str, Option<&str>) -> Option<String>,
) -> ArrayRef {
    let mut output = StringBuilder::with_capacity(rows, rows * 16);
    let mut before = (None, None);
    let mut value: Option<String> = None;
    for row in 0..rows {
        let now = input(row);
        if row == 0 || now != before {
            value = now.0.and_then(|text| function(text, now.1));
            before = now;
        }
        output.append_option(value.as_deref());
    }
    Arc::new(output.finish())
}

fn list_array(rows: usize, value: impl Fn(usize) -> Option<Vec<String>>) -> ArrayRef {
    let mut output = ListBuilder::new(StringBuilder::new()).with_field(item());
    for row in 0..rows {
        match value(row) {
            Some(items) => {
                for text in items {
                    output.values().append_value(text);
                }
                output.append(true);
            }
            None => output.append(false),
        }
    }
    Arc::new(output.finish())
}
