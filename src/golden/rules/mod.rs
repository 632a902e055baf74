//! Survivorship rules, a file each: how well a candidate is placed to give a golden value.
//!
//! A rule measures; it does not decide. Candidates are ordered by the rule's measure, then by
//! recency, then by the priority of their source, then by (source, record_id): a total order, so
//! that a winner never depends on the order of rows. Knows nothing of columns' names or of tables.

mod expression;
mod longest;
mod most_complete;
mod most_frequent;
mod most_recent;
mod source_priority;
pub(super) mod trust;

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef, AsArray, DynComparator, StringArray};

use crate::error::{Error, Result};

/// One survivorship rule.
pub struct Rule {
    /// Its name in settings and in `customer_lineage.rule`.
    pub name: &'static str,
    /// What it prefers, in one line.
    pub summary: &'static str,
    /// `customer_lineage.reason` of a winner that this measure put above all others.
    pub(crate) won: &'static str,
    /// The measure of each candidate, in their order; a larger one is better.
    pub(crate) measure: fn(&Candidates<'_>) -> Vec<i64>,
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
    /// Orders two records by this column, nulls first. Only equality is asked of it by rules.
    pub(crate) compare: DynComparator,
}

impl Measured {
    /// The column as text, if it is text.
    fn text(&self) -> Option<&StringArray> {
        self.values.as_string_opt::<i32>()
    }
}

/// The records of one customer in which an attribute, or any attribute of a group, is known.
pub(crate) struct Candidates<'a> {
    /// Row numbers in `records` sorted by (source, record_id), rising. Never empty.
    pub(crate) rows: &'a [u32],
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
    /// The order of two records by the values of all columns.
    pub(crate) fn order(&self, left: u32, right: u32) -> std::cmp::Ordering {
        self.columns
            .iter()
            .map(|column| (column.compare)(left as usize, right as usize))
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    }

    /// Whether two records hold the same values in all columns.
    pub(crate) fn same(&self, left: u32, right: u32) -> bool {
        self.order(left, right).is_eq()
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
