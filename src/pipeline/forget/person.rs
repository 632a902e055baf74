//! Which rows and values are those of the people to be forgotten, and tables without them.
//!
//! A row is theirs by its keys: a record's address, a golden id, the subject of a raw row. A value is
//! theirs where a removed row held it and no other row does. Pure: Arrow in, Arrow out.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::DataType;
use regex::{Regex, RegexBuilder};

use crate::error::{Error, Result};
use crate::resolve::RecordKey;

/// What stands in the place of a value that must be known.
pub(super) const ERASED: &str = "[erased]";

/// The fewest characters by which a value alone says who it is of.
const LEAST: usize = 6;

/// People to be forgotten: their records, their golden ids, and values that nobody else has.
#[derive(Debug, Clone, Default)]
pub(super) struct People {
    pub records: BTreeSet<RecordKey>,
    /// Those that they have, and had: ids merged into theirs among them.
    pub golden_ids: BTreeSet<String>,
    /// How many customers they are.
    pub customers: usize,
    /// As [`plain`] has them.
    pub values: HashSet<String>,
    /// The ids of their records that alone say whose they are.
    pub ids: HashSet<String>,
    /// Columns that hold the id of another record.
    pub references: BTreeSet<String>,
}

/// A table without them.
pub(super) struct Cut {
    pub batch: RecordBatch,
    /// Rows that were theirs.
    pub rows: u64,
    /// Values in others' rows that were taken out.
    pub cells: u64,
}

/// A value in one spelling.
pub(super) fn plain(text: &str) -> String {
    text.trim().to_lowercase()
}

/// The values that may stand in a row as a file has it, whatever the file's kind.
pub(super) fn parts(row: &str) -> impl Iterator<Item = &str> {
    let marks = |c: char| {
        matches!(c, ',' | ';' | '|' | '\t' | '\n' | '\r' | '"' | '\'' | '{' | '}' | '[' | ']')
    };
    let fields = row.split(marks);
    // A colon parts a name from its value in JSON, and stands within an address.
    fields.clone().chain(fields.flat_map(|field| field.split(':')))
}

/// Whether a value alone says who it is of.
pub(super) fn tells(value: &str) -> bool {
    value.chars().count() >= LEAST
}

/// Columns that hold sentences and lists, in which a value or an address may stand.
const SENTENCES: &[&str] = &["cause", "evidence", "raw", "reason", "why"];

/// Pairs of columns that name a record.
const RECORDS: &[(&str, &str)] = &[
    ("source", "record_id"),
    ("source_l", "record_id_l"),
    ("source_r", "record_id_r"),
    ("source", "followed_record_id"),
    ("source", "referred_record_id"),
];

/// Columns that name a customer.
const IDS: &[&str] = &["golden_id", "old_golden_id", "other_golden_id"];

/// Columns that hold a record's address.
const ADDRESSES: &[&str] = &["a", "b", "address"];

fn text(batch: &RecordBatch, name: &str) -> Option<StringArray> {
    let column = batch.column_by_name(name)?;
    match column.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let column = cast(column, &DataType::Utf8).ok()?;
            Some(column.as_string::<i32>().clone())
        }
        _ => None,
    }
}

impl People {
    /// Which rows are theirs by the table's own keys.
    pub(super) fn owns(&self, batch: &RecordBatch) -> Vec<bool> {
        let mut owned = vec![false; batch.num_rows()];
        for (source, record) in RECORDS {
            let (Some(source), Some(record)) = (text(batch, source), text(batch, record)) else {
                continue;
            };
            for (row, owned) in owned.iter_mut().enumerate() {
                if source.is_valid(row) && record.is_valid(row) {
                    *owned |= self.holds(source.value(row), record.value(row));
                }
            }
        }
        for column in IDS.iter().filter_map(|name| text(batch, name)) {
            for (row, owned) in owned.iter_mut().enumerate() {
                *owned |= column.is_valid(row) && self.golden_ids.contains(column.value(row));
            }
        }
        for column in ADDRESSES.iter().filter_map(|name| text(batch, name)) {
            for (row, owned) in owned.iter_mut().enumerate() {
                *owned |= column.is_valid(row)
                    && RecordKey::parse(column.value(row))
                        .is_some_and(|k| self.records.contains(&k));
            }
        }
        owned
    }

