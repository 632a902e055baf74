//! Survivorship rules, a file each: how well a candidate is placed to give a golden value.
//!
//! A rule measures; it does not decide. Candidates are ordered by the rule's measure, then by
//! recency, then by the priority of their source, then by (source, record_id): a total order, so
//! that a winner never depends on the order of rows. A rule measures candidates of many customers
//! at once, because their values lie far apart in memory: to fetch many costs little more than to
//! wait for one. Knows nothing of columns' names or of tables.

mod expression;
mod longest;
mod most_complete;
mod most_frequent;
mod most_recent;
mod source_priority;
pub(super) mod trust;

use std::borrow::Cow;
use std::ops::Range;

use arrow::array::{
    Array, ArrayRef, AsArray, DynComparator, StringArray, UInt32Array, make_comparator,
};
use arrow::compute::SortOptions;
use arrow::datatypes::UInt32Type;
use arrow::error::ArrowError;

use crate::error::{Error, Result};

/// One survivorship rule.
pub struct Rule {
    /// Its name in settings and in `customer_lineage.rule`.
    pub name: &'static str,
    /// What it prefers, in one line.
    pub summary: &'static str,
    /// So many candidates, and all with more, may measure differently: of fewer the first in
    /// standing wins.
    pub(crate) fewest: usize,
    /// `customer_lineage.reason` of a winner that this measure put above all others.
    pub(crate) won: &'static str,
    /// Appends the measure of each candidate, in their order; a larger one is better, and only
    /// those of one customer are ever compared.
    pub(crate) measure: fn(&Candidates<'_>, &mut Vec<i64>),
    /// Why a candidate lost by this measure, without quoting any value: from the winner's measure,
    /// the loser's, and the number of candidates.
    pub(crate) lost: fn(winner: i64, loser: i64, candidates: usize) -> Reason,
}

/// Why a candidate won or lost: mostly one of a few words, so seldom allocated.
pub(crate) type Reason = Cow<'static, str>;

/// Every survivorship rule, sorted by name.
pub const RULES: &[Rule] = &[
    expression::RULE,
    longest::RULE,
    most_complete::RULE,
    most_frequent::RULE,
    most_recent::RULE,
    source_priority::RULE,
    trust::RULE,
];

/// The rule of this name.
///
/// # Errors
/// Configuration: there is none; `place` says which setting asked for it.
pub(crate) fn rule(name: &str, place: &str) -> Result<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name).ok_or_else(|| {
        let names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
        Error::configuration(format!("{place}: there is no survivorship rule `{name}`"))
            .help(format!("use one of: {}", names.join(", ")))
    })
}

/// One column of an attribute or group, made ready to be measured.
pub(crate) struct Measured {
    /// The values; an element for each record.
    pub(crate) values: ArrayRef,
    /// The same as text, if they are text; where they are numbered, the text of each number.
    text: Option<StringArray>,
    /// The number of each record's value, if values are numbered.
    numbers: Option<UInt32Array>,
    /// Orders two records by this column, nulls first.
    compare: DynComparator,
}

impl Measured {
    /// Makes a column ready; a dictionary of one that is `coded` holds each value once.
    ///
    /// # Errors
    /// Values of this type have no order.
    pub(crate) fn new(values: ArrayRef, coded: bool) -> std::result::Result<Self, ArrowError> {
        let compare = make_comparator(&values, &values, SortOptions::default())?;
        let numbered = values.as_dictionary_opt::<UInt32Type>().filter(|_| coded);
        let text = numbered.map_or(&values, |own| own.values()).as_string_opt().cloned();
        let numbers = numbered.map(|own| own.keys().clone());
        Ok(Self { text, numbers, values, compare })
    }

    /// The text that a record holds, if any.
    fn text(&self, record: u32) -> Option<&str> {
        let text = self.text.as_ref()?;
        let record = record as usize;
        match &self.numbers {
            Some(numbers) if numbers.is_null(record) => None,
            Some(numbers) => Some(text.value(numbers.value(record) as usize)),
            None => text.is_valid(record).then(|| text.value(record)),
        }
    }

    /// Whether two records hold the same value, or neither knows one.
    pub(crate) fn same(&self, left: u32, right: u32) -> bool {
        let (left, right) = (left as usize, right as usize);
        if let Some(numbers) = &self.numbers {
            let number = |row: usize| numbers.is_valid(row).then(|| numbers.value(row));
            return number(left) == number(right);
        }
        match &self.text {
            Some(text) if text.is_valid(left) && text.is_valid(right) => {
                let bytes = |row: usize| {
                    let offsets = &text.value_offsets()[row..row + 2];
                    &text.value_data()[offsets[0] as usize..offsets[1] as usize]
                };
                bytes(left) == bytes(right)
            }
            Some(text) => text.is_null(left) && text.is_null(right),
            None => (self.compare)(left, right).is_eq(),
        }
    }
}

