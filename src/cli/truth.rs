//! Known entities: CSV with the columns `source`, `record_id`, `customer`; and labels for training,
//! which are such a file or a judged sample.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::pipeline::judged::{Judged, table};
use crate::resolve::{Inspector, RecordKey, StewardDecision};

/// The customer of each record that a file names.
pub(super) type Truth = BTreeMap<RecordKey, String>;

/// Reads known entities.
pub(super) fn read(path: &Path) -> Result<Truth> {
    let mut truth = Truth::new();
    for row in table(path, &["source", "record_id", "customer"], &[])? {
        let [source, record_id, customer] = &row[..] else { continue };
        let key = RecordKey::new(source, record_id);
        if truth.insert(key, customer.clone()).is_some_and(|before| before != *customer) {
            return Err(Error::data(format!("{}: one record is of two customers", path.display()))
                .help("each source and record_id may stand for one customer only"));
        }
    }
    Ok(truth)
}

/// Pairs of one entity for training: those of known entities, or those that a person judged.
pub(super) fn labels(path: &Path) -> Result<Vec<StewardDecision>> {
    let header = table(path, &[], &["source", "source_l"])?;
    let judged = header.iter().any(|row| !row[1].is_empty());
    if judged {
        return Ok(Judged::read(path)?.verdicts);
    }
    let mut by_customer: BTreeMap<String, Vec<RecordKey>> = BTreeMap::new();
    for (key, customer) in read(path)? {
        by_customer.entry(customer).or_default().push(key);
    }
    let mut pairs = Vec::new();
    for keys in by_customer.into_values() {
        // Of a large entity a part speaks: all pairs of thousands of records would drown the rest.
        let keys = &keys[..keys.len().min(OF_ONE)];
        for (place, a) in keys.iter().enumerate() {
            pairs.extend(keys[place + 1..].iter().map(|b| StewardDecision {
                a: a.clone(),
                b: b.clone(),
                same: true,
                by: "labels".to_owned(),
            }));
        }
    }
    Ok(pairs)
}

/// Records of one entity that make labelled pairs, at most.
const OF_ONE: usize = 20;

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