    /// Whether a record is theirs.
    pub(super) fn holds(&self, source: &str, record_id: &str) -> bool {
        self.records.contains(&RecordKey::new(source, record_id))
    }

    /// Takes up the texts of their rows, of these columns.
    pub(super) fn collect(&mut self, batch: &RecordBatch, owned: &[bool], columns: &[String]) {
        for column in columns.iter().filter_map(|name| text(batch, name)) {
            let own = owned.iter().enumerate().filter(|(row, own)| **own && column.is_valid(*row));
            let values = own.map(|(row, _)| plain(column.value(row)));
            self.values.extend(values.filter(|value| tells(value)));
        }
    }

    /// Gives up the texts that another row has too, in any column.
    pub(super) fn release(&mut self, batch: &RecordBatch, owned: &[bool]) {
        let schema = batch.schema();
        for column in schema.fields().iter().filter_map(|field| text(batch, field.name())) {
            for (row, own) in owned.iter().enumerate() {
                if !own && column.is_valid(row) && !self.values.is_empty() {
                    self.values.remove(&plain(column.value(row)));
                }
            }
        }
    }

    /// Finds their addresses and ids within sentences.
    pub(super) fn finder(&self) -> Result<Finder> {
        let records = self.records.iter().map(ToString::to_string);
        let texts: BTreeSet<String> = records.chain(self.golden_ids.iter().cloned()).collect();
        if texts.is_empty() {
            return Ok(Finder { pattern: None });
        }
        let all: Vec<String> = texts.iter().map(|text| regex::escape(text)).collect();
        let pattern = format!(r"(^|[^\p{{L}}\p{{N}}])(?:{})($|[^\p{{L}}\p{{N}}])", all.join("|"));
        RegexBuilder::new(&pattern)
            .size_limit(1 << 28)
            .build()
            .map(|pattern| Finder { pattern: Some(pattern) })
            .map_err(|_| Error::bug("those to be forgotten cannot be searched for"))
    }

    /// Whether a row as a file has it, or any other text, names one of them.
    pub(super) fn named_in(&self, text: &str, finder: &Finder) -> bool {
        let theirs =
            |part: &str| self.values.contains(&plain(part)) || self.ids.contains(part.trim());
        parts(text).any(theirs) || finder.finds(text)
    }

    /// Whether a cell of a table is theirs.
    pub(super) fn holds_cell(&self, column: &str, value: &str, finder: &Finder) -> bool {
        match column {
            "raw" => self.named_in(value, finder),
            _ if SENTENCES.contains(&column) => finder.finds(value),
            _ => {
                // A number alone may be anything's: it is an id only where it is said to be one.
                let told =
                    || self.references.contains(column) || value.contains(char::is_alphabetic);
                self.values.contains(&plain(value)) || (self.ids.contains(value) && told())
            }
        }
    }

