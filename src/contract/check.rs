//! A finished table held against its contract, batch by batch: what it breaks, counted, never shown.
//!
//! Knows one batch at a time. What must be unique is compared with the row before where the rows
//! come sorted by it, so that a table of any length takes the memory of one batch; else by digests.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::row::{OwnedRow, RowConverter, SortField};
use rustc_hash::FxHashSet;

use super::{CellReader, Contract, Rule, Zone};
use crate::error::{Error, Result};

/// One rule that a table breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// The column; the columns of the key joined by `, `; empty for a rule of the whole table.
    pub column: String,
    /// How many rows break it (for a missing column and for row counts: how many rows there are).
    pub count: u64,
}

/// Holds a table's batches, of one schema, against its contract, one after the other. Integer,
/// timestamp and decimal columns may be of another width than the contract's: values are compared,
/// not storage. Columns that the contract does not name are passed over.
#[derive(Debug)]
pub struct Checker<'a> {
    contract: &'a Contract,
    rows: u64,
    /// By column, in the contract's order.
    counts: Vec<Vec<(Rule, u64)>>,
    /// What no two rows may share: the unique column, by its place, or the key.
    unique: Vec<(Option<usize>, Unique)>,
}

impl<'a> Checker<'a> {
    /// A check of a table whose rows come sorted by these columns; none if they come in any order.
    pub fn new(contract: &'a Contract, sorted_by: &[String]) -> Self {
        let mut unique = Vec::new();
        let mut add = |place: Option<usize>, columns: &[&str]| {
            unique.push((place, Unique::new(columns, columns == sorted_by)));
        };
        for (place, column) in contract.columns.iter().enumerate() {
            if column.unique && column.key_position.is_none() {
                add(Some(place), &[&column.name]);
            }
        }
        let key = contract.key();
        if !key.is_empty() {
            add(None, &key);
        }
        Self { contract, rows: 0, counts: vec![Vec::new(); contract.columns.len()], unique }
    }

    /// Holds the next rows against the contract.
    ///
    /// # Errors
    /// A bug, if Arrow cannot encode a key.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        for (column, counts) in self.contract.columns.iter().zip(&mut self.counts) {
            let mut add = |rule: Rule, count: u64| match counts.iter_mut().find(|(r, _)| *r == rule)
            {
                Some((_, sum)) => *sum += count,
                None => counts.push((rule, count)),
            };
            let Some(array) = batch.column_by_name(&column.name) else {
                add(Rule::Shape, batch.num_rows() as u64);
                continue;
            };
            let Some(cells) = CellReader::of(array, column, "UTC") else {
                add(Rule::Type, batch.num_rows() as u64);
                continue;
            };
            for row in 0..batch.num_rows() {
                if let Err(rule) = column.accept(cells.cell(row), &Zone::Utc) {
                    add(rule, 1);
                }
            }
        }
        self.unique.iter_mut().try_for_each(|(_, unique)| unique.batch(batch))
    }

    /// What is broken: by column in the contract's order, then the key, then the number of rows.
    pub fn finish(mut self) -> Vec<Violation> {
        let contract = self.contract;
        let mut violations = Vec::new();
        for (place, (column, counts)) in contract.columns.iter().zip(&mut self.counts).enumerate() {
            counts.sort_unstable();
            violations.extend(counts.iter().filter(|(_, count)| *count > 0).map(
                |(rule, count)| Violation {
                    rule: *rule,
                    column: column.name.clone(),
                    count: *count,
                },
            ));
            let own = self.unique.iter().filter(|(of, _)| *of == Some(place));
            violations.extend(own.filter_map(|(_, unique)| unique.violation()));
        }
        let key = self.unique.iter().filter(|(of, _)| of.is_none());
        violations.extend(key.filter_map(|(_, unique)| unique.violation()));
        if contract.min_rows.is_some_and(|least| self.rows < least)
            || contract.max_rows.is_some_and(|most| self.rows > most)
        {
            violations.push(Violation {
                rule: Rule::RowCount,
                column: String::new(),
                count: self.rows,
            });
        }
        violations
    }
}

/// Counts rows whose values in some columns were there before; rows with a null among them are not
/// compared.
#[derive(Debug)]
struct Unique {
    columns: Vec<String>,
    converter: Option<RowConverter>,
    seen: Seen,
    count: u64,
}

/// What is remembered of the rows before.
#[derive(Debug)]
enum Seen {
    /// Rows come sorted: the last.
    Last(Option<OwnedRow>),
    /// Rows come in any order: a digest of each.
    All(FxHashSet<[u8; 16]>),
}

impl Unique {
    fn new(columns: &[&str], sorted: bool) -> Self {
        Self {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            converter: None,
            seen: if sorted { Seen::Last(None) } else { Seen::All(FxHashSet::default()) },
            count: 0,
        }
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let arrays: Option<Vec<ArrayRef>> =
            self.columns.iter().map(|name| batch.column_by_name(name).cloned()).collect();
        let Some(arrays) = arrays else { return Ok(()) };
        let bug = |_| Error::bug(format!("key ({}): cannot be encoded", self.columns.join(", ")));
        let converter = match &mut self.converter {
            Some(converter) => converter,
            none => {
                let types = arrays.iter().map(|array| array.data_type().clone());
                none.insert(RowConverter::new(types.map(SortField::new).collect()).map_err(bug)?)
            }
        };
        let rows = converter.convert_columns(&arrays).map_err(bug)?;
        let known = |index: usize| arrays.iter().all(|array| array.is_valid(index));
        match &mut self.seen {
            Seen::Last(last) => {
                for index in 0..rows.num_rows() {
                    let row = rows.row(index);
                    let twice = match index {
                        0 => last.as_ref().is_some_and(|last| last.row() == row),
                        _ => rows.row(index - 1) == row,
                    };
                    self.count += u64::from(twice && known(index));
                }
                if let Some(end) = rows.num_rows().checked_sub(1) {
                    *last = Some(rows.row(end).owned());
                }
            }
            Seen::All(digests) => {
                for (index, row) in rows.iter().enumerate() {
                    let twice = known(index) && !digests.insert(digest(row.as_ref()));
                    self.count += u64::from(twice);
                }
            }
        }
        Ok(())
    }

    fn violation(&self) -> Option<Violation> {
        (self.count > 0).then(|| Violation {
            rule: Rule::Unique,
            column: self.columns.join(", "),
            count: self.count,
        })
    }
}

/// 128 bits of BLAKE3: two keys of one table share them with a probability below 2^-64 for any
/// table that fits a machine, and a set of them is a quarter of a set of the keys.
fn digest(key: &[u8]) -> [u8; 16] {
    let mut digest = [0; 16];
    digest.copy_from_slice(&blake3::hash(key).as_bytes()[..16]);
    digest
}
