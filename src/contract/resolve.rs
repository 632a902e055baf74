//! From the contract as written to the contract as meant; every fault at once, by property.

use arrow::datatypes::{DataType, Field};

use super::pattern::Pattern;
use super::raw::{RawColumn, RawContract, RawOptions, RawQuality, RawTable};
use super::text::{self, Zone};
use super::{Bound, Column, Contract, Value};
use crate::error::{Error, Result};
use crate::tables;

/// The largest contract: ten times the largest that is shipped.
const MAX_BYTES: usize = 256 << 10;

/// What a contract's aliases may stand for, in parts of a document.
const MAX_REPLAYED: usize = 20_000;

impl Contract {
    /// Reads a contract: ODCS 3.1 YAML with one table under `schema`. `name_for_errors` is the
    /// file's name as messages give it.
    ///
    /// # Errors
    /// A configuration error that names the file and each property at fault: text that is no YAML
    /// or no contract, none or several tables, a type that is not supported, a malformed rule.
    pub fn parse(text: &str, name_for_errors: &str) -> Result<Self> {
        if text.len() > MAX_BYTES {
            return Err(Error::configuration(format!(
                "{name_for_errors}: larger than {} KiB",
                MAX_BYTES >> 10
            ))
            .help("is it a data contract?"));
        }
        let mut options = serde_saphyr::Options::default();
        options.alias_limits.max_total_replayed_events = MAX_REPLAYED;
        let read = serde_saphyr::from_str_with_options(text, options);
        let raw: RawContract = read.map_err(|error| {
            // The reader's first line says what and where; a snippet and advice to programmers follow.
            let text = error.without_snippet().to_string();
            let text = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            let text = text.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
            Error::configuration(format!("{name_for_errors}: not a data contract: {text}"))
                .help("a contract is ODCS 3.1 YAML: kind: DataContract, apiVersion: v3.1.0, schema: [...]")
        })?;
        let mut faults = Vec::new();
        if raw.kind.as_deref().is_some_and(|kind| kind != "DataContract") {
            faults.push("`kind` is not DataContract".to_owned());
        }
        if raw.api_version.as_deref().is_some_and(|version| !version.starts_with("v3.")) {
            faults.push("`apiVersion` is not of ODCS 3".to_owned());
        }
        let tables = raw.schema.len();
        let mut contract = None;
        match raw.schema.into_iter().next() {
            Some(table) if tables == 1 => contract = Some(table_of(table, &mut faults)),
            _ => faults.push(format!("`schema` names {tables} tables and must name one")),
        }
        match contract {
            Some(contract) if faults.is_empty() => Ok(contract),
            _ => Err(Error::configuration(format!("{name_for_errors}: {}", faults.join("; ")))
                .help("see the Open Data Contract Standard 3.1, and the contracts in schemas/")),
        }
    }
}

fn table_of(table: RawTable, faults: &mut Vec<String>) -> Contract {
    let mut contract = Contract {
        name: table.name,
        description: table.description,
        columns: Vec::new(),
        min_rows: None,
        max_rows: None,
        unenforced: Vec::new(),
    };
    if table.properties.is_empty() {
        faults.push("the table has no properties".to_owned());
    }
    let mut keys = 0;
    for raw in table.properties {
        let name = raw.name.clone();
        if matches!(name.as_str(), "_file" | "_row") {
            faults.push(format!("property `{name}`: the name is reserved for the row's origin"));
        }
        if contract.column(&name).is_some() {
            faults.push(format!("property `{name}`: named twice"));
            continue;
        }
        keys += u32::from(raw.primary_key);
        match column_of(raw, keys, &mut contract.unenforced) {
            Ok(column) => contract.columns.push(column),
            Err(fault) => faults.push(format!("property `{name}`: {fault}")),
        }
    }
    for rule in &table.quality {
        if let Err(fault) = table_rule(rule, &mut contract) {
            faults.push(format!("{}: {fault}", title(rule)));
        }
    }
    contract
}

