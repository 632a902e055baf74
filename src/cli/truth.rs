//! Known entities: CSV with the columns `source`, `record_id`, `customer`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::resolve::{Inspector, RecordKey};

/// The customer of each record that a file names.
pub(super) type Truth = BTreeMap<RecordKey, String>;

/// Reads known entities.
pub(super) fn read(path: &Path) -> Result<Truth> {
    let mut truth = Truth::new();
    for row in table(path, &["source", "record_id", "customer"])? {
        let [source, record_id, customer] = &row[..] else { continue };
        let key = RecordKey::new(source, record_id);
        if truth.insert(key, customer.clone()).is_some_and(|before| before != *customer) {
            return Err(Error::data(format!("{}: one record is of two customers", path.display()))
                .help("each source and record_id may stand for one customer only"));
        }
    }
    Ok(truth)
}

/// Columns of a CSV file, row by row.
pub(super) fn table(path: &Path, columns: &[&str]) -> Result<Vec<Vec<String>>> {
    let needed = format!("the columns are {}", columns.join(", "));
    let unreadable = |source: csv::Error| {
        let place = source.position().map(|at| format!(", line {}", at.line())).unwrap_or_default();
        Error::data(format!("{}{place}: cannot be read as CSV", path.display()))
            .help(format!("it must be a CSV file; {needed}"))
    };
    let mut reader = csv::Reader::from_path(path).map_err(unreadable)?;
    let headers = reader.headers().map_err(unreadable)?.clone();
    let places = columns
        .iter()
        .map(|name| {
            let named = |header: &str| header.trim_start_matches('\u{feff}') == *name;
            headers.iter().position(named).ok_or_else(|| {
                Error::data(format!("{}: column `{name}` is missing", path.display()))
                    .help(needed.clone())
            })
        })
        .collect::<Result<Vec<usize>>>()?;
    reader
        .records()
        .map(|row| {
            let row = row.map_err(unreadable)?;
            Ok(places.iter().map(|at| row.get(*at).unwrap_or_default().to_owned()).collect())
        })
        .collect()
}

/// The known matches among one kind's records, as pairs of rows, ascending; and how many of the
/// records the truth names.
pub(super) fn matches(truth: &Truth, inspector: &Inspector<'_>) -> (Vec<(u32, u32)>, usize) {
    let mut by_customer: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    let mut named = 0;
    for (key, customer) in truth {
        if let Some(row) = inspector.row(key) {
            named += 1;
            by_customer.entry(customer).or_default().push(row);
        }
    }
    let mut pairs = Vec::new();
    for mut rows in by_customer.into_values() {
        rows.sort_unstable();
        for (place, l) in rows.iter().enumerate() {
            pairs.extend(rows[place + 1..].iter().map(|r| (*l, *r)));
        }
    }
    pairs.sort_unstable();
    (pairs, named)
}

/// The error of a truth that names no record there is.
pub(super) fn names_none(path: &Path, records: usize) -> Error {
    Error::data(format!("{}: names none of the {records} records", path.display()))
        .help("its `source` and `record_id` must be those of the table records")
}
