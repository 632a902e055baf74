//! Records and members, laid out by customer: which rows of the sorted records are whose.
//!
//! Checks that records and members fit together. Knows nothing of survivorship.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{
    SortColumn, SortOptions, cast, concat_batches, lexsort_to_indices, take_record_batch,
};
use arrow::datatypes::{DataType, Int64Type};
use rustc_hash::FxHashMap;

use super::{Material, Members, kernel};
use crate::consent::Consents;
use crate::error::{Error, Result};
use crate::intern::Texts;
use crate::tables;
use crate::threads::{self, all, sort_by};

/// The records of every customer.
pub(super) struct Entities {
    /// All records, sorted by (source, record_id).
    pub(super) records: RecordBatch,
    /// Whether dictionaries among their columns hold each value once.
    pub(super) coded: bool,
    /// The source of each record.
    pub(super) sources: StringArray,
    /// The id of each record in its source.
    pub(super) record_ids: StringArray,
    /// The kind of each record.
    pub(super) kinds: StringArray,
    /// When each record last changed, in microseconds; `i64::MIN` where that is not known.
    pub(super) recency: ScalarBuffer<i64>,
    /// The rank of each record's source, 0 the most trusted.
    pub(super) source_rank: Vec<u32>,
    /// Golden ids, rising.
    pub(super) golden_ids: StringArray,
    /// The customer of each record, as a position in `golden_ids`.
    pub(super) customer_of: Vec<u32>,
    /// Where each customer's rows begin in `rows`; one more element than customers.
    starts: Vec<u32>,
    /// Row numbers by customer, rising within one.
    rows: Vec<u32>,
}

impl Entities {
    /// Sorts records, finds the customer of each and checks that there is exactly one.
    pub(super) fn new(given: &Material<'_>) -> Result<Self> {
        let mut records = joined(given.records, "records")?;
        let mut sources = text(&records, "source")?;
        let mut record_ids = text(&records, "record_id")?;
        if !rise(&sources, &record_ids)? {
            if matches!(given.members, Members::Rows { .. }) {
                return Err(Error::bug("records whose rows have customers are not sorted"));
            }
            records = sorted(&records, [&sources, &record_ids])?;
            sources = text(&records, "source")?;
            record_ids = text(&records, "record_id")?;
        }
        let kinds = text(&records, "kind")?;
        let updated = microseconds(&records, "updated_at")?;
        let recency = match updated.null_count() {
            0 => updated.values().clone(),
            _ => updated.iter().map(|time| time.unwrap_or(i64::MIN)).collect(),
        };
        let source_rank = ranks(&sources, &given.settings.source_priority);

        let (golden_ids, customer_of) = match given.members {
            Members::Table(batches) => {
                assigned(&sources, &record_ids, &joined(batches, tables::ENTITY_MEMBERS)?)?
            }
            Members::Rows { customer_of, golden_ids, .. } => rising(customer_of, golden_ids)?,
        };
        if customer_of.len() != sources.len() {
            return Err(Error::bug("golden records: rows and their customers are not as many"));
        }
        let (starts, rows) = by_customer(&customer_of, golden_ids.len());
        if !starts.windows(2).all(|two| two[0] < two[1]) {
            return Err(Error::bug("golden records: a customer has no record"));
        }
        let entities = Self {
            records,
            coded: matches!(given.members, Members::Rows { coded: true, .. }),
            sources,
            record_ids,
            kinds,
            recency,
            source_rank,
            golden_ids,
            customer_of,
            starts,
            rows,
        };
        entities.one_kind_each()?;
        Ok(entities)
    }

    /// The number of customers.
    pub(super) fn len(&self) -> usize {
        self.golden_ids.len()
    }

    /// The rows of a customer's records, rising; never empty.
    pub(super) fn rows(&self, customer: usize) -> &[u32] {
        &self.rows[self.span(customer)]
    }

    /// Where a customer's rows stand among all rows by customer.
    pub(super) fn span(&self, customer: usize) -> Range<usize> {
        self.starts[customer] as usize..self.starts[customer + 1] as usize
    }

    /// How a record stands beside others of its customer, the least first: the latest, then that of
    /// the source of most priority.
    pub(super) fn standing(&self, row: u32) -> (Reverse<i64>, u32) {
        let row = row as usize;
        (Reverse(self.recency[row]), self.source_rank[row])
    }

