//! Records of files, in the order of their keys.
//!
//! Knows columns and rows; refuses to know what columns mean. Work is done column by column, each on
//! a thread.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt32Array, new_empty_array, new_null_array,
};
use arrow::compute::{cast, concat, filter, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::infer::SourceFile;
use crate::resolve::coded;
use crate::tables;
use crate::threads::{self, all, both, each, largest_first, map};

/// A batch of this schema, each column made on a thread of one of `parts`, which is dropped then: a
/// batch and what it is made of are never there as wholes at once.
fn made<T: Send>(
    schema: &SchemaRef,
    parts: Vec<T>,
    column: impl Fn(T) -> Result<ArrayRef> + Sync,
) -> Result<RecordBatch> {
    let columns = each(parts, threads::count(), column)?;
    RecordBatch::try_new(Arc::clone(schema), columns.into_iter().collect::<Result<_>>()?)
        .map_err(|_| Error::bug("columns of records do not fit"))
}

/// Rows of a file as they were read: batches of one schema, of which a column of texts may be a
/// dictionary.
pub(super) struct Rows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Rows {
    pub(super) fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self { schema, batches }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Whether there is a column of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.schema.index_of(name).is_ok()
    }

    /// As one batch, from now on.
    ///
    /// # Errors
    /// Columns that are too large for one.
    pub(super) fn joined(&mut self) -> Result<&RecordBatch> {
        if !matches!(&self.batches[..], [one] if one.schema() == self.schema) {
            let mut parts = self.parts();
            let schema = Arc::clone(&self.schema);
            let columns = schema.fields().iter().map(|field| parts.remove(field.name()));
            let columns: Vec<_> = columns.map(Option::unwrap_or_default).collect();
            self.batches = match columns.iter().all(Vec::is_empty) {
                true => vec![RecordBatch::new_empty(schema)],
                false => vec![made(&schema, columns, |parts| concatenated(&parts))?],
            };
        }
        self.batches.first().ok_or_else(|| Error::bug("rows of a file are lost"))
    }

    /// Takes the rows: columns by name, each in parts.
    fn parts(&mut self) -> FxHashMap<String, Vec<ArrayRef>> {
        let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::new(); self.schema.fields().len()];
        for batch in std::mem::take(&mut self.batches) {
            let columns = batch.columns().iter();
            parts.iter_mut().zip(columns).for_each(|(own, column)| own.push(Arc::clone(column)));
        }
        let names = self.schema.fields().iter().map(|field| field.name().clone());
        names.zip(parts).collect()
    }

    /// The same rows with these columns alone, without copying.
    pub(super) fn only(&self, keep: impl Fn(&str) -> bool) -> Result<Self> {
        let fields = self.schema.fields().iter().enumerate();
        let kept: Vec<usize> =
            fields.filter(|(_, field)| keep(field.name())).map(|(place, _)| place).collect();
        let schema = self.schema.project(&kept).map(Arc::new);
        let batches = self.batches.iter().map(|batch| batch.project(&kept)).collect();
        let lost = |_| Error::bug("columns of a file cannot be chosen");
        Ok(Self { schema: schema.map_err(lost)?, batches: Result::map_err(batches, lost)? })
    }

    /// A column of texts as one, where it is there.
    pub(super) fn column(&self, name: &str) -> Result<Option<StringArray>> {
        let Ok(place) = self.schema.index_of(name) else { return Ok(None) };
        let parts: Vec<ArrayRef> =
            self.batches.iter().map(|batch| Arc::clone(batch.column(place))).collect();
        Ok(concatenated(&parts)?.as_string_opt::<i32>().cloned())
    }
}

/// Parts of a column as one, dictionaries of texts as texts.
fn concatenated(parts: &[ArrayRef]) -> Result<ArrayRef> {
    let plain = |part: &ArrayRef| match part.data_type() {
        DataType::Dictionary(_, texts) => cast(part, texts),
        _ => Ok(Arc::clone(part)),
    };
    let parts: Vec<ArrayRef> =
        parts.iter().map(plain).collect::<std::result::Result<_, _>>().map_err(|_| {
            Error::data("a column has texts of more than 2 GiB").help("divide the file")
        })?;
    match &parts[..] {
        [] => return Ok(new_empty_array(&DataType::Utf8)),
        [one] => return Ok(Arc::clone(one)),
        _ => {}
    }
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    concat(&parts).map_err(|_| Error::bug("parts of a column cannot be put together"))
}

