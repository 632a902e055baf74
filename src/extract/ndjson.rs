//! One JSON object a line.
//!
//! Scalars become text and are cast like any other text; nested values are no cells. A line that
//! is no object is refused alone; a last line that is neither JSON nor ended is torn, and the file
//! refused whole. Keys are held against the contract over the whole file, for JSON may leave out
//! what is null.

use std::borrow::Cow;
use std::fmt;

use rustc_hash::FxHashMap;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::rows::Rows;
use super::{Input, decode, header};
use crate::contract::{Cell, Rule};
use crate::error::Result;

pub(super) fn read(
    input: &Input<'_>,
    rows: &mut Rows<'_>,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let decoded = decode::decode(input, warnings)?;
    if decoded.replaced {
        rows.text_was_replaced();
    }
    let text: &str = &decoded.text;
    let mut names = Names::of(input);
    let mut cells: Vec<Option<Scalar<'_>>> = Vec::new();
    let mut number = 0;
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        let last = lines.peek().is_none();
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        number += 1;
        let object: Object<'_> = match serde_json::from_str(line) {
            Ok(object) => object,
            Err(_) if last => {
                return Err(input
                    .data(format!("the file ends inside row {number}: it is torn"))
                    .help("export the file again; nothing of it was read"));
            }
            Err(_) => {
                let reason = "the line is no JSON object".to_owned();
                rows.refuse(number, Rule::Shape, reason, Some(line.to_owned()));
                continue;
            }
        };
        cells.clear();
        cells.resize_with(input.contract.columns.len(), || None);
        let mut twice = false;
        for (name, value) in object.0 {
            if let Some(column) = names.column(&name) {
                twice |= cells[column].replace(value).is_some();
            }
        }
        if twice {
            let reason = "the object names a column twice".to_owned();
            rows.refuse(number, Rule::Shape, reason, Some(line.to_owned()));
            continue;
        }
        rows.row(
            number,
            |column| cells[column].as_ref().map_or(Cell::Null, Scalar::cell),
            || line.to_owned(),
        )?;
    }
    names.check(input, warnings)
}

/// Every key of any row, in the order in which they come, and whether its value is nested anywhere.
pub(super) fn names(text: &str, input: &Input<'_>) -> Result<Vec<(String, bool)>> {
    let mut names: indexmap::IndexMap<String, bool> = indexmap::IndexMap::new();
    for line in text.split('\n').map(str::trim).filter(|line| !line.is_empty()) {
        // What is no object is refused with its row when rows are read.
        let Ok(object) = serde_json::from_str::<Object<'_>>(line) else { continue };
        for (name, value) in object.0 {
            let nested = matches!(value, Scalar::Nested);
            match names.get_mut(name.as_ref()) {
                Some(known) => *known |= nested,
                None => drop(names.insert(name.into_owned(), nested)),
            }
        }
    }
    if names.is_empty() {
        return Err(input
            .data("the file holds no JSON object")
            .help("write one JSON object a line"));
    }
    Ok(names.into_iter().collect())
}

/// The keys that were seen, in the order in which they came, and the contract column of each.
struct Names {
    columns: FxHashMap<String, Option<usize>>,
    seen: Vec<String>,
    seen_columns: Vec<bool>,
}

impl Names {
    fn of(input: &Input<'_>) -> Self {
        let columns = input.contract.columns.iter().enumerate();
        Self {
            columns: columns.map(|(at, c)| (c.export_name().to_owned(), Some(at))).collect(),
            seen: Vec::new(),
            seen_columns: vec![false; input.contract.columns.len()],
        }
    }

    fn column(&mut self, name: &str) -> Option<usize> {
        match self.columns.get(name) {
            Some(Some(column)) => {
                if !std::mem::replace(&mut self.seen_columns[*column], true) {
                    self.seen.push(name.to_owned());
                }
                Some(*column)
            }
            Some(None) => None,
            None => {
                self.columns.insert(name.to_owned(), None);
                self.seen.push(name.to_owned());
                None
            }
        }
    }

    /// Holds the keys of all rows against the contract. A column that no row has is missing if it
    /// is required, or if an unknown key looks like it; else it is null throughout.
    fn check(mut self, input: &Input<'_>, warnings: &mut Vec<String>) -> Result<()> {
        if self.seen.is_empty() {
            return Ok(());
        }
        let unknown: Vec<String> =
            self.seen.iter().filter(|name| self.columns[*name].is_none()).cloned().collect();
        let mut absent = Vec::new();
        for (column, seen) in input.contract.columns.iter().zip(&self.seen_columns) {
            let name = column.export_name();
            let renamed = unknown.iter().any(|there| header::alike(there, name));
            if !seen && !column.required && !renamed {
                self.seen.push(name.to_owned());
                absent.push(format!("{}: no row has column `{name}`", input.path));
            }
        }
        header::places(&self.seen, input, warnings)?;
        warnings.extend(absent);
        Ok(())
    }
}

/// A line's members, in its order.
struct Object<'a>(Vec<(Cow<'a, str>, Scalar<'a>)>);

/// A member's value: text, or what is no cell.
enum Scalar<'a> {
    Null,
    Text(Cow<'a, str>),
    Nested,
}

impl Scalar<'_> {
    fn cell(&self) -> Cell<'_> {
        match self {
            Scalar::Null => Cell::Null,
            Scalar::Text(text) => Cell::Text(text),
            Scalar::Nested => Cell::Invalid,
        }
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(24);
                while let Some(Key(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(ScalarVisitor)? {
            Scalar::Text(name) => Ok(Key(name)),
            _ => Ok(Key(Cow::Borrowed(""))),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(if value { "true" } else { "false" })))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Text(value.to_string().into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Text(value.to_string().into()))
    }

    // The shortest text that reads back as the float: what was written, without an exponent.
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Text(value.to_string().into()))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }
}