fn title(rule: &RawQuality) -> String {
    let name = rule.name.as_deref().or(rule.id.as_deref()).or(rule.metric.as_deref());
    format!("quality rule `{}`", name.or(rule.rule.as_deref()).unwrap_or("(no name)"))
}

/// The metric of a rule that is to be run.
fn metric(rule: &RawQuality) -> Option<&str> {
    let library = rule.kind.as_deref().is_none_or(|kind| kind == "library");
    let severe = !matches!(rule.severity.as_deref(), Some("info" | "warning"));
    rule.metric.as_deref().or(rule.rule.as_deref()).filter(|_| library && severe)
}

fn count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "a number of rows is a whole number, 0 or more".to_owned())
}

fn table_rule(rule: &RawQuality, contract: &mut Contract) -> Result<(), String> {
    let parsed = |text: &Option<String>| text.as_deref().map(count).transpose();
    match metric(rule) {
        Some("rowCount") => {
            let least = [
                parsed(&rule.must_be)?,
                parsed(&rule.must_be_greater_or_equal_to)?,
                parsed(&rule.must_be_greater_than)?.map(|bound| bound.saturating_add(1)),
            ];
            let most = [
                parsed(&rule.must_be)?,
                parsed(&rule.must_be_less_or_equal_to)?,
                parsed(&rule.must_be_less_than)?.map(|bound| bound.saturating_sub(1)),
            ];
            let (mut least, mut most) =
                (least.into_iter().flatten().max(), most.into_iter().flatten().min());
            if let Some(between) = &rule.must_be_between {
                let [low, high] = between.as_slice() else {
                    return Err("mustBeBetween takes two numbers".to_owned());
                };
                (least, most) = (Some(count(low)?), Some(count(high)?));
            }
            if least.is_none() && most.is_none() {
                return Err("rowCount says no bound".to_owned());
            }
            contract.min_rows = contract.min_rows.max(least);
            contract.max_rows = match (contract.max_rows, most) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            if contract.min_rows.zip(contract.max_rows).is_some_and(|(least, most)| least > most) {
                return Err("no number of rows is within the bounds".to_owned());
            }
        }
        Some("duplicateValues") if is_none_allowed(rule) => {
            let names = rule.arguments.as_ref().and_then(|arguments| arguments.properties.as_ref());
            let names = names.ok_or("duplicateValues of a table needs arguments.properties")?;
            let key = contract.key();
            if names.len() == 1 && contract.column(&names[0]).is_some() {
                let name = names[0].clone();
                for column in contract.columns.iter_mut().filter(|column| column.name == name) {
                    column.unique = true;
                }
            } else if key != *names {
                return Err(
                    "uniqueness of several columns is that of primaryKey: mark them so".to_owned()
                );
            }
        }
        Some("nullValues" | "missingValues" | "invalidValues" | "duplicateValues") | None => {
            contract.unenforced.push(format!("{} is not run", title(rule)));
        }
        Some(other) => return Err(format!("metric `{other}` is not of the standard's library")),
    }
    Ok(())
}

/// Whether the rule says that no row may break it; looser ones are the source's `max_quarantined`.
fn is_none_allowed(rule: &RawQuality) -> bool {
    let zero = |text: &Option<String>| text.as_deref().and_then(text::number) == Some(0.0);
    zero(&rule.must_be) || zero(&rule.must_be_less_or_equal_to)
}

fn scalar_type(logical: &str, physical: Option<&str>) -> Result<DataType, String> {
    Ok(match logical {
        "string" => DataType::Utf8,
        "integer" => DataType::Int64,
        "number" => match physical.and_then(decimal_arguments) {
            Some(arguments) => decimal_type(arguments)?,
            None => DataType::Float64,
        },
        "boolean" => DataType::Boolean,
        "date" => DataType::Date32,
        "timestamp" => tables::timestamp(),
        other => return Err(format!("logicalType `{other}` is not supported")),
    })
}

