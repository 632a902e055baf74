//! Pseudonymous exports: a table with keyed tokens in the place of personal values.
//!
//! Which columns are personal is the table's contract's to say. One value has one token in every
//! column, table and run, so that what could be joined still can; who has no key cannot go back.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::contract::Contract;
use crate::error::{Error, Result};
use crate::keyed::{HashKey, VARIABLE};

/// What begins the name of such an export.
pub(super) const PREFIX: &str = "pseudonymous_";

/// The purpose of the hashes.
const PURPOSE: &str = "pseudonym";

/// The key of the tokens.
///
/// # Errors
/// There is none: without a key a token could be reversed by trying values.
pub(super) fn key() -> Result<HashKey> {
    HashKey::of_process()?.ok_or_else(|| {
        Error::configuration(format!("land.pseudonymous: {VARIABLE} is not set"))
            .help("set it to a secret that stays the same, so that tokens do")
    })
}

/// The columns of a table with tokens: what is personal is text.
pub(super) fn schema(table: &Schema, contract: &Contract) -> SchemaRef {
    let personal = contract.personal_columns();
    let fields =
        table.fields().iter().map(|field| match personal.contains(&field.name().as_str()) {
            true => Arc::new(Field::new(field.name(), DataType::Utf8, field.is_nullable())),
            false => Arc::clone(field),
        });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Rows with tokens; a null stays null.
pub(super) fn tokens(
    batch: &RecordBatch,
    contract: &Contract,
    key: &HashKey,
) -> Result<RecordBatch> {
    let personal = contract.personal_columns();
    let schema = batch.schema();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if !personal.contains(&field.name().as_str()) {
            columns.push(Arc::clone(column));
            continue;
        }
        columns.push(match cast(column, &DataType::Utf8) {
            Ok(texts) => {
                let texts = texts.as_string::<i32>().iter();
                let token = |text: &str| key.hash(PURPOSE, text.as_bytes());
                Arc::new(texts.map(|text| text.map(token)).collect::<StringArray>())
            }
            // A list and the like has no one text: it is left out.
            Err(_) => Arc::new(StringArray::new_null(column.len())),
        });
    }
    RecordBatch::try_new(self::schema(&schema, contract), columns)
        .map_err(|_| Error::configuration("land.pseudonymous: a personal list that must be known"))
}
