//! The winners as `customers`: a row a golden id.
//!
//! Works by column: each attribute is taken from the rows that won it. Knows nothing of rules.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema};

use super::entities::{Entities, microseconds};
use super::kernel;
use super::survivors::{NOBODY, Survivors};
use crate::error::Result;
use crate::tables;

/// `customers`, sorted by golden_id, as one batch.
pub(super) fn customers(entities: &Entities, survivors: &Survivors) -> Result<RecordBatch> {
    let firsts = UInt32Array::from_iter_values((0..entities.len()).map(|c| entities.rows(c)[0]));
    let mut fields = vec![
        Field::new("golden_id", DataType::Utf8, false),
        Field::new("kind", DataType::Utf8, false),
    ];
    let taken = |column: &dyn arrow::array::Array, rows: &UInt32Array| {
        take(column, rows, None).map_err(kernel("values cannot be taken"))
    };
    let mut columns: Vec<ArrayRef> =
        vec![Arc::new(entities.golden_ids.clone()), taken(&entities.kinds, &firsts)?];

    let rows: Vec<UInt32Array> = survivors
        .units
        .iter()
        .map(|unit| {
            unit.winners.iter().map(|&row| (row != NOBODY).then_some(row)).collect::<UInt32Array>()
        })
        .collect();
    let schema = entities.records.schema();
    for &(attribute, unit) in &survivors.attributes {
        let field = schema.field(attribute);
        fields.push(Field::new(field.name(), field.data_type().clone(), true));
        columns.push(taken(entities.records.column(attribute), &rows[unit])?);
    }

    let counts = |count: &dyn Fn(&[u32]) -> usize| -> ArrayRef {
        let counts = (0..entities.len()).map(|customer| count(entities.rows(customer)) as i32);
        Arc::new(Int32Array::from_iter_values(counts))
    };
    fields.push(Field::new("member_count", DataType::Int32, false));
    columns.push(counts(&|rows| rows.len()));
    fields.push(Field::new("source_count", DataType::Int32, false));
    columns.push(counts(&|rows| source_count(&entities.sources, rows)));

    let updated = microseconds(&entities.records, "updated_at")?;
    let created = match entities.column("created_at") {
        None => updated.clone(),
        Some(_) => {
            let created = microseconds(&entities.records, "created_at")?;
            created.iter().zip(&updated).map(|(created, updated)| created.or(*updated)).collect()
        }
    };
    let times = |time: &dyn Fn(&[u32]) -> Option<i64>| -> ArrayRef {
        let times = (0..entities.len()).map(|customer| time(entities.rows(customer)));
        Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let each = |times: &[Option<i64>], rows: &[u32]| -> Vec<i64> {
        rows.iter().filter_map(|&row| times[row as usize]).collect()
    };
    fields.push(Field::new("first_seen", tables::timestamp(), true));
    columns.push(times(&|rows| each(&created, rows).into_iter().min()));
    fields.push(Field::new("last_updated", tables::timestamp(), true));
    columns.push(times(&|rows| each(&updated, rows).into_iter().max()));

    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(kernel("columns of customers do not fit"))
}

/// Rows are sorted by source: a source ends where the next begins.
fn source_count(sources: &StringArray, rows: &[u32]) -> usize {
    rows.chunk_by(|&l, &r| sources.value(l as usize) == sources.value(r as usize)).count()
}
