//! Golden values that stewards state: a CSV file to edit, a row a value.
//!
//! A row names a record, and means whichever customer has it: ids may change, records stay. Knows
//! the file and which row is in force; refuses to know how values survive. Errors name lines, never
//! values.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::entities::Entities;
use crate::error::{Error, Result};

/// One value that a steward states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The record's source.
    pub source: String,
    /// Its id there.
    pub record_id: String,
    /// The golden attribute.
    pub attribute: String,
    /// The value as text; `None`: the steward says that it is not known.
    pub value: Option<String>,
    /// Who states it.
    pub by: String,
    /// When: a date, or a date and a time, in ISO 8601.
    pub at: String,
}

/// Reads a file of overrides; rows that were withdrawn are left out.
///
/// # Errors
/// Configuration: columns that are missing, a row that cannot be understood, by its line.
pub fn overrides(text: &str, file: &str) -> Result<Vec<Override>> {
    let wrong = |line: u64, what: &str| {
        Error::configuration(format!("{file}:{line}: {what}"))
            .help("a row is: record (SOURCE:RECORD_ID), attribute, value, by, at (2026-11-01), and if wanted why, withdrawn_at")
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|_| wrong(1, "the header cannot be read"))?.clone();
    let place = |name: &str| header.iter().position(|own| own == name);
    let needed = |name: &str| place(name).ok_or_else(|| wrong(1, &format!("no column `{name}`")));
    let (record, attribute, value) = (needed("record")?, needed("attribute")?, needed("value")?);
    let (by, at, withdrawn) = (needed("by")?, needed("at")?, place("withdrawn_at"));
    let mut found = Vec::new();
    for (number, row) in reader.records().enumerate() {
        let row = row.map_err(|_| wrong(number as u64 + 2, "the row cannot be read"))?;
        let line = row.position().map_or(number as u64 + 2, csv::Position::line);
        let cell = |place: usize| row.get(place).unwrap_or_default();
        if withdrawn.is_some_and(|place| !cell(place).is_empty()) {
            continue;
        }
        let address = cell(record).split_once(':').filter(|(l, r)| !l.is_empty() && !r.is_empty());
        let (source, record_id) =
            address.ok_or_else(|| wrong(line, "`record` is not SOURCE:RECORD_ID"))?;
        if cell(attribute).is_empty() || cell(by).is_empty() {
            return Err(wrong(line, "`attribute` and `by` must be given"));
        }
        let day = cell(at).get(..10).and_then(|day| day.parse::<jiff::civil::Date>().ok());
        if day.is_none() {
            return Err(wrong(line, "`at` is not a date"));
        }
        found.push(Override {
            source: source.to_owned(),
            record_id: record_id.to_owned(),
            attribute: cell(attribute).to_owned(),
            value: Some(cell(value).to_owned()).filter(|value| !value.is_empty()),
            by: cell(by).to_owned(),
            at: cell(at).to_owned(),
        });
    }
    Ok(found)
}

/// The overrides in force, by customer and by column of `records`: the latest of each.
#[derive(Default)]
pub(super) struct InForce<'a> {
    by: BTreeMap<(u32, usize), Ruling<'a>>,
    /// Rows that name a record that is not there.
    pub(super) dangling: u64,
}

/// An override that decides one golden value.
#[derive(Clone, Copy)]
pub(super) struct Ruling<'a> {
    /// What was stated.
    pub(super) stated: &'a Override,
    /// The row of the record that it names.
    pub(super) row: u32,
}

impl<'a> InForce<'a> {
    /// Finds the customer of each override; `column` gives a golden attribute's column.
    pub(super) fn new(
        stated: &'a [Override],
        entities: &Entities,
        column: impl Fn(&str) -> Option<usize>,
    ) -> Result<Self> {
        let mut found = Self::default();
        for own in stated {
            let at = column(&own.attribute).ok_or_else(|| {
                Error::configuration(format!(
                    "golden.overrides: customers have no attribute `{}`",
                    own.attribute
                ))
                .help("name a column of records that is not excluded")
            })?;
            let Some(row) = entities.find(&own.source, &own.record_id) else {
                found.dangling += 1;
                continue;
            };
            let ruling = Ruling { stated: own, row };
            let key = (entities.customer_of[row as usize], at);
            // The later row of one moment, as in any file that is appended to.
            match found.by.get(&key) {
                Some(before) if before.stated.at > own.at => {}
                _ => {
                    found.by.insert(key, ruling);
                }
            }
        }
        Ok(found)
    }

    /// What decides a customer's attribute, if a steward does.
    pub(super) fn of(&self, customer: usize, column: usize) -> Option<Ruling<'a>> {
        self.by.get(&(customer as u32, column)).copied()
    }

    /// Every override in force, with its customer.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, &'a Override)> {
        self.by.iter().map(|((customer, _), ruling)| (*customer, ruling.stated))
    }

    /// The customers of one attribute, each with its value in the attribute's type.
    pub(super) fn values(
        &self,
        column: usize,
        name: &str,
        data_type: &DataType,
    ) -> Result<(Vec<u32>, ArrayRef)> {
        let own = || self.by.iter().filter(|((_, at), _)| *at == column);
        let texts: StringArray = own().map(|(_, ruling)| ruling.stated.value.as_deref()).collect();
        let values = cast(&texts, data_type).ok().filter(|v| v.null_count() == texts.null_count());
        let values = values.ok_or_else(|| {
            Error::configuration(format!(
                "golden.overrides: a value of `{name}` is not of its type, {data_type}"
            ))
            .help("write dates as 2026-11-01, numbers with a point, and true or false")
        })?;
        Ok((own().map(|((customer, _), _)| *customer).collect(), values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_withdrawn_ones_left_out() {
        let text = "record,attribute,value,by,at,withdrawn_at\n\
                    crm:C-1,email,a@x.org,ann,2026-11-01,\n\
                    crm:C-2,email,,ann,2026-11-01T10:00:00,\n\
                    crm:C-3,email,b@x.org,ann,2026-11-01,2026-11-02\n";
        let found = overrides(text, "o.csv").unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].record_id, "C-1");
        assert_eq!(found[1].value, None);
    }

    #[test]
    fn wrong_rows_are_named_by_line_and_not_by_value() {
        let refused = |text: &str| overrides(text, "o.csv").unwrap_err().to_string();
        assert_eq!(refused("record,value\n"), "o.csv:1: no column `attribute`");
        let header = "record,attribute,value,by,at\n";
        let text = refused(&format!("{header}secret,email,a,ann,2026-11-01\n"));
        assert_eq!(text, "o.csv:2: `record` is not SOURCE:RECORD_ID");
        let text = refused(&format!("{header}a:b,email,a,ann,yesterday\n"));
        assert_eq!(text, "o.csv:2: `at` is not a date");
    }
}
