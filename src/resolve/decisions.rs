//! What stewards decided of pairs of records: which decisions stand, which contradict each other,
//! and what they say of the records that are there.
//!
//! Knows decisions and keys; refuses to know scores, files and who asks. A decision is never edited:
//! it is withdrawn, and what it said stays to be read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;

use super::record::{RecordKey, StewardDecision};
use crate::error::{Error, Result};
use crate::tables;

/// A row of `decisions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Its identifier, made of the second in which it was decided and a number.
    pub id: String,
    /// One record.
    pub a: RecordKey,
    /// The other.
    pub b: RecordKey,
    /// Whether they are the same entity, or never.
    pub same: bool,
    /// Who decided.
    pub by: String,
    /// When, in microseconds since 1970, UTC.
    pub at: i64,
    /// The steward's reason.
    pub why: Option<String>,
    /// When it was withdrawn; `None` while it stands.
    pub withdrawn_at: Option<i64>,
    /// Who withdrew it.
    pub withdrawn_by: Option<String>,
    /// The golden id of `a` when it was decided, where it had one.
    pub golden_id_a: Option<String>,
    /// The same of `b`.
    pub golden_id_b: Option<String>,
    /// The golden id that the entity of `a` is to keep, where the steward chose one.
    pub keep_golden_id: Option<String>,
}

impl Decision {
    /// Whether it stands: it was not withdrawn.
    pub fn stands(&self) -> bool {
        self.withdrawn_at.is_none()
    }

    /// Its two records, the smaller first.
    fn pair(&self) -> (&RecordKey, &RecordKey) {
        ((&self.a).min(&self.b), (&self.a).max(&self.b))
    }
}

/// Decisions that cannot all hold: a chain of `same` leads from one record to another of which one
/// says that they are different. Positions in the list of decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The decisions of the chain, in its order.
    pub chain: Vec<usize>,
    /// The records of the chain, in its order: one more than its decisions.
    pub records: Vec<RecordKey>,
    /// The decision that the first and the last record are different.
    pub different: usize,
}

/// Numbers that are joined; the smallest of a group is its root, whatever the order of joins.
struct Union(Vec<usize>);

impl Union {
    fn new(size: usize) -> Self {
        Self((0..size).collect())
    }

    fn root(&self, mut number: usize) -> usize {
        while self.0[number] != number {
            number = self.0[number];
        }
        number
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

/// The records of decisions that stand, by number, and which of them are the same.
struct Same<'a> {
    keys: Vec<&'a RecordKey>,
    numbers: BTreeMap<&'a RecordKey, usize>,
    union: Union,
}

impl<'a> Same<'a> {
    fn new(decisions: &'a [Decision]) -> Self {
        let standing = || decisions.iter().filter(|own| own.stands());
        let all: BTreeSet<&RecordKey> = standing().flat_map(|own| [&own.a, &own.b]).collect();
        let keys: Vec<&RecordKey> = all.into_iter().collect();
        let numbers: BTreeMap<&RecordKey, usize> =
            keys.iter().enumerate().map(|(number, key)| (*key, number)).collect();
        let mut union = Union::new(keys.len());
        for own in standing().filter(|own| own.same) {
            union.join(numbers[&own.a], numbers[&own.b]);
        }
        Self { keys, numbers, union }
    }