    /// All rows by customer, within one the latest first, then by the priority of their source,
    /// then rising.
    pub(super) fn by_standing(&self) -> Cow<'_, [u32]> {
        let recency_alike = self.recency.windows(2).all(|two| two[0] == two[1]);
        if recency_alike && self.source_rank.windows(2).all(|two| two[0] == two[1]) {
            return Cow::Borrowed(&self.rows);
        }
        let mut rows = self.rows.clone();
        for customer in 0..self.len() {
            rows[self.span(customer)].sort_by_key(|&row| self.standing(row));
        }
        Cow::Owned(rows)
    }

    /// The row of a record, if there is one.
    pub(super) fn find(&self, source: &str, record_id: &str) -> Option<u32> {
        find(&self.sources, &self.record_ids, source, record_id)
    }

    /// A column of records by name, if there is one.
    pub(super) fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.records.column_by_name(name)
    }

    /// Which records may be used for a purpose.
    pub(super) fn allowed(&self, consents: &Consents, purpose: &str) -> Vec<bool> {
        let mut allowed = vec![true; self.sources.len()];
        for customer in 0..self.len() {
            let rows = self.rows(customer);
            let address = |row: &u32| {
                let row = *row as usize;
                (self.sources.value(row), self.record_ids.value(row))
            };
            let records: Vec<(&str, &str)> = rows.iter().map(address).collect();
            for (row, may) in rows.iter().zip(consents.of_customer(purpose, &records)) {
                allowed[*row as usize] = may;
            }
        }
        allowed
    }

    fn one_kind_each(&self) -> Result<()> {
        let one = |customer: usize| {
            let rows = self.rows(customer);
            let kind = self.kinds.value(rows[0] as usize);
            rows[1..].iter().all(|&row| self.kinds.value(row as usize) == kind)
        };
        // Mostly all records are of one kind, which is seen in their order sooner.
        let as_before = |row: usize| self.kinds.value(row - 1) == self.kinds.value(row);
        if all(1..self.kinds.len(), threads::count(), as_before)?
            || all(0..self.len(), threads::count(), one)?
        {
            return Ok(());
        }
        match (0..self.len()).find(|customer| !one(*customer)) {
            None => Ok(()),
            Some(customer) => Err(Error::bug(format!(
                "golden customer {} has records of more than one kind",
                self.golden_ids.value(customer)
            ))),
        }
    }
}

/// All batches as one.
fn joined(batches: &[RecordBatch], name: &str) -> Result<RecordBatch> {
    let first =
        batches.first().ok_or_else(|| Error::bug(format!("golden records: no batch of {name}")))?;
    concat_batches(&first.schema(), batches).map_err(kernel("batches differ in their columns"))
}

/// Whether records come by (source, record_id), none of them twice.
fn rise(sources: &StringArray, record_ids: &StringArray) -> Result<bool> {
    let key = |row: usize| (sources.value(row), record_ids.value(row));
    all(1..sources.len(), threads::count(), |row| key(row - 1) < key(row))
}

/// Records by these columns.
fn sorted(records: &RecordBatch, by: [&StringArray; 2]) -> Result<RecordBatch> {
    let column = |values: &StringArray| SortColumn {
        values: Arc::new(values.clone()),
        options: Some(SortOptions::default()),
    };
    lexsort_to_indices(&by.map(column), None)
        .and_then(|indices| take_record_batch(records, &indices))
        .map_err(kernel("records cannot be sorted"))
}

/// A column as text without nulls.
fn text(batch: &RecordBatch, name: &str) -> Result<StringArray> {
    let column = batch
        .column_by_name(name)
        .ok_or_else(|| Error::bug(format!("golden records: column {name} is missing")))?;
    let column = cast(column, &DataType::Utf8).map_err(kernel("a key column is not text"))?;
    if column.null_count() > 0 {
        return Err(Error::bug(format!("golden records: column {name} has nulls")));
    }
    Ok(column.as_string::<i32>().clone())
}

/// A column of times in microseconds.
///
/// # Errors
/// Configuration: the column is neither a date nor a timestamp.
pub(super) fn microseconds(batch: &RecordBatch, name: &str) -> Result<Int64Array> {
    let column =
        batch.column_by_name(name).ok_or_else(|| Error::bug(format!("records lack {name}")))?;
    if !matches!(column.data_type(), DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
    {
        return Err(Error::configuration(format!("records.{name} must be a timestamp or a date"))
            .help("cast it in the SQL of `records`"));
    }
    let times = cast(column, &tables::timestamp())
        .and_then(|times| cast(&times, &DataType::Int64))
        .map_err(kernel("a time is out of range"))?;
    Ok(times.as_primitive::<Int64Type>().clone())
}

/// Sources named in settings in their order, then the others by name.
fn ranks(sources: &StringArray, priority: &[String]) -> Vec<u32> {
    let mut ranks: FxHashMap<&str, u32> = FxHashMap::default();
    for name in priority {
        let next = ranks.len() as u32;
        ranks.entry(name).or_insert(next);
    }
    // Records are sorted by source, so the others come by name, and each in one run.
    let mut all = Vec::with_capacity(sources.len());
    while all.len() < sources.len() {
        let source = sources.value(all.len());
        let (mut end, mut beyond) = (all.len() + 1, sources.len());
        while end < beyond {
            let middle = end.midpoint(beyond);
            match sources.value(middle) == source {
                true => end = middle + 1,
                false => beyond = middle,
            }
        }
        let next = ranks.len() as u32;
        all.resize(end, *ranks.entry(source).or_insert(next));
    }
    all
}

fn find(sources: &StringArray, record_ids: &StringArray, source: &str, id: &str) -> Option<u32> {
    let (mut low, mut high) = (0, sources.len());
    while low < high {
        let middle = low.midpoint(high);
        match (sources.value(middle), record_ids.value(middle)).cmp(&(source, id)) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return Some(middle as u32),
        }
    }
    None
}