/// A text's length and first eight bytes in one number; `start` is where in `data` it begins.
///
/// Reads what follows a shorter text, and takes it away again, rather than to branch: a branch
/// would wait until the length has come from memory.
fn hint(data: &[u8], start: usize, length: usize) -> u64 {
    let first = match data.get(start..).and_then(<[u8]>::first_chunk) {
        Some(first) => u64::from_le_bytes(*first),
        None => {
            let mut first = [0; 8];
            let rest = data.get(start..).unwrap_or_default();
            first[..rest.len()].copy_from_slice(rest);
            u64::from_le_bytes(first)
        }
    };
    let beyond = 64 - 8 * length.min(8) as u32;
    let own = u64::MAX.checked_shr(beyond).unwrap_or(0);
    (first & own) ^ (length as u64).wrapping_mul(SPREAD)
}

/// An odd number of many bits: what is multiplied by it is spread over all bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The records of customers in which an attribute, or any attribute of a group, is known.
pub(crate) struct Candidates<'a> {
    /// Row numbers in `records` sorted by (source, record_id); those of a customer together.
    pub(crate) rows: &'a [u32],
    /// Where in `rows` those of each customer end; no customer is without.
    pub(crate) ends: &'a [usize],
    /// The attribute, or the attributes of the group.
    pub(crate) columns: &'a [Measured],
    /// The time of each record's last change, in microseconds; `i64::MIN` where it is not known.
    pub(crate) recency: &'a [i64],
    /// The rank of each record's source, 0 the most trusted.
    pub(crate) source_rank: &'a [u32],
    /// What the settings make of each record for this attribute, where the rule asks for it: its
    /// trust, the rank of its expression. Else empty.
    pub(crate) measure: &'a [i64],
}

impl Candidates<'_> {
    /// The candidates of each customer, as positions in `rows`.
    fn customers(&self) -> impl Iterator<Item = Range<usize>> {
        let starts = std::iter::once(&0).chain(self.ends);
        starts.zip(self.ends).map(|(&start, &end)| start..end)
    }

    /// The order of two records by the values of all columns.
    fn order(&self, left: u32, right: u32) -> std::cmp::Ordering {
        self.columns
            .iter()
            .map(|column| (column.compare)(left as usize, right as usize))
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    }

    /// Whether two records hold the same values in all columns.
    pub(crate) fn same(&self, left: u32, right: u32) -> bool {
        self.columns.iter().all(|column| column.same(left, right))
    }

    /// Whether two candidates that have the same hint hold the same values.
    fn hints_are_exact(&self) -> bool {
        matches!(self.columns, [only] if only.numbers.is_some())
    }

    /// A number for each candidate: those that hold the same values have the same one, and most
    /// others have not. Of text and of numbered values alone.
    fn hints(&self) -> Vec<u64> {
        let mut hints = vec![0; self.rows.len()];
        for numbers in self.columns.iter().filter_map(|column| column.numbers.as_ref()) {
            for (own, &row) in hints.iter_mut().zip(self.rows) {
                let row = row as usize;
                let of_column =
                    if numbers.is_valid(row) { u64::from(numbers.value(row)) + 1 } else { 0 };
                *own = u64::wrapping_mul(*own, SPREAD) ^ of_column;
            }
        }
        let texts = self.columns.iter().filter(|column| column.numbers.is_none());
        for text in texts.filter_map(|column| column.text.as_ref()) {
            let (offsets, data, nulls) = (text.value_offsets(), text.value_data(), text.nulls());
            for (own, &row) in hints.iter_mut().zip(self.rows) {
                let row = row as usize;
                let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
                let known = nulls.is_none_or(|nulls| nulls.is_valid(row));
                let of_column = if known { hint(data, start, end - start) } else { 0 };
                *own = u64::wrapping_mul(*own, SPREAD) ^ of_column;
            }
        }
        hints
    }

    /// The number of columns known in a record.
    fn known(&self, row: u32) -> i64 {
        self.columns.iter().map(|column| i64::from(column.values.is_valid(row as usize))).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_of_a_text_alone_and_not_of_what_lies_beside_it() {
        let all = "|a|abcdefgh|a|abcdefghi|abcdefgh||a";
        let texts: Vec<(usize, &str)> = {
            let places = all.split('|').scan(0, |next, text| {
                let start = *next;
                *next += text.len() + 1;
                Some((start, text))
            });
            places.collect()
        };
        for &(l, left) in &texts {
            for &(r, right) in &texts {
                let [one, other] =
                    [(l, left), (r, right)].map(|(at, text)| hint(all.as_bytes(), at, text.len()));
                assert_eq!(one == other, left == right, "{left} and {right}");
            }
        }
    }

    #[test]
    fn rules_are_sorted_unique_and_documented() {
        assert!(RULES.windows(2).all(|pair| pair[0].name < pair[1].name));
        for rule in RULES {
            assert!(rule.summary.len() > 20, "{}: say what it prefers", rule.name);
            assert!(!rule.won.is_empty());
        }
    }

    #[test]
    fn an_unknown_rule_is_refused_with_the_names_of_those_there_are() {
        let error = rule("newest", "golden.default_rule").map(|_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "golden.default_rule: there is no survivorship rule `newest`"
        );
        assert!(error.advice().unwrap().contains("most_recent"));
    }
}
