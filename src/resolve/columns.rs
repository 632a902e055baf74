//! Columns, not rows: each compared column is dictionary-coded once, so that equal values are equal
//! codes and term frequencies are counts.
//!
//! Knows Arrow arrays and codes; refuses to know what a column means or who compares it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, UInt32Type};
use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::intern::{Arena, Numbers, Texts};
use crate::threads::{self, largest_first, parallel, ranges};

/// Values that a thread normalises together.
const TOGETHER: usize = 1024;

/// Values of which those that change are held at once.
const HELD: usize = if cfg!(test) { 7 } else { 1 << 18 };

/// The code of a null.
pub(crate) const MISSING: u32 = u32::MAX;

/// Of a value that stays as it is.
const SAME: u32 = MISSING - 1;

/// Reads values for nothing but this: memory that is slow to answer answers for many of them together,
/// where who looks at one after another waits for each.
pub(crate) fn touch(values: impl Iterator<Item = u32>) {
    std::hint::black_box(values.fold(0, |touched, value| touched ^ value));
}

/// The distinct values of a column, by code.
#[derive(Debug)]
pub(crate) enum Values {
    /// Of its own.
    Own(Arena),
    /// Those of an array.
    Array(StringArray),
}

impl Values {
    /// The number of distinct values.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Own(own) => own.len(),
            Self::Array(own) => own.len(),
        }
    }

    /// The value of a code.
    pub(crate) fn get(&self, code: u32) -> &str {
        match self {
            Self::Own(own) => own.get(code),
            Self::Array(own) => own.value(code as usize),
        }
    }

    /// The bytes of all values.
    fn bytes(&self) -> usize {
        match self {
            Self::Own(own) => own.bytes(),
            Self::Array(own) => own.value_data().len(),
        }
    }
}

/// A column as codes: one code a row, `MISSING` for null, and the distinct values.
#[derive(Debug)]
pub(crate) struct Dictionary {
    /// One code a row.
    pub(crate) codes: Vec<u32>,
    /// The distinct values, by code.
    pub(crate) values: Arc<Values>,
}

/// Any array as text. Dates come as `YYYY-MM-DD`, numbers in their shortest form.
fn as_text(array: &ArrayRef, what: &str) -> Result<StringArray> {
    if array.data_type() == &DataType::Utf8 {
        return Ok(array.as_string::<i32>().clone());
    }
    // The foreign message may quote a value, so it is not passed on.
    let text = cast(array, &DataType::Utf8).map_err(|_| {
        Error::configuration(format!(
            "`{what}` gives {}, which has no text form",
            array.data_type()
        ))
        .help("cast it to text in the expression")
    })?;
    Ok(text.as_string::<i32>().clone())
}

impl Dictionary {
    /// Codes an array as it is. Empty and blank texts are missing.
    pub(crate) fn plain(array: &ArrayRef, what: &str) -> Result<Self> {
        let text = as_text(array, what)?;
        let offsets = text.value_offsets();
        let bytes = offsets[text.len()] - offsets[0];
        let mut known = Texts::with_room(text.len(), bytes as usize);
        let said = |value: &&str| !value.trim_ascii_start().is_empty();
        let codes = known.numbers(text.iter().map(|value| value.filter(said)), MISSING);
        Self { codes, values: Arc::new(Values::Own(known.values)) }.without_blanks()
    }

    /// Takes over what is coded: see [`coded`](super::coded::coded). Empty and blank texts are missing.
    fn coded(array: &DictionaryArray<UInt32Type>) -> Result<Self> {
        let values = array.values().as_string_opt::<i32>();
        let values = values.ok_or_else(|| Error::bug("a coded column is no text"))?.clone();
        let keys = array.keys();
        let codes = match keys.nulls() {
            None => keys.values().to_vec(),
            Some(_) => keys.iter().map(|key| key.unwrap_or(MISSING)).collect(),
        };
        Self { codes, values: Arc::new(Values::Array(values)) }.without_blanks()
    }