/// The rows of files as records of kind `record`, sorted by (source, record_id): every column as it
/// is, by its own name. A column of the name of one that every record has is left out. Columns that
/// are `compared` are coded, for whoever compares them and chooses among their values.
pub(super) fn as_they_are(
    mut files: Vec<(&SourceFile, Rows)>,
    compared: &[String],
) -> Result<RecordBatch> {
    let mut attributes: Vec<&str> = Vec::new();
    for (export, _) in files.iter().flat_map(|(file, _)| &file.columns) {
        let own = export.as_str();
        if !tables::RECORD_COLUMNS.contains(&own) && !attributes.contains(&own) {
            attributes.push(own);
        }
    }
    // The parts of each column, of one file after another.
    let (mut sources, mut ids) = (Vec::new(), Vec::new());
    let mut columns: Vec<Vec<ArrayRef>> = vec![Vec::new(); attributes.len()];
    for (file, rows) in &mut files {
        let count = rows.count();
        let mut parts = rows.parts();
        let lost = || Error::bug(format!("{}: a column is lost", file.name));
        for (name, own) in attributes.iter().zip(&mut columns) {
            match file.columns.iter().find(|(export, _)| export == name) {
                Some((_, plain)) => own.extend(parts.get(plain).ok_or_else(lost)?.iter().cloned()),
                None => own.push(new_null_array(&DataType::Utf8, count)),
            }
        }
        match &file.parts {
            Some((column, _)) => {
                sources.extend(parts.get(column).ok_or_else(lost)?.iter().cloned())
            }
            None => sources.push(same(&file.name, count)),
        }
        let id = file.id.as_deref().unwrap_or("_row");
        for part in parts.remove(id).ok_or_else(lost)? {
            ids.push(cast(&part, &DataType::Utf8).map_err(|_| Error::bug("ids are no text"))?);
        }
    }
    let (source, record_id) =
        both(threads::count(), || concatenated(&sources), || concatenated(&ids))?;
    let (source, record_id) = (source?, record_id?);
    drop((sources, ids));
    let order = order(source.as_string(), record_id.as_string())?;
    let rows = source.len();
    let columns = attributes.iter().zip(columns);
    let columns = columns.map(|(name, own)| (own, compared.iter().any(|other| other == name)));
    let keys = [source, record_id].map(|key| (vec![key], false));
    let columns = keys.into_iter().chain(columns).collect();
    let (kind, columns) =
        both(threads::count(), || same("record", rows), || gathered(columns, order))?;
    let mut columns = columns?;
    columns.insert(2, kind);
    columns.push(Arc::new(TimestampMicrosecondArray::from_value(0, rows).with_timezone("UTC")));
    let names = ["source", "record_id", "kind"].into_iter().chain(attributes).chain(["updated_at"]);
    let field = |(place, (name, own)): (usize, (&str, &ArrayRef))| {
        Field::new(name, own.data_type().clone(), place > 2)
    };
    let fields: Vec<Field> = names.zip(&columns).enumerate().map(field).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|_| Error::bug("columns of records do not fit"))
}

fn same(text: &str, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)))
}

/// Columns of the same rows, each in parts and to be coded or not, with rows in this order; each on
/// a thread, where its parts are dropped.
fn gathered(columns: Vec<(Vec<ArrayRef>, bool)>, order: Option<Vec<u32>>) -> Result<Vec<ArrayRef>> {
    let rows = order.map(UInt32Array::from);
    let bytes = |(parts, _): &(Vec<ArrayRef>, bool)| -> usize {
        parts.iter().map(|part| part.get_buffer_memory_size()).sum()
    };
    let made = largest_first(columns, threads::count(), bytes, |(parts, compared)| {
        if compared {
            return coded(parts, rows.as_ref().map(|rows| &rows.values()[..]));
        }
        let whole = concatenated(&parts)?;
        drop(parts);
        match &rows {
            None => Ok(whole),
            Some(rows) => {
                take(&whole, rows, None).map_err(|_| Error::bug("records cannot be sorted"))
            }
        }
    })?;
    made.into_iter().collect()
}