    fn root_of(&self, key: &RecordKey) -> usize {
        self.union.root(self.numbers[key])
    }
}

/// The first contradiction among the decisions that stand, with the shortest chain to it; `None`
/// where all of them can hold.
pub fn contradiction(decisions: &[Decision]) -> Option<Contradiction> {
    let same = Same::new(decisions);
    let contradicts =
        |own: &Decision| own.stands() && !own.same && same.root_of(&own.a) == same.root_of(&own.b);
    let different = decisions.iter().position(contradicts)?;
    let own = &decisions[different];
    let mut links: BTreeMap<&RecordKey, Vec<(usize, &RecordKey)>> = BTreeMap::new();
    for (place, link) in decisions.iter().enumerate().filter(|(_, own)| own.stands() && own.same) {
        links.entry(&link.a).or_default().push((place, &link.b));
        links.entry(&link.b).or_default().push((place, &link.a));
    }
    // From where each record was reached first, breadth first.
    let mut reached: BTreeMap<&RecordKey, Option<(usize, &RecordKey)>> = BTreeMap::new();
    reached.insert(&own.a, None);
    let mut open = VecDeque::from([&own.a]);
    while let Some(record) = open.pop_front() {
        for (place, other) in links.get(record).into_iter().flatten() {
            if !reached.contains_key(other) {
                reached.insert(other, Some((*place, record)));
                open.push_back(other);
            }
        }
    }
    let (mut chain, mut records) = (Vec::new(), vec![own.b.clone()]);
    let mut at = &own.b;
    while let Some(Some((place, before))) = reached.get(at) {
        chain.push(*place);
        records.push((*before).clone());
        at = before;
    }
    chain.reverse();
    records.reverse();
    Some(Contradiction { chain, records, different })
}

/// What the decisions that stand say of the records that are there, each pair once.
///
/// A decision outlives the records through which it was made: where `a` and `b` are the same as a
/// third that is gone, they are the same all the same, and what is different from a record that is
/// gone is different from those that are the same as it.
pub fn standing(
    decisions: &[Decision],
    present: &dyn Fn(&RecordKey) -> bool,
) -> Vec<StewardDecision> {
    let same = Same::new(decisions);
    let there: Vec<bool> = same.keys.iter().map(|key| present(key)).collect();
    // By component, the records of it that are there, ascending.
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for number in (0..same.keys.len()).filter(|number| there[*number]) {
        groups.entry(same.union.root(number)).or_default().push(number);
    }
    let mut found: BTreeMap<(usize, usize), StewardDecision> = BTreeMap::new();
    let mut say = |a: usize, b: usize, own: &Decision| {
        if a != b {
            found.entry((a.min(b), a.max(b))).or_insert_with(|| StewardDecision {
                a: same.keys[a.min(b)].clone(),
                b: same.keys[a.max(b)].clone(),
                same: own.same,
                by: own.by.clone(),
            });
        }
    };
    let mut direct = Union::new(same.keys.len());
    let mut first_of: BTreeMap<usize, &Decision> = BTreeMap::new();
    for own in decisions.iter().filter(|own| own.stands()) {
        let (a, b) = (same.numbers[&own.a], same.numbers[&own.b]);
        if own.same {
            first_of.entry(same.union.root(a)).or_insert(own);
        }
        if there[a] && there[b] {
            say(a, b, own);
            if own.same {
                direct.join(a, b);
            }
        } else if !own.same {
            let stand_in = |number: usize| match there[number] {
                true => Some(number),
                false => {
                    groups.get(&same.union.root(number)).and_then(|group| group.first()).copied()
                }
            };
            if let (Some(a), Some(b)) = (stand_in(a), stand_in(b)) {
                say(a, b, own);
            }
        }
    }
    for (root, group) in &groups {
        let (Some(first), Some(own)) = (group.first(), first_of.get(root)) else { continue };
        for number in &group[1..] {
            if direct.root(*first) != direct.root(*number) {
                say(*first, *number, own);
                direct.join(*first, *number);
            }
        }
    }
    found.into_values().collect()
}

/// All decisions of a pipeline, in the order of their identifiers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    list: Vec<Decision>,
}

/// What is decided; its identifier is given as it is written down.
#[derive(Debug, Clone)]
pub struct NewDecision {
    /// One record.
    pub a: RecordKey,
    /// The other.
    pub b: RecordKey,
    /// Whether they are the same entity, or never.
    pub same: bool,
    /// Who decided.
    pub by: String,
    /// When, in microseconds since 1970, UTC.
    pub at: i64,
    /// The steward's reason.
    pub why: Option<String>,
    /// The golden ids of `a` and `b`, where they have one.
    pub golden_ids: (Option<String>, Option<String>),
    /// The golden id that the entity of `a` is to keep.
    pub keep_golden_id: Option<String>,
}

impl Decisions {
    /// The decisions, in the order of their identifiers.
    pub fn list(&self) -> &[Decision] {
        &self.list
    }

    /// The decision of an identifier.
    pub fn get(&self, id: &str) -> Option<&Decision> {
        self.list.iter().find(|own| own.id == id)
    }

    /// Writes a decision down; `None` where one stands that says the same of the same records.
    /// Gives its identifier.
    pub fn add(&mut self, new: NewDecision) -> Option<String> {
        let mut decision = Decision {
            id: String::new(),
            a: new.a,
            b: new.b,
            same: new.same,
            by: new.by,
            at: new.at,
            why: new.why,
            withdrawn_at: None,
            withdrawn_by: None,
            golden_id_a: new.golden_ids.0,
            golden_id_b: new.golden_ids.1,
            keep_golden_id: new.keep_golden_id,
        };
        let said = |own: &&Decision| {
            own.stands()
                && own.same == decision.same
                && own.pair() == decision.pair()
                && (decision.keep_golden_id.is_none()
                    || own.keep_golden_id == decision.keep_golden_id)
        };
        if self.list.iter().any(|own| said(&own)) {
            return None;
        }
        let second = jiff::Timestamp::from_microsecond(decision.at)
            .map(|at| at.strftime("%Y%m%d-%H%M%S").to_string())
            .unwrap_or_default();
        let id = (1u64..).map(|n| format!("d{second}-{n}")).find(|id| self.get(id).is_none());
        decision.id = id.unwrap_or_default();
        let id = decision.id.clone();
        self.list.push(decision);
        self.list.sort_by(|a, b| a.id.cmp(&b.id));
        Some(id)
    }