    fn without_blanks(self) -> Result<Self> {
        // White space of other scripts is seen once for each distinct value.
        let blank = |code| self.values.get(code).trim().is_empty();
        match (0..self.values.len() as u32).any(blank) {
            true => self.normalised(|text| Some(Cow::Borrowed(text))),
            false => Ok(self),
        }
    }

    /// Codes an array as it is, blank texts too, but for rows that say nothing anywhere: for what is
    /// asked of rows and not of values.
    pub(crate) fn exact(array: &ArrayRef, what: &str, silent: &[bool]) -> Result<Self> {
        let text = as_text(array, what)?;
        let mut known = Texts::default();
        let codes = text.iter().enumerate().map(|(row, value)| match value {
            Some(value) if !silent.get(row).is_some_and(|silent| *silent) => known.number(value),
            _ => MISSING,
        });
        Ok(Self { codes: codes.collect(), values: Arc::new(Values::Own(known.values)) })
    }

    /// By row, whether all of these columns are null or blank.
    pub(crate) fn silent(columns: &[(String, ArrayRef)]) -> Result<Vec<bool>> {
        let mut silent = vec![true; columns.first().map_or(0, |own| own.1.len())];
        for (what, array) in columns {
            for (value, silent) in as_text(array, what)?.iter().zip(&mut silent) {
                *silent &= value.is_none_or(|value| value.trim().is_empty());
            }
        }
        Ok(silent)
    }

    /// The same column after `normalise`, which is called once for each distinct value, on threads,
    /// and gives `None` for a value that says nothing. What it leaves blank is missing.
    ///
    /// Most values mostly stay as they are: only those that change are looked up among each other.
    ///
    /// # Errors
    /// Where a thread failed.
    pub(crate) fn normalised(
        &self,
        normalise: impl for<'a> Fn(&'a str) -> Option<Cow<'a, str>> + Sync,
    ) -> Result<Self> {
        let normal = |codes: Range<usize>| {
            // Of each value whether it stays as it is, and what the others become.
            let (mut same, mut texts) = (Vec::with_capacity(codes.len()), Vec::new());
            for code in codes {
                let text = self.values.get(code as u32);
                same.push(match normalise(text).filter(|text| !text.trim().is_empty()) {
                    None => MISSING,
                    Some(normal) if normal == text => SAME,
                    Some(normal) => {
                        texts.push((code, normal));
                        SAME
                    }
                });
            }
            (same, texts)
        };
        let mut changed = Texts::default();
        // By value, the number of what it becomes.
        let mut becomes: Vec<u32> = Vec::with_capacity(self.values.len());
        for held in ranges(self.values.len(), HELD) {
            let parts = ranges(held.len(), TOGETHER);
            let part = |(): &mut (), place: usize| {
                let own = &parts[place];
                normal(held.start + own.start..held.start + own.end)
            };
            for (same, texts) in parallel(parts.len(), threads::count(), || (), part)? {
                becomes.extend(same);
                let numbers = changed.numbers(texts.iter().map(|(_, text)| Some(&**text)), MISSING);
                texts.iter().zip(numbers).for_each(|((code, _), number)| becomes[*code] = number);
            }
        }
        if becomes.iter().all(|own| *own == SAME) {
            return Ok(Self { codes: self.codes.clone(), values: Arc::clone(&self.values) });
        }
        // What stays as it is may be what another value becomes.
        for codes in ranges(self.values.len(), TOGETHER) {
            let same = |code: usize| (becomes[code] == SAME).then(|| self.values.get(code as u32));
            let found = changed.find(codes.clone().map(same), SAME);
            let own = becomes[codes].iter_mut().zip(found);
            own.filter(|(own, _)| **own == SAME).for_each(|(own, found)| *own = found);
        }
        let mut values = Arena::with_room(self.values.len(), self.values.bytes());
        let mut code_of = vec![MISSING; changed.values.len()];
        for (code, own) in (0..).zip(&mut becomes) {
            *own = match *own {
                MISSING => MISSING,
                SAME => values.push(self.values.get(code)),
                number => {
                    let code = &mut code_of[number as usize];
                    if *code == MISSING {
                        *code = values.push(changed.values.get(number));
                    }
                    *code
                }
            };
        }
        let of = |code: &u32| if *code == MISSING { MISSING } else { becomes[*code as usize] };
        let codes = self.codes.iter().map(of).collect();
        Ok(Self { codes, values: Arc::new(Values::Own(values)) })
    }
}

