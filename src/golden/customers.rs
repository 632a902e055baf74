//! The winners as `customers`: a row a golden id.
//!
//! Works by column: each attribute is taken from the rows that won it, and from what stewards
//! state. Knows nothing of rules.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int32Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt32Array, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{cast, interleave, take};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};

use super::entities::{Entities, microseconds};
use super::kernel;
use super::overrides::InForce;
use super::survivors::{NOBODY, Survivors, Winners};
use super::units::Unit;
use crate::error::Result;
use crate::tables;
use crate::threads::{self, largest_first, parallel};

/// `customers`, sorted by golden_id, as one batch: these [`values`] with what is said of each
/// customer beside them.
pub(super) fn customers(entities: &Entities, values: RecordBatch) -> Result<RecordBatch> {
    let firsts = UInt32Array::from_iter_values((0..entities.len()).map(|c| entities.rows(c)[0]));
    let kinds = take(&entities.kinds, &firsts, None).map_err(kernel("kinds cannot be taken"))?;
    let (schema, mut columns, _) = values.into_parts();
    let mut fields: Vec<FieldRef> = schema.fields().to_vec();
    fields.insert(1, Arc::new(Field::new("kind", DataType::Utf8, false)));
    columns.insert(1, kinds);
    for (field, column) in spans(entities)? {
        fields.push(Arc::new(field));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(kernel("columns of customers do not fit"))
}

/// `golden_id` and every attribute of `customers`, with the lists of `keep_all` after them; of the
/// records that are `allowed`, else of all.
pub(super) fn values(
    entities: &Entities,
    survivors: &Survivors,
    winners: &Winners,
    rulings: &InForce<'_>,
    allowed: Option<&[bool]>,
) -> Result<RecordBatch> {
    let mut fields = vec![Field::new("golden_id", DataType::Utf8, false)];
    let mut columns: Vec<ArrayRef> = vec![Arc::new(entities.golden_ids.clone())];
    let schema = entities.records.schema();
    let golden = |(attribute, unit): (usize, usize)| -> Result<(Field, ArrayRef)> {
        let field = schema.field(attribute);
        let values = entities.records.column(attribute);
        let (ruled, stated) = rulings.values(attribute, field.name(), values.data_type())?;
        let own = Attribute { entities, values, winners: &winners[unit], allowed, rulings, stated };
        let column = unpacked(own.golden(&ruled, attribute)?)?;
        Ok((Field::new(field.name(), column.data_type().clone(), true), column))
    };
    let bytes = |own: &(usize, usize)| entities.records.column(own.0).get_buffer_memory_size();
    for made in largest_first(survivors.attributes.clone(), threads::count(), bytes, golden)? {
        let (field, column) = made?;
        fields.push(field);
        columns.push(column);
    }
    for (attribute, unit) in &survivors.attributes {
        let unit = &survivors.units[*unit];
        if let Some(name) = &unit.keep_all {
            let values = entities.records.column(*attribute);
            let (field, column) = every_value(entities, unit, values, allowed)?;
            fields.push(field.with_name(name));
            columns.push(column);
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(kernel("columns of customers do not fit"))
}

/// The values that a dictionary stands for.
fn unpacked(column: ArrayRef) -> Result<ArrayRef> {
    match column.data_type() {
        DataType::Dictionary(_, values) => {
            cast(&column, values).map_err(kernel("numbered values cannot be told"))
        }
        _ => Ok(column),
    }
}

/// How many records and sources a customer has, and since when and until when it was seen.
fn spans(entities: &Entities) -> Result<Vec<(Field, ArrayRef)>> {
    let updated = microseconds(&entities.records, "updated_at")?;
    let created = entities.column("created_at");
    let created = created.map(|_| microseconds(&entities.records, "created_at")).transpose()?;
    let at = |times: &Int64Array, row: u32| {
        times.is_valid(row as usize).then(|| times.value(row as usize))
    };
    let seen = |&row: &u32| {
        let created = created.as_ref().and_then(|created| at(created, row));
        created.or_else(|| at(&updated, row))
    };
    let customers = || (0..entities.len()).map(|customer| entities.rows(customer));
    let counts = |count: &dyn Fn(&[u32]) -> usize| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(customers().map(|rows| count(rows) as i32)))
    };
    let times = |time: &dyn Fn(&[u32]) -> Option<i64>| -> ArrayRef {
        let times = customers().map(time).collect::<TimestampMicrosecondArray>();
        Arc::new(times.with_timezone("UTC"))
    };
    let count = |name: &str| Field::new(name, DataType::Int32, false);
    let time = |name: &str| Field::new(name, tables::timestamp(), true);
    let last = |rows: &[u32]| rows.iter().filter_map(|row| at(&updated, *row)).max();
    let one = |place: usize| match place {
        0 => (count("member_count"), counts(&|rows| rows.len())),
        1 => (count("source_count"), counts(&|rows| source_count(&entities.sources, rows))),
        2 => (time("first_seen"), times(&|rows| rows.iter().filter_map(seen).min())),
        _ => (time("last_updated"), times(&last)),
    };
    parallel(4, threads::count(), || (), |(), place| one(place))
}

/// One attribute: who won it, and what stewards state of it.
struct Attribute<'a> {
    entities: &'a Entities,
    values: &'a ArrayRef,
    winners: &'a [u32],
    allowed: Option<&'a [bool]>,
    rulings: &'a InForce<'a>,
    /// The values that are stated.
    stated: ArrayRef,
}

