//! A column as its different texts and a number for each row, made where rows are read: once for
//! blocking, comparisons and survivorship.
//!
//! Knows Arrow arrays and an order of rows; refuses to know what a text says.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, StringArray, UInt32Array};
use arrow::buffer::{Buffer, OffsetBuffer};

use super::columns::{MISSING, touch};
use crate::error::{Error, Result};
use crate::intern::{Arena, Texts};

/// Texts that are asked for together before they are copied.
const TOGETHER: usize = 32;

/// A column of texts, given in parts, with its rows in this order where one is given: a dictionary
/// that holds each text once, in the order in which rows first hold them, and no other text. What an
/// [`Input`](super::Input) says is `coded` is of such columns.
///
/// # Errors
/// Different texts of more than 2 GiB.
pub fn coded(parts: Vec<ArrayRef>, order: Option<&[u32]>) -> Result<ArrayRef> {
    let texts: Option<Vec<&StringArray>> = parts.iter().map(|own| own.as_string_opt()).collect();
    let texts = texts.ok_or_else(|| Error::bug("a column to be coded is no text"))?;
    let bytes = texts.iter().map(|own| own.value_data().len()).sum();
    let rows = texts.iter().map(|own| own.len()).sum();
    let (mut known, mut numbers) = (Texts::with_room(rows, bytes), Vec::with_capacity(rows));
    for text in texts {
        numbers.append(&mut known.numbers(text.iter(), MISSING));
    }
    drop(parts);
    let (numbers, values) = match order {
        Some(order) => in_order(&numbers, &known.values, order)?,
        None => (numbers, array(known.values)?),
    };
    let some = |own: &u32| Some(*own).filter(|own| *own != MISSING);
    let keys: UInt32Array = match numbers.contains(&MISSING) {
        true => numbers.iter().map(some).collect(),
        false => numbers.into(),
    };
    match DictionaryArray::try_new(keys, Arc::new(values)) {
        Ok(array) => Ok(Arc::new(array)),
        Err(_) => Err(Error::bug("a column cannot be coded")),
    }
}

/// The numbers of rows in this order, and the texts as rows then first hold them.
fn in_order(numbers: &[u32], values: &Arena, order: &[u32]) -> Result<(Vec<u32>, StringArray)> {
    let (mut number_of, mut next) = (vec![MISSING; values.len()], Vec::with_capacity(values.len()));
    let of = |row: &u32| match numbers[*row as usize] {
        MISSING => MISSING,
        before => {
            let own = &mut number_of[before as usize];
            if *own == MISSING {
                *own = next.len() as u32;
                next.push(before);
            }
            *own
        }
    };
    let numbers = order.iter().map(of).collect();
    let mut ordered = Arena::with_room(next.len(), values.bytes());
    for together in next.chunks(TOGETHER) {
        touch(together.iter().map(|own| u32::from(values.first_byte(*own))));
        together.iter().for_each(|own| {
            ordered.push(values.get(*own));
        });
    }
    Ok((numbers, array(ordered)?))
}

/// Texts one after another as an array.
fn array(values: Arena) -> Result<StringArray> {
    let (bytes, ends) = values.into_parts();
    if i32::try_from(bytes.len()).is_err() {
        return Err(Error::data("a column has different texts of more than 2 GiB")
            .help("divide the records"));
    }
    let offsets = std::iter::once(0).chain(ends.into_iter().map(|end| end as i32)).collect();
    StringArray::try_new(OffsetBuffer::new(offsets), Buffer::from_vec(bytes.into_bytes()), None)
        .map_err(|_| Error::bug("texts cannot be put together"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::compute::{cast, concat, take};
    use arrow::datatypes::{DataType, UInt32Type};
    use proptest::prelude::*;

    use super::super::columns::Columns;
    use super::*;

    proptest! {
        /// The oracle puts the parts together and takes rows.
        #[test]
        fn a_coded_column_holds_the_texts_of_its_rows_each_once(
            parts in prop::collection::vec(
                prop::collection::vec(prop::option::of("[ab ]{0,2}"), 0..20), 1..4,
            ),
            turned in any::<bool>(),
        ) {
            let parts: Vec<ArrayRef> =
                parts.into_iter().map(|own| Arc::new(StringArray::from(own)) as ArrayRef).collect();
            let whole = concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>()).unwrap();
            let order: Vec<u32> = (0..whole.len() as u32).rev().collect();
            let order = turned.then_some(&order[..]);
            let expected = match order {
                Some(order) => take(&whole, &UInt32Array::from(order.to_vec()), None).unwrap(),
                None => whole,
            };
            let found = coded(parts, order).unwrap();
            // Resolution makes of it what it makes of the texts.
            let dictionary = |array: &ArrayRef| {
                let arrays = HashMap::from([("x".to_owned(), Arc::clone(array))]);
                let columns = Columns::new(&arrays, &["x"], true, 1).unwrap();
                let own = columns.text("x", Arc::clone).unwrap();
                let values = (0..own.values.len() as u32).map(|code| own.values.get(code).to_owned());
                (own.codes.clone(), values.collect::<Vec<String>>())
            };
            prop_assert_eq!(dictionary(&found), dictionary(&expected));
            prop_assert_eq!(&cast(&found, &DataType::Utf8).unwrap(), &expected);
            let found = found.as_dictionary::<UInt32Type>();
            let mut next = 0;
            for key in found.keys().iter().flatten() {
                prop_assert!(key <= next);
                next += u32::from(key == next);
            }
            prop_assert_eq!(next as usize, found.values().len());
        }
    }
}
