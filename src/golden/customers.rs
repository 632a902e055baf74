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
use crate::threads::{self, parallel};

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
    let golden = parallel(
        survivors.attributes.len(),
        threads::count(),
        || (),
        |(), place| {
            let (attribute, unit) = survivors.attributes[place];
            taken(entities.records.column(attribute), &rows[unit])
        },
    )?;
    for ((attribute, _), golden) in survivors.attributes.iter().zip(golden) {
        let field = schema.field(*attribute);
        fields.push(Field::new(field.name(), field.data_type().clone(), true));
        columns.push(golden?);
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
    fields.push(Field::new("first_seen", tables::timestamp(), true));
    columns.push(times(&|rows| rows.iter().filter_map(|&row| created[row as usize]).min()));
    fields.push(Field::new("last_updated", tables::timestamp(), true));
    columns.push(times(&|rows| rows.iter().filter_map(|&row| updated[row as usize]).max()));

    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(kernel("columns of customers do not fit"))
}

/// Rows are sorted by source: a source ends where the next begins.
fn source_count(sources: &StringArray, rows: &[u32]) -> usize {
    rows.chunk_by(|&l, &r| sources.value(l as usize) == sources.value(r as usize)).count()
}