fn text<'a>(records: &'a RecordBatch, name: &str) -> Result<&'a StringArray> {
    let column = records.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    column.ok_or_else(|| Error::bug(format!("records have no text `{name}`")))
}

/// Records of one kind, sorted by (source, record_id).
pub(super) fn sorted(mut records: RecordBatch, kind: &str) -> Result<RecordBatch> {
    let kinds = text(&records, "kind")?;
    let of_kind = |row: usize| kinds.is_valid(row) && kinds.value(row) == kind;
    if !all(0..records.num_rows(), threads::count(), of_kind)? {
        let own = BooleanArray::from_iter((0..records.num_rows()).map(|row| Some(of_kind(row))));
        let (schema, columns, _) = records.into_parts();
        records = made(&schema, columns, |column| {
            filter(&column, &own).map_err(|_| Error::bug("records without a kind"))
        })?;
    }
    let order = order(text(&records, "source")?, text(&records, "record_id")?)?;
    if order.is_none() {
        return Ok(records);
    }
    let (schema, columns, _) = records.into_parts();
    let columns = columns.into_iter().map(|column| (vec![column], false)).collect();
    let columns = gathered(columns, order)?;
    RecordBatch::try_new(schema, columns).map_err(|_| Error::bug("records cannot be sorted"))
}

/// The first eight bytes of a text: texts are in the order of these numbers, but for equal ones.
fn prefix(text: &str) -> u64 {
    let mut bytes = [0; 8];
    let length = text.len().min(8);
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    u64::from_be_bytes(bytes)
}