impl Attribute<'_> {
    /// The golden value of every customer; `ruled` are the customers of the stated values.
    fn golden(&self, ruled: &[u32], attribute: usize) -> Result<ArrayRef> {
        if ruled.is_empty() {
            let known = |&row: &u32| (row != NOBODY).then_some(row);
            let rows: UInt32Array = self.winners.iter().map(known).collect();
            return take(self.values, &rows, None).map_err(kernel("values cannot be taken"));
        }
        let nothing = new_null_array(self.values.data_type(), 1);
        let mut next = ruled.iter().enumerate().peekable();
        let places: Vec<(usize, usize)> = (0..self.entities.len())
            .map(|customer| {
                if let Some((place, _)) = next.next_if(|(_, own)| **own as usize == customer) {
                    // What is stated of a record may be used for what that record may.
                    let ruling = self.rulings.of(customer, attribute);
                    let may = |row: u32| self.allowed.is_none_or(|own| own[row as usize]);
                    if ruling.is_some_and(|ruling| may(ruling.row)) {
                        return (1, place);
                    }
                }
                match self.winners[customer] {
                    NOBODY => (2, 0),
                    row => (0, row as usize),
                }
            })
            .collect();
        interleave(&[self.values.as_ref(), self.stated.as_ref(), nothing.as_ref()], &places)
            .map_err(kernel("values cannot be taken"))
    }
}

/// The list of every different value of each customer, the best first; null where none is known.
fn every_value(
    entities: &Entities,
    unit: &Unit,
    values: &ArrayRef,
    allowed: Option<&[bool]>,
) -> Result<(Field, ArrayRef)> {
    let ranked: Vec<Vec<u32>> =
        (0..entities.len()).map(|customer| unit.ranked(entities, customer, allowed)).collect();
    let rows: UInt32Array = ranked.iter().flatten().copied().collect::<Vec<u32>>().into();
    let items = take(values, &rows, None).map_err(kernel("values cannot be taken"))?;
    let item = Arc::new(Field::new("item", values.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths(ranked.iter().map(Vec::len));
    let known = NullBuffer::from_iter(ranked.iter().map(|rows| !rows.is_empty()));
    let list = ListArray::try_new(item, offsets, items, Some(known))
        .map_err(kernel("values cannot be listed"))?;
    Ok((Field::new("", list.data_type().clone(), true), Arc::new(list)))
}

/// Rows are sorted by source: a source ends where the next begins.
fn source_count(sources: &StringArray, rows: &[u32]) -> usize {
    rows.chunk_by(|&l, &r| sources.value(l as usize) == sources.value(r as usize)).count()
}