/// The columns of expressions, each coded once for all that read it.
pub(crate) struct Columns<'a> {
    arrays: &'a HashMap<String, ArrayRef>,
    coded: FxHashMap<&'a str, Arc<Dictionary>>,
}

fn is_list(array: &ArrayRef) -> bool {
    matches!(
        array.data_type(),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)
    )
}

impl<'a> Columns<'a> {
    /// Codes what these expressions give, but for lists, which each reader takes apart in its way;
    /// what is `coded` is taken over.
    pub(crate) fn new(
        arrays: &'a HashMap<String, ArrayRef>,
        expressions: &[&'a str],
        coded: bool,
        threads: usize,
    ) -> Result<Self> {
        let mut plain = Self { arrays, coded: FxHashMap::default() };
        let mut wanted: Vec<(&str, &ArrayRef)> = Vec::new();
        for expression in expressions {
            let array = plain.array(expression)?;
            if !is_list(array) && wanted.iter().all(|(own, _)| own != expression) {
                wanted.push((expression, array));
            }
        }
        let bytes = |(_, array): &(&str, &ArrayRef)| array.get_buffer_memory_size();
        let made =
            largest_first(wanted.clone(), threads, bytes, |(expression, array)| {
                match array.as_dictionary_opt().filter(|_| coded) {
                    Some(own) => Dictionary::coded(own),
                    None => Dictionary::plain(array, expression),
                }
            })?;
        for ((expression, _), dictionary) in wanted.iter().zip(made) {
            plain.coded.insert(expression, Arc::new(dictionary?));
        }
        Ok(plain)
    }

    /// The array of an expression.
    pub(crate) fn array(&self, expression: &str) -> Result<&'a ArrayRef> {
        self.arrays.get(expression).ok_or_else(|| {
            Error::bug(format!("the expression `{expression}` was not evaluated over the records"))
        })
    }

    /// How many distinct values an expression gives; of a list nobody knows.
    pub(crate) fn distinct(&self, expression: &str) -> usize {
        self.coded.get(expression).map_or(usize::MAX, |own| own.values.len())
    }

    /// What an expression gives, as text; a list as `list` says.
    pub(crate) fn text(
        &self,
        expression: &str,
        list: impl Fn(&ArrayRef) -> ArrayRef,
    ) -> Result<Arc<Dictionary>> {
        match self.coded.get(expression) {
            Some(coded) => Ok(Arc::clone(coded)),
            None => Ok(Arc::new(Dictionary::plain(&list(self.array(expression)?), expression)?)),
        }
    }

    /// What an expression gives, as a blocking key.
    pub(crate) fn keys(&self, expression: &str) -> Result<Keys> {
        match self.coded.get(expression) {
            Some(coded) => Ok(Keys::One(Arc::clone(coded))),
            None => Keys::encode(self.array(expression)?, expression),
        }
    }
}

/// A blocking key: for each row one code, or where the array is a list, several.
#[derive(Debug)]
pub(crate) enum Keys {
    /// One code a row, `MISSING` for null.
    One(Arc<Dictionary>),
    /// Codes of row `i` are `codes[starts[i]..starts[i + 1]]`, sorted, without repetition.
    Many {
        /// Where each row's codes start, and one past the last.
        starts: Vec<usize>,
        /// The codes of all rows.
        codes: Vec<u32>,
    },
}