    /// A table without their rows and values; none where it holds neither. `subjects` are rows that
    /// are theirs by more than the table's own keys.
    pub(super) fn cut(
        &self,
        batch: &RecordBatch,
        subjects: Option<&[bool]>,
        finder: &Finder,
    ) -> Result<Option<Cut>> {
        let mut owned = self.owns(batch);
        for (own, more) in owned.iter_mut().zip(subjects.unwrap_or_default()) {
            *own |= more;
        }
        let rows = owned.iter().filter(|own| **own).count() as u64;
        let keep: BooleanArray = owned.iter().map(|own| Some(!own)).collect();
        let kept =
            filter_record_batch(batch, &keep).map_err(|_| Error::bug("a table cannot be cut"))?;
        let mut cells = 0;
        let mut columns = Vec::with_capacity(kept.num_columns());
        let schema = kept.schema();
        for (field, column) in schema.fields().iter().zip(kept.columns()) {
            let Some(texts) = text(&kept, field.name()) else {
                columns.push(Arc::clone(column));
                continue;
            };
            let sentence = SENTENCES.contains(&field.name().as_str());
            let mut changed = 0;
            let cut: StringArray = (0..texts.len())
                .map(|row| {
                    if texts.is_null(row) {
                        return None;
                    }
                    let value = texts.value(row);
                    let cut = match sentence {
                        true => self.sentence(field.name(), value, finder),
                        false => self.holds_cell(field.name(), value, finder).then_some(None),
                    };
                    match cut {
                        None => Some(value.to_owned()),
                        Some(cut) => {
                            changed += 1;
                            cut.or_else(|| (!field.is_nullable()).then(|| ERASED.to_owned()))
                        }
                    }
                })
                .collect();
            cells += changed;
            if changed == 0 {
                columns.push(Arc::clone(column));
                continue;
            }
            let cut: ArrayRef = Arc::new(cut);
            let cut =
                cast(&cut, field.data_type()).map_err(|_| Error::bug("a text that is no text"))?;
            columns.push(cut);
        }
        if rows + cells == 0 {
            return Ok(None);
        }
        let batch = RecordBatch::try_new(schema, columns)
            .map_err(|_| Error::bug("a table that was cut lost its shape"))?;
        Ok(Some(Cut { batch, rows, cells }))
    }

    /// A sentence without them: `None` if it does not name them, else what is left of it.
    fn sentence(&self, column: &str, text: &str, finder: &Finder) -> Option<Option<String>> {
        // What a last event lists is read again: it stays a list.
        if let Some((words, list)) = text.split_once("records: ")
            && let Ok(addresses) = serde_json::from_str::<Vec<String>>(list)
        {
            let kept: Vec<&String> = addresses
                .iter()
                .filter(|own| !RecordKey::parse(own).is_some_and(|k| self.records.contains(&k)))
                .collect();
            let words_cut = finder.cut(words);
            if kept.len() == addresses.len() && words_cut.is_none() {
                return None;
            }
            let words = words_cut.unwrap_or_else(|| words.to_owned());
            let list = serde_json::to_string(&kept).unwrap_or_else(|_| "[]".to_owned());
            return Some(Some(format!("{words}records: {list}")));
        }
        if column == "raw" {
            // Nothing of it may be left: what stands beside a name is of the same person.
            return self.named_in(text, finder).then_some(None);
        }
        finder.cut(text).map(Some)
    }

    /// Takes up the ids of their records that no other record has, in whatever source.
    pub(super) fn name_ids(&mut self, others: &BTreeSet<RecordKey>) {
        let others: HashSet<&str> = others.iter().map(|own| own.record_id.as_str()).collect();
        let ids = self.records.iter().map(|own| own.record_id.clone());
        self.ids = ids.filter(|id| tells(id) && !others.contains(id.as_str())).collect();
    }
}

/// Finds people's addresses and ids within sentences.
pub(super) struct Finder {
    pattern: Option<Regex>,
}

impl Finder {
    /// The text without them; none where it does not name them.
    pub(super) fn cut(&self, text: &str) -> Option<String> {
        let pattern = self.pattern.as_ref()?;
        let mut left = text.to_owned();
        // Twice: two values may share the mark between them.
        let mut found = false;
        while pattern.is_match(&left) {
            found = true;
            left = pattern.replace_all(&left, format!("${{1}}{ERASED}${{2}}")).into_owned();
        }
        found.then_some(left)
    }

