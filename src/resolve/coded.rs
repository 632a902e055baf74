//! A column as its different texts and a number for each row, made where rows are read: once for
//! blocking, comparisons and survivorship.
//!
//! Knows Arrow arrays and an order of rows; refuses to know what a text says.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, StringArray, UInt32Array};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::datatypes::UInt32Type;

use super::columns::{MISSING, touch};
use crate::error::{Error, Result};
use crate::intern::{Arena, Texts};

/// Texts that are asked for together before they are copied.
const TOGETHER: usize = 32;

/// A column of texts, given in parts that are texts or dictionaries of them, with its rows in this
/// order where one is given: a dictionary that holds each text once, in the order in which rows
/// first hold them, and no other text. What an [`Input`](super::Input) says is `coded` is of such
/// columns.
///
/// # Errors
/// Different texts of more than 2 GiB.
pub fn coded(parts: Vec<ArrayRef>, order: Option<&[u32]>) -> Result<ArrayRef> {
    let split: Option<Vec<_>> = parts.iter().map(texts_and_keys).collect();
    let split = split.ok_or_else(|| Error::bug("a column to be coded is no text"))?;
    // Parts that follow each other may share their texts.
    let first = |place: usize| place == 0 || !same_texts(split[place - 1].0, split[place].0);
    let different = (0..split.len()).filter(|place| first(*place)).map(|place| split[place].0);
    let (texts, bytes) = different
        .fold((0, 0), |(texts, bytes), own| (texts + own.len(), bytes + own.value_data().len()));
    let rows = parts.iter().map(|own| own.len()).sum();
    let (mut known, mut numbers) = (Texts::with_room(texts, bytes), Vec::with_capacity(rows));
    // By key of a dictionary, the number of its text.
    let mut number_of = Vec::new();
    let mut by_rows = true;
    for (place, (texts, keys)) in split.iter().enumerate() {
        let Some(keys) = keys else {
            numbers.append(&mut known.numbers(texts.iter(), MISSING));
            continue;
        };
        by_rows = false;
        if first(place) || number_of.is_empty() {
            number_of = known.numbers(texts.iter(), MISSING);
        }
        match keys.nulls() {
            None => numbers.extend(keys.values().iter().map(|key| number_of[*key as usize])),
            Some(_) => {
                let number = |key: Option<u32>| key.map_or(MISSING, |key| number_of[key as usize]);
                numbers.extend(keys.iter().map(number));
            }
        }
    }
    drop(split);
    drop(parts);
    let (numbers, values) = match order {
        Some(order) => in_order(&numbers, &known.values, order.iter().copied())?,
        None if by_rows => (numbers, array(known.values)?),
        None => in_order(&numbers, &known.values, 0..rows as u32)?,
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

/// The texts of a part, and where it is a dictionary of them, the key of each row.
fn texts_and_keys(part: &ArrayRef) -> Option<(&StringArray, Option<&UInt32Array>)> {
    match part.as_dictionary_opt::<UInt32Type>() {
        Some(own) => Some((own.values().as_string_opt()?, Some(own.keys()))),
        None => Some((part.as_string_opt()?, None)),
    }
}

/// Whether two arrays are the same in memory.
fn same_texts(one: &StringArray, other: &StringArray) -> bool {
    std::ptr::eq(one.value_offsets(), other.value_offsets())
        && std::ptr::eq(one.value_data(), other.value_data())
}

/// The numbers of rows in this order, and the texts as rows then first hold them.
fn in_order(
    numbers: &[u32],
    values: &Arena,
    order: impl Iterator<Item = u32>,
) -> Result<(Vec<u32>, StringArray)> {
    let (mut number_of, mut next) = (vec![MISSING; values.len()], Vec::with_capacity(values.len()));
    let of = |row: u32| match numbers[row as usize] {
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
    let numbers = order.map(of).collect();
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
    use arrow::datatypes::DataType;
    use proptest::prelude::*;

    use super::super::columns::Columns;
    use super::*;

    proptest! {
        /// The oracle puts the parts together and takes rows.
        #[test]
        fn a_coded_column_holds_the_texts_of_its_rows_each_once(
            parts in prop::collection::vec(
                (
                    prop::collection::vec(prop::option::of("[ab ]{0,2}"), 0..20), any::<bool>(),
                    0usize..20,
                ),
                1..4,
            ),
            turned in any::<bool>(),
        ) {
            let mut coded_too = Vec::new();
            let mut texts = Vec::new();
            for (own, stored, at) in parts {
                let own: ArrayRef = Arc::new(StringArray::from(own));
                let at = at.min(own.len());
                let numbered = || {
                    let [keys, texts] = [DataType::UInt32, DataType::Utf8].map(Box::new);
                    cast(&own, &DataType::Dictionary(keys, texts)).unwrap()
                };
                let part = if stored { numbered() } else { Arc::clone(&own) };
                // Two parts of one dictionary.
                coded_too.extend([part.slice(0, at), part.slice(at, own.len() - at)]);
                texts.push(own);
            }
            let whole = concat(&texts.iter().map(AsRef::as_ref).collect::<Vec<_>>()).unwrap();
            let order: Vec<u32> = (0..whole.len() as u32).rev().collect();
            let order = turned.then_some(&order[..]);
            let expected = match order {
                Some(order) => take(&whole, &UInt32Array::from(order.to_vec()), None).unwrap(),
                None => whole,
            };
            let found = coded(coded_too, order).unwrap();
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