impl Keys {
    /// Codes a key array; a list is taken apart, so that a row is in a block for each element.
    pub(crate) fn encode(array: &ArrayRef, what: &str) -> Result<Self> {
        let array = match array.data_type() {
            DataType::List(field) => {
                cast(array, &DataType::LargeList(field.clone())).map_err(|_| {
                    Error::configuration(format!(
                        "`{what}` gives a list that cannot be read as a key"
                    ))
                })?
            }
            _ => array.clone(),
        };
        if !matches!(array.data_type(), DataType::LargeList(_)) {
            return Ok(Self::One(Arc::new(Dictionary::plain(&array, what)?)));
        }
        let lists = array.as_list::<i64>();
        let elements = Dictionary::plain(lists.values(), what)?;
        let offsets = lists.value_offsets();
        let mut starts = vec![0];
        let mut codes = Vec::with_capacity(elements.codes.len());
        for row in 0..lists.len() {
            if !lists.is_null(row) {
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                let mut own: Vec<u32> =
                    elements.codes[range].iter().copied().filter(|code| *code != MISSING).collect();
                own.sort_unstable();
                own.dedup();
                codes.extend(own);
            }
            starts.push(codes.len());
        }
        Ok(Self::Many { starts, codes })
    }

    /// The codes of a row; none where the key is null.
    pub(crate) fn of(&self, row: usize) -> &[u32] {
        match self {
            Self::One(own) if own.codes[row] == MISSING => &[],
            Self::One(own) => &own.codes[row..=row],
            Self::Many { starts, codes } => &codes[starts[row]..starts[row + 1]],
        }
    }

    /// One more than the largest code.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::One(own) => own.values.len(),
            Self::Many { codes, .. } => codes.iter().max().map_or(0, |code| *code as usize + 1),
        }
    }
}

/// Several columns as one: a code for each distinct tuple of values. A tuple of nulls only is
/// `MISSING`; one with some values known is a tuple of its own.
#[derive(Debug)]
pub(crate) struct Tuples {
    /// How many rows hold each code.
    pub(crate) counts: Vec<u32>,
    values: Vec<Arc<Values>>,
    /// Column codes of each tuple, tuple after tuple; none where there is one column, whose codes
    /// are those of tuples.
    parts: Vec<u32>,
}

impl Tuples {
    /// Joins columns of the same number of rows; gives the code of each row beside.
    pub(crate) fn new(columns: Vec<Dictionary>) -> (Self, Vec<u32>) {
        // Columns of few values first: what they are together is found in less memory.
        let mut few_first: Vec<&Dictionary> = columns.iter().collect();
        few_first.sort_by_key(|column| column.values.len());
        let mut few_first = few_first.into_iter();
        let mut codes = few_first.next().map_or_else(Vec::new, |column| column.codes.clone());
        for column in few_first {
            let key = |(code, next): (&u32, &u32)| {
                let some = *code != MISSING || *next != MISSING;
                some.then(|| u64::from(*code) << 32 | u64::from(*next))
            };
            let keys = codes.iter().zip(&column.codes).map(key);
            codes = Numbers::default().numbers(keys, MISSING);
        }
        // Numbers are by first row, and none before is skipped.
        let mut counts: Vec<u32> = Vec::with_capacity(codes.len());
        let mut parts = Vec::with_capacity(if columns.len() > 1 { codes.len() } else { 0 });
        for (row, code) in codes.iter().enumerate().filter(|(_, code)| **code != MISSING) {
            let code = *code as usize;
            if code == counts.len() {
                counts.push(0);
                if columns.len() > 1 {
                    parts.extend(columns.iter().map(|column| column.codes[row]));
                }
            }
            counts[code] += 1;
        }
        let values = columns.into_iter().map(|column| column.values).collect();
        (Self { counts, values, parts }, codes)
    }