/// Golden ids made to rise, and the customer of each record among them.
fn rising(customer_of: &[u32], golden_ids: &StringArray) -> Result<(StringArray, Vec<u32>)> {
    let all = golden_ids.len();
    if customer_of.iter().any(|customer| *customer as usize >= all) || golden_ids.null_count() > 0 {
        return Err(Error::bug("golden records: a record is of a customer who has no id"));
    }
    let id = |customer: u32| golden_ids.value(customer as usize);
    let rise = |customer: usize| id(customer as u32 - 1) < id(customer as u32);
    if threads::all(1..all, threads::count(), rise)? {
        return Ok((golden_ids.clone(), customer_of.to_vec()));
    }
    let mut order: Vec<u32> = (0..all as u32).collect();
    sort_by(&mut order, threads::count(), |l, r| id(*l).cmp(id(*r)))?;
    if order.windows(2).any(|two| id(two[0]) == id(two[1])) {
        return Err(Error::bug("golden records: two customers have one id"));
    }
    let mut place = vec![0; all];
    for (at, customer) in (0..).zip(&order) {
        place[*customer as usize] = at;
    }
    let ids = StringArray::from_iter_values(order.iter().map(|customer| id(*customer)));
    Ok((ids, customer_of.iter().map(|customer| place[*customer as usize]).collect()))
}

/// The rising golden ids of a table of members, and the customer of each record.
fn assigned(
    sources: &StringArray,
    record_ids: &StringArray,
    members: &RecordBatch,
) -> Result<(StringArray, Vec<u32>)> {
    let ids = text(members, "golden_id")?;
    let member_sources = text(members, "source")?;
    let member_records = text(members, "record_id")?;
    let mut numbers = Texts::default();
    let number_of = numbers.numbers(ids.iter(), u32::MAX);
    let all = 0..numbers.values.len() as u32;
    let mut golden_ids: Vec<(&str, u32)> = all.map(|own| (numbers.values.get(own), own)).collect();
    golden_ids.sort_unstable();
    let mut position = vec![0; golden_ids.len()];
    for (at, (_, number)) in golden_ids.iter().enumerate() {
        position[*number as usize] = at as u32;
    }

    const NOBODY: u32 = u32::MAX;
    let mut customer_of = vec![NOBODY; sources.len()];
    let is = |row: usize, source: &str, record: &str| {
        row < sources.len() && record_ids.value(row) == record && sources.value(row) == source
    };
    let mut next = 0;
    for member in 0..members.num_rows() {
        let (source, record) = (member_sources.value(member), member_records.value(member));
        // Members that stand in the order of records need no search.
        let row = match is(next, source, record) {
            true => Some(next as u32),
            false => find(sources, record_ids, source, record),
        };
        let row = row.ok_or_else(|| {
            Error::bug(format!("entity_members names a record of {source} that records lacks"))
        })?;
        let customer = &mut customer_of[row as usize];
        if *customer != NOBODY {
            return Err(Error::bug(format!("a record of {source} is a member more than once")));
        }
        *customer = position[number_of[member] as usize];
        next = row as usize + 1;
    }
    match customer_of.iter().position(|&customer| customer == NOBODY) {
        None => {
            let ids = golden_ids.into_iter().map(|(id, _)| id);
            Ok((StringArray::from_iter_values(ids), customer_of))
        }
        Some(row) => Err(Error::bug(format!(
            "a record of {} is no member of any golden customer",
            sources.value(row)
        ))),
    }
}

/// A counting sort of rows by customer: it keeps rows rising within one.
fn by_customer(customer_of: &[u32], customers: usize) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0_u32; customers + 1];
    for &customer in customer_of {
        starts[customer as usize + 1] += 1;
    }
    for customer in 0..customers {
        starts[customer + 1] += starts[customer];
    }
    let mut next = starts.clone();
    let mut rows = vec![0_u32; customer_of.len()];
    for (row, &customer) in customer_of.iter().enumerate() {
        let at = &mut next[customer as usize];
        rows[*at as usize] = row as u32;
        *at += 1;
    }
    (starts, rows)
}