/// What stands in the parentheses of `decimal(...)` or `numeric(...)`.
fn decimal_arguments(physical: &str) -> Option<&str> {
    let physical = physical.trim();
    let open = physical.find('(')?;
    let name = physical[..open].trim();
    (name.eq_ignore_ascii_case("decimal") || name.eq_ignore_ascii_case("numeric"))
        .then(|| physical[open + 1..].trim_end().trim_end_matches(')'))
}

fn decimal_type(arguments: &str) -> Result<DataType, String> {
    let mut parts = arguments.split(',').map(|part| part.trim().parse::<u8>());
    let (precision, scale) = (parts.next(), parts.next().unwrap_or(Ok(0)));
    match (precision, scale, parts.next()) {
        (Some(Ok(precision @ 1..=38)), Ok(scale), None) if scale <= precision => {
            Ok(DataType::Decimal128(precision, scale as i8))
        }
        _ => Err("physicalType is decimal(p,s) with p from 1 to 38 and s from 0 to p".to_owned()),
    }
}

fn is_personal(word: &str) -> bool {
    ["personal", "pii", "personal_data", "personal data", "sensitive"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(word.trim()))
}

fn column_of(
    raw: RawColumn,
    keys_so_far: u32,
    unenforced: &mut Vec<String>,
) -> Result<Column, String> {
    let logical = raw.logical_type.as_deref().ok_or("logicalType is missing")?;
    let data_type = if logical == "array" {
        let item = raw.items.as_ref().and_then(|items| items.logical_type.as_deref());
        let item = scalar_type(item.ok_or("an array needs items.logicalType")?, None)?;
        DataType::List(Field::new("item", item, true).into())
    } else {
        scalar_type(logical, raw.physical_type.as_deref())?
    };
    let key_position = match (raw.primary_key, raw.primary_key_position) {
        (false, _) => None,
        (true, None | Some(-1)) => Some(keys_so_far),
        (true, Some(position)) => Some(
            u32::try_from(position)
                .ok()
                .filter(|position| *position > 0)
                .ok_or("primaryKeyPosition starts from 1")?,
        ),
    };
    if raw.name.trim().is_empty() {
        return Err("the name is empty".to_owned());
    }
    let mut column = Column {
        name: raw.name,
        physical_name: raw.physical_name,
        description: raw.description,
        data_type,
        required: raw.required || raw.primary_key,
        unique: raw.unique,
        key_position,
        personal: raw.classification.as_deref().is_some_and(is_personal)
            || raw.tags.iter().any(|tag| is_personal(tag)),
        minimum: None,
        maximum: None,
        min_length: None,
        max_length: None,
        pattern: None,
        valid_values: Vec::new(),
        format: None,
    };
    options(raw.logical_type_options.unwrap_or_default(), &mut column)?;
    for rule in &raw.quality {
        column_rule(rule, &mut column, unenforced)
            .map_err(|fault| format!("{}: {fault}", title(rule)))?;
    }
    Ok(column)
}

fn options(raw: RawOptions, column: &mut Column) -> Result<(), String> {
    let temporal = matches!(column.data_type, DataType::Date32 | DataType::Timestamp(..));
    // For text, `format` names a kind (email, uuid), which the standard calls extra context.
    if let Some(format) = raw.format.filter(|_| temporal) {
        column.format = Some(Pattern::parse(&format)?);
    }
    let is_text = column.data_type == DataType::Utf8;
    if !is_text && (raw.min_length.is_some() || raw.max_length.is_some() || raw.pattern.is_some()) {
        return Err("minLength, maxLength and pattern are for string".to_owned());
    }
    (column.min_length, column.max_length) = (raw.min_length, raw.max_length);
    if column.min_length.zip(column.max_length).is_some_and(|(least, most)| least > most) {
        return Err("minLength is over maxLength".to_owned());
    }
    if let Some(pattern) = raw.pattern {
        column.pattern = Some(regular_expression(&pattern)?);
    }
    let bound = |text: Option<String>, exclusive: bool| {
        text.map(|text| {
            if is_text || column.data_type == DataType::Boolean {
                return Err("minimum and maximum are for numbers, dates and times".to_owned());
            }
            value(&text, column).map(|value| Bound { value, exclusive })
        })
        .transpose()
    };
    let minimum = bound(raw.minimum, false)?;
    let maximum = bound(raw.maximum, false)?;
    let minimum = bound(raw.exclusive_minimum, true)?.or(minimum);
    let maximum = bound(raw.exclusive_maximum, true)?.or(maximum);
    let crossed = minimum
        .as_ref()
        .zip(maximum.as_ref())
        .is_some_and(|(minimum, maximum)| minimum.value > maximum.value);
    if crossed {
        return Err("minimum is over maximum".to_owned());
    }
    (column.minimum, column.maximum) = (minimum, maximum);
    Ok(())
}