    /// Whether any of them stands in a text.
    pub(super) fn finds(&self, text: &str) -> bool {
        self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(columns: &[(&str, Vec<Option<&str>>)]) -> RecordBatch {
        let columns = columns.iter().map(|(name, values)| {
            (*name, Arc::new(StringArray::from(values.clone())) as ArrayRef, true)
        });
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    fn people() -> People {
        let mut people = People::default();
        people.records.insert(RecordKey::new("crm", "C-1"));
        people.golden_ids.insert("cgone".to_owned());
        people
    }

    #[test]
    fn rows_are_theirs_by_any_key() {
        let people = people();
        let two = |a, b| vec![Some(a), Some(b)];
        let by = |columns: &[(&str, Vec<Option<&str>>)]| people.owns(&batch(columns));
        assert_eq!(
            by(&[("source", two("crm", "crm")), ("record_id", two("C-2", "C-1"))]),
            [false, true]
        );
        assert_eq!(
            by(&[("source_r", two("crm", "pos")), ("record_id_r", two("C-1", "C-1"))]),
            [true, false]
        );
        assert_eq!(by(&[("other_golden_id", two("cgone", "cx"))]), [true, false]);
        assert_eq!(
            by(&[("a", two("crm:C-2", "crm:C-1")), ("b", two("x:1", "y:1"))]),
            [false, true]
        );
    }

    #[test]
    fn values_that_another_holds_are_not_theirs() {
        let mut people = people();
        let rows = batch(&[
            ("source", vec![Some("crm"), Some("crm")]),
            ("record_id", vec![Some("C-1"), Some("C-2")]),
            ("email", vec![Some("Only@mine.org"), None]),
            ("phone", vec![Some("+201012345678"), Some("+201012345678")]),
            ("city", vec![Some("Giza"), None]),
        ]);
        let owned = people.owns(&rows);
        let columns = ["email", "phone", "city"].map(str::to_owned);
        people.collect(&rows, &owned, &columns);
        people.release(&rows, &owned);
        assert_eq!(people.values, HashSet::from(["only@mine.org".to_owned()]), "Giza is too short");
    }

    #[test]
    fn a_table_is_cut_and_sentences_lose_only_what_names_them() {
        let mut people = people();
        people.values.insert("only@mine.org".to_owned());
        let finder = people.finder().unwrap();
        let events = batch(&[
            ("golden_id", vec![Some("cgone"), Some("ckept"), Some("cother")]),
            (
                "cause",
                vec![
                    Some("new record crm:C-1"),
                    Some("pair crm:C-1 crm:C-10; records: [\"crm:C-1\",\"crm:C-10\"]"),
                    Some("new record crm:C-10"),
                ],
            ),
            ("mail", vec![None, Some("ONLY@mine.org"), Some("not-only@mine.org.uk")]),
        ]);
        let cut = people.cut(&events, None, &finder).unwrap().unwrap();
        assert_eq!((cut.rows, cut.cells), (1, 2));
        let causes = text(&cut.batch, "cause").unwrap();
        assert_eq!(causes.value(0), "pair [erased] crm:C-10; records: [\"crm:C-10\"]");
        assert_eq!(causes.value(1), "new record crm:C-10");
        let mails = text(&cut.batch, "mail").unwrap();
        assert!(mails.is_null(0) && mails.value(1) == "not-only@mine.org.uk");
        let raw = batch(&[("raw", vec![Some("1;only@mine.org;x"), Some("2;b@c.org;y")])]);
        let cut = people.cut(&raw, None, &finder).unwrap().unwrap();
        let left = text(&cut.batch, "raw").unwrap();
        assert!(left.is_null(0) && left.value(1) == "2;b@c.org;y");
        for id in ["C-000777", "1000234", "B-000001"] {
            people.records.insert(RecordKey::new("crm", id));
        }
        people.name_ids(&BTreeSet::from([RecordKey::new("shop", "B-000001")]));
        people.references.insert("customer_no".to_owned());
        let rows = batch(&[
            ("referred_by", vec![Some("C-000777"), Some("C-000778"), Some("B-000001")]),
            ("customer_no", vec![Some("1000234"), None, None]),
            ("invoice_no", vec![Some("1000234"), None, None]),
        ]);
        let cut = people.cut(&rows, None, &finder).unwrap().unwrap();
        assert_eq!((cut.rows, cut.cells), (0, 2), "an id that another has, or a number, stays");
        let others = batch(&[("golden_id", vec![Some("ckept")])]);
        assert!(people.cut(&others, None, &finder).unwrap().is_none());
    }
}