/// Rows by (source, record_id); `None` where they are so already.
fn order(source: &StringArray, record_id: &StringArray) -> Result<Option<Vec<u32>>> {
    let key = |row: usize| (source.value(row), record_id.value(row));
    if all(1..source.len(), threads::count(), |row| key(row - 1) <= key(row))? {
        return Ok(None);
    }
    let mut last = "";
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for name in source.iter().flatten() {
        // Sources come in runs.
        if name != last || names.is_empty() {
            names.insert(name);
            last = name;
        }
    }
    let names: Vec<&str> = names.into_iter().collect();
    let rank = |row: usize| names.binary_search(&source.value(row)).unwrap_or(names.len()) as u32;
    let key = |row: usize| (rank(row), row as u32, prefix(record_id.value(row)));
    let mut rows: Vec<(u32, u32, u64)> = map(source.len(), threads::count(), key)?;
    threads::sort_by(&mut rows, threads::count(), |left, right| {
        let ((source_l, l, prefix_l), (source_r, r, prefix_r)) = (left, right);
        let texts = || record_id.value(*l as usize).cmp(record_id.value(*r as usize));
        source_l.cmp(source_r).then(prefix_l.cmp(prefix_r)).then_with(texts).then(l.cmp(r))
    })?;
    Ok(Some(rows.into_iter().map(|(_, row, _)| row).collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Files read in batches of any size, with a column that only one of them has.
        #[test]
        fn rows_of_files_are_records_by_source_and_id(
            files in prop::collection::vec(prop::collection::btree_map("[a-c]{1,9}", prop::option::of("[xyz]{0,3}"), 0..20), 1..4),
            turned in any::<bool>(), batch in 1usize..30, compared in any::<bool>(),
        ) {
            let mut expected = Vec::new();
            let mut given = Vec::new();
            let own: Vec<SourceFile> = (0..files.len()).map(|place| SourceFile {
                name: format!("f{place}"),
                path: String::new(),
                id: Some("id".to_owned()),
                parts: None,
                columns: ["id", "value", "first"][..if place == 0 { 3 } else { 2 }]
                    .iter().map(|name| (name.to_uppercase(), (*name).to_owned())).collect(),
            }).collect();
            for (file, rows) in own.iter().zip(&files) {
                let first = file.columns.len() > 2;
                for (id, value) in rows {
                    let also = Some(id.clone()).filter(|_| first);
                    expected.push((file.name.clone(), id.clone(), id.clone(), value.clone(), also));
                }
                let mut rows: Vec<_> = rows.iter().collect();
                if turned {
                    rows.reverse();
                }
                let ids: StringArray = rows.iter().map(|(id, _)| Some(id)).collect();
                let values: StringArray = rows.iter().map(|(_, value)| value.as_deref()).collect();
                let ids: ArrayRef = Arc::new(ids);
                let mut columns = vec![("id", ids.clone()), ("value", Arc::new(values) as ArrayRef)];
                columns.extend(first.then_some(("first", ids)));
                let named = columns.into_iter().map(|(name, column)| (name, column, true));
                let whole = RecordBatch::try_from_iter_with_nullable(named).unwrap();
                let all = whole.num_rows();
                let cut = |from: usize| whole.slice(from, batch.min(all - from));
                let batches = (0..all).step_by(batch).map(cut).collect();
                given.push((file, Rows::new(whole.schema(), batches)));
            }
            let joined: Vec<usize> = given.iter_mut().map(|(_, rows)| {
                let count = rows.count();
                assert_eq!(rows.only(|name| name == "id").unwrap().count(), count);
                assert_eq!(rows.column("id").unwrap().unwrap().len(), count);
                assert!(rows.column("id ").unwrap().is_none() && !rows.has("id "));
                count
            }).collect();
            if batch == 1 {
                for ((_, rows), count) in given.iter_mut().zip(joined) {
                    assert_eq!(rows.joined().unwrap().num_rows(), count);
                }
            }
            let names: &[String] = if compared { &["VALUE".to_owned(), "FIRST".to_owned()] } else { &[] };
            let records = as_they_are(given, names).unwrap();
            let numbered = records.column_by_name("VALUE").unwrap().as_any_dictionary_opt();
            prop_assert_eq!(numbered.is_some(), compared);
            let column = |name: &str| {
                let column = cast(records.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
                column.as_string::<i32>().clone()
            };
            let names = ["source", "record_id", "ID", "VALUE", "FIRST"].map(column);
            let cell = |column: usize, row: usize| {
                let known = names[column].is_valid(row);
                known.then(|| names[column].value(row).to_owned())
            };
            let some = |column, row| cell(column, row).unwrap();
            let found: Vec<_> = (0..records.num_rows()).map(|row| {
                (some(0, row), some(1, row), some(2, row), cell(3, row), cell(4, row))
            }).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(column("kind").iter().flatten().filter(|kind| *kind == "record").count(), records.num_rows());
        }

        #[test]
        fn records_come_in_the_order_of_their_keys(
            keys in prop::collection::vec(("[ab]", "[a-c0é]{0,10}"), 0..40),
        ) {
            let text = |of: &dyn Fn(&(String, String)) -> String| {
                StringArray::from_iter_values(keys.iter().map(of))
            };
            let (source, id) = (text(&|key| key.0.clone()), text(&|key| key.1.clone()));
            let rows = order(&source, &id).unwrap().unwrap_or_else(|| (0..keys.len() as u32).collect());
            let mut expected: Vec<u32> = (0..keys.len() as u32).collect();
            expected.sort_by_key(|row| &keys[*row as usize]);
            prop_assert_eq!(rows, expected);
        }
    }

    #[test]
    fn only_records_of_the_kind_are_kept() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("source", Arc::new(StringArray::from(vec!["s"; 4]))),
            ("record_id", Arc::new(StringArray::from(vec!["3", "2", "10", "1"]))),
            ("kind", Arc::new(StringArray::from(vec!["a", "b", "a", "a"]))),
        ];
        let records = RecordBatch::try_from_iter(columns).unwrap();
        let found = sorted(records, "a").unwrap();
        let ids: Vec<&str> = text(&found, "record_id").unwrap().iter().flatten().collect();
        assert_eq!(ids, ["1", "10", "3"]);
    }
}