    /// Withdraws a decision. False where none of this identifier stands.
    pub fn withdraw(&mut self, id: &str, by: &str, at: i64) -> bool {
        match self.list.iter_mut().find(|own| own.id == id && own.stands()) {
            Some(own) => {
                own.withdrawn_at = Some(at);
                own.withdrawn_by = Some(by.to_owned());
                true
            }
            None => false,
        }
    }

    /// Reads `tables::decisions()`.
    ///
    /// # Errors
    /// A table of other columns, or with an address or a verdict that is none.
    pub fn of_batch(batch: &RecordBatch) -> Result<Self> {
        let damaged = || {
            Error::data("decisions: a row is not a decision")
                .help("restore the table's version that the last run published")
        };
        let text = |name: &str| -> Result<&StringArray> {
            batch
                .column_by_name(name)
                .and_then(|column| column.as_string_opt::<i32>())
                .ok_or_else(damaged)
        };
        let time = |name: &str| -> Result<&TimestampMicrosecondArray> {
            batch
                .column_by_name(name)
                .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
                .ok_or_else(damaged)
        };
        let optional = |array: &StringArray, row: usize| {
            array.is_valid(row).then(|| array.value(row).to_owned())
        };
        let (id, a, b, verdict, by) =
            (text("decision_id")?, text("a")?, text("b")?, text("verdict")?, text("by")?);
        let (why, withdrawn_by) = (text("why")?, text("withdrawn_by")?);
        let (golden_a, golden_b, keep) =
            (text("golden_id_a")?, text("golden_id_b")?, text("keep_golden_id")?);
        let (at, withdrawn_at) = (time("at")?, time("withdrawn_at")?);
        let mut list = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            list.push(Decision {
                id: id.value(row).to_owned(),
                a: RecordKey::parse(a.value(row)).ok_or_else(damaged)?,
                b: RecordKey::parse(b.value(row)).ok_or_else(damaged)?,
                same: match verdict.value(row) {
                    "same" => true,
                    "different" => false,
                    _ => return Err(damaged()),
                },
                by: by.value(row).to_owned(),
                at: at.value(row),
                why: optional(why, row),
                withdrawn_at: withdrawn_at.is_valid(row).then(|| withdrawn_at.value(row)),
                withdrawn_by: optional(withdrawn_by, row),
                golden_id_a: optional(golden_a, row),
                golden_id_b: optional(golden_b, row),
                keep_golden_id: optional(keep, row),
            });
        }
        list.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Self { list })
    }

    /// Writes `tables::decisions()`, sorted by identifier.
    ///
    /// # Errors
    /// Never, but for a bug.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let text = |of: &dyn Fn(&Decision) -> Option<String>| -> ArrayRef {
            Arc::new(self.list.iter().map(of).collect::<StringArray>())
        };
        let time = |of: &dyn Fn(&Decision) -> Option<i64>| -> ArrayRef {
            let array: TimestampMicrosecondArray = self.list.iter().map(of).collect();
            Arc::new(array.with_timezone("UTC"))
        };
        let verdict = |own: &Decision| Some(if own.same { "same" } else { "different" }.to_owned());
        let columns: Vec<ArrayRef> = vec![
            text(&|own| Some(own.id.clone())),
            text(&|own| Some(own.a.to_string())),
            text(&|own| Some(own.b.to_string())),
            text(&verdict),
            text(&|own| Some(own.by.clone())),
            time(&|own| Some(own.at)),
            text(&|own| own.why.clone()),
            time(&|own| own.withdrawn_at),
            text(&|own| own.withdrawn_by.clone()),
            text(&|own| own.golden_id_a.clone()),
            text(&|own| own.golden_id_b.clone()),
            text(&|own| own.keep_golden_id.clone()),
        ];
        RecordBatch::try_new(tables::decisions(), columns)
            .map_err(|_| Error::bug("decisions do not fit their table"))
    }
}

#[cfg(test)]
#[path = "decisions_tests.rs"]
mod tests;