    /// The number of distinct tuples.
    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }

    /// The code within its column of one part of a tuple.
    pub(crate) fn part_code(&self, code: u32, column: usize) -> u32 {
        if self.values.len() == 1 {
            return code;
        }
        self.parts[code as usize * self.values.len() + column]
    }

    /// The codes within their columns of all parts of a tuple of so many columns.
    #[inline]
    pub(crate) fn part_codes<const COLUMNS: usize>(&self, code: u32) -> [u32; COLUMNS] {
        let own = self.parts.get(code as usize * COLUMNS..).and_then(<[u32]>::first_chunk);
        own.copied().unwrap_or([MISSING; COLUMNS])
    }

    /// The text of one part of a tuple, where it is known.
    pub(crate) fn part(&self, code: u32, column: usize) -> Option<&str> {
        match self.part_code(code, column) {
            MISSING => None,
            part => Some(self.values[column].get(part)),
        }
    }

    /// The distinct values of one column, to prepare something once for each.
    pub(crate) fn values(&self, column: usize) -> &Values {
        &self.values[column]
    }

    /// A hash of a tuple's values that does not depend on codes: 128 bits of BLAKE3 as hex.
    pub(crate) fn value_hash(&self, code: u32) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("simurgh term frequency 1");
        for column in 0..self.values.len() {
            let text = self.part(code, column);
            hasher.update(&text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
            hasher.update(text.unwrap_or_default().as_bytes());
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, ListBuilder, StringBuilder};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The oracle normalises every row and codes the column anew.
        #[test]
        fn normal_values_are_those_of_each_row(
            texts in prop::collection::vec(prop::option::of("[abAB]{1,2}|[x-]"), 0..60),
            drops in any::<bool>(),
        ) {
            fn normal(text: &str, drops: bool) -> Option<Cow<'_, str>> {
                match text {
                    "-" if drops => None,
                    "x" => Some(" ".into()),
                    "a" => Some(text.into()),
                    text => Some(text.to_lowercase().into()),
                }
            }
            let plain: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
            let coded = Dictionary::plain(&text(&plain), "x").unwrap();
            let found = coded.normalised(|text| normal(text, drops)).unwrap();
            let each: Vec<Option<Cow<'_, str>>> =
                plain.iter().map(|own| own.and_then(|text| normal(text, drops))).collect();
            let each: Vec<Option<&str>> = each.iter().map(Option::as_deref).collect();
            let expected = Dictionary::plain(&text(&each), "x").unwrap();
            prop_assert_eq!(&found.codes, &expected.codes);
            let values = |own: &Dictionary| -> Vec<String> {
                (0..own.values.len() as u32).map(|code| own.values.get(code).to_owned()).collect()
            };
            prop_assert_eq!(values(&found), values(&expected));
        }
    }

    fn text(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    #[test]
    fn equal_values_are_equal_codes_and_blanks_are_missing() {
        let column =
            Dictionary::plain(&text(&[Some("b"), None, Some("a"), Some("b"), Some(" ")]), "x")
                .unwrap();
        assert_eq!(column.codes, [0, MISSING, 1, 0, MISSING]);
        assert_eq!(
            (column.values.len(), column.values.get(0), column.values.get(1)),
            (2, "b", "a")
        );
    }

    #[test]
    fn dates_are_coded_by_their_iso_text() {
        let dates: ArrayRef = Arc::new(Date32Array::from(vec![Some(0), Some(365), None]));
        let column = Dictionary::plain(&dates, "x").unwrap();
        assert_eq!((column.values.get(0), column.values.get(1)), ("1970-01-01", "1971-01-01"));
    }

    #[test]
    fn tuples_keep_what_is_known_of_each_part() {
        let given =
            Dictionary::plain(&text(&[Some("a"), None, Some("a"), None, Some("a")]), "x").unwrap();
        let family =
            Dictionary::plain(&text(&[Some("f"), Some("f"), Some("f"), None, None]), "y").unwrap();
        let (tuples, codes) = Tuples::new(vec![given, family]);
        assert_eq!(codes, [0, 1, 0, MISSING, 2]);
        assert_eq!(tuples.counts, [2, 1, 1]);
        assert_eq!(
            (tuples.part(1, 0), tuples.part(1, 1), tuples.part(2, 1)),
            (None, Some("f"), None)
        );
        assert_ne!(tuples.value_hash(0), tuples.value_hash(1));
    }

    #[test]
    fn a_list_key_is_taken_apart() {
        let mut lists = ListBuilder::new(StringBuilder::new());
        lists.append_value([Some("b"), Some("a"), Some("b"), None]);
        lists.append_null();
        lists.append_value([Some("a")]);
        let array: ArrayRef = Arc::new(lists.finish());
        let keys = Keys::encode(&array, "x").unwrap();
        assert_eq!((keys.of(0), keys.of(1), keys.of(2)), (&[0, 1][..], &[][..], &[1][..]));
    }
}