fn column_rule(
    rule: &RawQuality,
    column: &mut Column,
    unenforced: &mut Vec<String>,
) -> Result<(), String> {
    let none = is_none_allowed(rule)
        || (rule.metric.as_deref() == Some("invalidValues") && !has_operator(rule));
    match metric(rule) {
        Some("nullValues" | "missingValues") if none => column.required = true,
        Some("duplicateValues") if none => column.unique = true,
        Some("invalidValues") if none => {
            let arguments =
                rule.arguments.as_ref().ok_or("invalidValues needs arguments.validValues")?;
            if arguments.valid_values.is_none() && arguments.pattern.is_none() {
                return Err("invalidValues needs arguments.validValues or pattern".to_owned());
            }
            for text in arguments.valid_values.iter().flatten() {
                column.valid_values.push(value(text, column)?);
            }
            column
                .valid_values
                .sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
            column.valid_values.dedup();
            if let Some(pattern) = &arguments.pattern {
                if column.data_type != DataType::Utf8 {
                    return Err("pattern is for string".to_owned());
                }
                column.pattern = Some(regular_expression(pattern)?);
            }
        }
        Some("nullValues" | "missingValues" | "duplicateValues" | "invalidValues") | None => {
            unenforced.push(format!("{} of column `{}` is not run", title(rule), column.name));
        }
        Some(other) => return Err(format!("metric `{other}` is not for a column")),
    }
    Ok(())
}

fn has_operator(rule: &RawQuality) -> bool {
    rule.unit.is_some()
        || rule.must_be_between.is_some()
        || [
            &rule.must_be,
            &rule.must_be_greater_than,
            &rule.must_be_greater_or_equal_to,
            &rule.must_be_less_than,
            &rule.must_be_less_or_equal_to,
        ]
        .iter()
        .any(|operator| operator.is_some())
}

fn regular_expression(pattern: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|_| {
        "pattern is no regular expression without look-around or back-references".into()
    })
}

/// A value of a rule, read as the column's text would be. Rules are written in ISO 8601 or in the
/// column's own format, times in UTC.
fn value(text: &str, column: &Column) -> Result<Value, String> {
    let format = column.format.as_ref();
    let trimmed = text.trim();
    let read = match &column.data_type {
        DataType::Utf8 => Some(Value::Text(text.to_owned())),
        DataType::Int64 => text::integer(trimmed).map(|value| Value::Integer(value.into())),
        DataType::Float64 => text::number(trimmed).map(Value::Number),
        DataType::Decimal128(precision, scale) => {
            text::decimal(trimmed, *precision, *scale).map(Value::Integer)
        }
        DataType::Boolean => text::boolean(trimmed).map(|value| Value::Integer(value.into())),
        DataType::Date32 => text::date(trimmed, format)
            .or_else(|| text::date(trimmed, None))
            .map(|value| Value::Integer(value.into())),
        DataType::Timestamp(..) => text::timestamp(trimmed, format, &Zone::Utc)
            .or_else(|| text::timestamp(trimmed, None, &Zone::Utc))
            .map(|value| Value::Integer(value.into())),
        _ => None,
    };
    read.ok_or_else(|| format!("`{text}` of a rule is not {}", column.type_name()))
}
