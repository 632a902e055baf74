//! What stewards decide: read from the warehouse, changed, and published as commands that are runs.
//!
//! Knows golden ids and their records, and who decides; refuses to know what follows: the next run
//! obeys. Nothing of a customer changes here but what is written down of it. A change that
//! contradicts what stands is never published: it says which decisions form the chain.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Map, json};

use super::commands::{self, CommandResult};
use super::run::Outcome;
use super::{PublishedTables, decided, landing};
use crate::engine::{Engine, Options, Store, WriteOptions};
use crate::error::{Error, Result};
use crate::land::{Command, History, Published, delta};
use crate::resolve::{self, Contradiction, Decision, Decisions, NewDecision, RecordKey};
use crate::tables;

/// Who decides, when and why.
#[derive(Debug, Clone)]
pub struct Steward {
    /// The name, as `decided_by` shows it after `steward:`.
    pub by: String,
    /// When, in microseconds since 1970, UTC.
    pub at: i64,
    /// The reason.
    pub why: Option<String>,
}

/// Pairs that one command may decide at most: an entity of so many records wants records named.
const MOST: usize = 10_000;

/// The decisions of a warehouse, to be changed.
pub struct Desk {
    published: PublishedTables,
    warehouse: Store,
    onto: Published,
    before: Decisions,
    decisions: Decisions,
    /// Where a decision that is not published yet comes from, by identifier.
    origins: BTreeMap<String, String>,
    added: Vec<String>,
    withdrawn: Vec<String>,
    known: usize,
    started: Instant,
}

impl Desk {
    /// Opens the decisions of the pipeline that published last.
    ///
    /// # Errors
    /// Where nothing is published.
    pub async fn open(uri: &str) -> Result<Self> {
        let started = Instant::now();
        let (warehouse, history) = commands::open(uri).await?;
        let published = PublishedTables::open(uri, None).await?;
        let decisions = read(&warehouse, &history, &published.entry.pipeline).await?;
        Ok(Self {
            onto: published.entry.clone(),
            published,
            warehouse,
            before: decisions.clone(),
            decisions,
            origins: BTreeMap::new(),
            added: Vec::new(),
            withdrawn: Vec::new(),
            known: 0,
            started,
        })
    }

    /// The decisions, with what was changed and is not published yet.
    pub fn decisions(&self) -> &Decisions {
        &self.decisions
    }

    /// The published tables.
    pub fn published(&self) -> &PublishedTables {
        &self.published
    }

    /// Identifiers of decisions that were added.
    pub fn added(&self) -> &[String] {
        &self.added
    }

    /// Identifiers of decisions that were withdrawn.
    pub fn withdrawn(&self) -> &[String] {
        &self.withdrawn
    }

    /// Decides a pair; `origin` says where it comes from, such as a line of a file.
    pub fn decide(&mut self, new: NewDecision, origin: &str) {
        match self.decisions.add(new) {
            Some(id) => {
                self.origins.insert(id.clone(), origin.to_owned());
                self.added.push(id);
            }
            None => self.known += 1,
        }
    }

    /// Withdraws a decision.
    ///
    /// # Errors
    /// Where none of this identifier stands.
    pub fn withdraw(&mut self, id: &str, steward: &Steward) -> Result<()> {
        if self.decisions.withdraw(id, &steward.by, steward.at) {
            self.withdrawn.push(id.to_owned());
            return Ok(());
        }
        let what = match self.decisions.get(id) {
            Some(_) => format!("decision {id} was withdrawn already"),
            None => format!("there is no decision {id}"),
        };
        Err(Error::usage(what).help("`simurgh decisions list` shows those that stand"))
    }

    fn withdraw_where(&mut self, steward: &Steward, of: impl Fn(&Decision) -> bool) -> Result<()> {
        let list = self.decisions.list().iter();
        let ids: Vec<String> =
            list.filter(|own| own.stands() && of(own)).map(|own| own.id.clone()).collect();
        ids.iter().try_for_each(|id| self.withdraw(id, steward))
    }

    /// Decides that golden customers are one, and that the first one's id is kept: each record of
    /// them is the same as the first.
    ///
    /// # Errors
    /// A customer that is not there, or of another kind.
    pub async fn merge(
        &mut self,
        named: &[String],
        steward: &Steward,
        instead: bool,
    ) -> Result<()> {
        let mut customers: Vec<(String, Vec<RecordKey>)> = Vec::new();
        for own in named {
            let id = self.published.golden_id(own.trim()).await?;
            if customers.iter().any(|(known, _)| *known == id) {
                return Err(Error::usage(format!("two of these are the same customer, {id}"))
                    .help(
                        "a record or an id that was redirected stands for the customer it is in",
                    ));
            }
            customers.push((id.clone(), self.published.records_of(&id).await?));
        }
        self.one_kind(&customers).await?;
        let (keep, records) = &customers[0];
        let Some(first) = records.first().cloned() else {
            return Err(Error::bug("a customer without records"));
        };
        let keep = keep.clone();
        if instead {
            let of = customer_of(&customers);
            let crosses = |own: &Decision| match (of.get(&own.a), of.get(&own.b)) {
                (Some(a), Some(b)) => !own.same && a != b,
                _ => false,
            };
            self.withdraw_where(steward, crosses)?;
        }
        for (id, records) in &customers {
            for record in records.iter().filter(|record| **record != first) {
                let new = NewDecision {
                    golden_ids: (Some(keep.clone()), Some(id.clone())),
                    keep_golden_id: Some(keep.clone()),
                    ..said(first.clone(), record.clone(), true, steward)
                };
                self.decide(new, "this merge");
            }
        }
        Ok(())
    }

    async fn one_kind(&self, customers: &[(String, Vec<RecordKey>)]) -> Result<()> {
        let mut kinds = Vec::new();
        for (id, _) in customers {
            kinds.push(self.published.kind_of(id).await?);
        }
        kinds.dedup();
        match kinds.len() {
            1 => Ok(()),
            _ => Err(Error::usage("the customers are of different kinds")
                .help("a person and an organisation are never one customer")),
        }
    }

    /// Decides that records are no more of a golden customer: those that are named are different
    /// from all others of it, which keep its id; where none is named, each from each.
    ///
    /// # Errors
    /// A customer that is not there, a record that is not of it, or one that has nothing to part.
    pub async fn unmerge(
        &mut self,
        named: &str,
        records: &[RecordKey],
        steward: &Steward,
        instead: bool,
    ) -> Result<()> {
        let id = self.published.golden_id(named.trim()).await?;
        let all = self.published.records_of(&id).await?;
        if all.len() < 2 {
            return Err(Error::usage(format!("{id} has one record: there is nothing to part"))
                .help("`simurgh show ID` lists the records of a customer"));
        }
        if records.iter().any(|own| !all.contains(own)) {
            return Err(Error::usage(format!("a record that is named is not one of {id}"))
                .help("`simurgh show ID` lists the records of a customer"));
        }
        let (leave, stay): (Vec<RecordKey>, Vec<RecordKey>) =
            all.iter().cloned().partition(|own| records.contains(own));
        if stay.is_empty() {
            return Err(Error::usage("every record of the customer is named, and none would stay")
                .help("leave --records out: then each record is parted from each"));
        }
        let mut pairs: Vec<(RecordKey, RecordKey)> = Vec::new();
        for (place, a) in stay.iter().enumerate() {
            let others: &[RecordKey] = if records.is_empty() { &stay[place + 1..] } else { &leave };
            pairs.extend(others.iter().map(|b| (a.clone(), b.clone())));
        }
        if pairs.len() > MOST {
            return Err(Error::usage(format!(
                "{id} has {} records: parting them takes {} decisions, and {MOST} are the most",
                all.len(),
                pairs.len()
            ))
            .help("name those that do not belong: --records SOURCE:RECORD_ID,..."));
        }
        let keep = (!records.is_empty()).then(|| id.clone());
        if instead {
            let parted = |own: &Decision| {
                own.same
                    && all.contains(&own.a)
                    && all.contains(&own.b)
                    && (records.is_empty() || leave.contains(&own.a) != leave.contains(&own.b))
            };
            self.withdraw_where(steward, parted)?;
        }
        for (a, b) in pairs {
            let new = NewDecision {
                golden_ids: (Some(id.clone()), Some(id.clone())),
                keep_golden_id: keep.clone(),
                ..said(a, b, false, steward)
            };
            self.decide(new, "this unmerge");
        }
        Ok(())
    }

    /// What the decisions contradict, as they would be.
    pub fn contradiction(&self) -> Option<Contradiction> {
        resolve::contradiction(self.decisions.list())
    }

    /// A contradiction in words: records by their number in its chain, decisions by where they come
    /// from. Addresses are left to whoever may see them.
    pub fn refusal(&self, found: &Contradiction) -> Error {
        let list = self.decisions.list();
        let from = |place: usize| match self.origins.get(&list[place].id) {
            Some(origin) => origin.clone(),
            None => format!("decision {} by {}", list[place].id, list[place].by),
        };
        let mut parts: Vec<String> = found
            .chain
            .iter()
            .enumerate()
            .map(|(at, place)| format!("record {} = record {} ({})", at + 1, at + 2, from(*place)))
            .collect();
        let last = found.records.len();
        parts.push(format!("record 1 is not record {last} ({})", from(found.different)));
        let chain: Vec<String> = found.chain.iter().map(|place| from(*place)).collect();
        let told = json!({ "same": chain, "different": from(found.different) });
        let what = format!("the decisions contradict each other: {}", parts.join(", "));
        Error::data(what).detail("contradiction", told).help(
            "withdraw what no longer holds (--withdraw, or simurgh decisions withdraw DECISION_ID), \
             or do not decide this; nothing was written",
        )
    }

    /// Publishes what was changed as a command of this name; nothing, where nothing was.
    ///
    /// # Errors
    /// What contradicts; `Retry` where another run was published meanwhile.
    pub async fn publish(self, name: &str) -> Result<CommandResult> {
        if let Some(found) = self.contradiction() {
            return Err(self.refusal(&found));
        }
        let mut details = Map::new();
        details.insert("decisions_added".to_owned(), self.added.len().into());
        details.insert("decisions_withdrawn".to_owned(), self.withdrawn.len().into());
        details.insert("decisions_known".to_owned(), self.known.into());
        let standing = self.decisions.list().iter().filter(|own| own.stands()).count();
        details.insert("decisions_standing".to_owned(), standing.into());
        if self.decisions == self.before {
            let unchanged = Outcome::Unchanged;
            return Ok(CommandResult::new(name, &self.onto, unchanged, details, self.started));
        }
        let engine = Engine::new(&Options::default())?;
        let batch = self.decisions.to_batch()?;
        let frame = engine.batches(batch.schema(), vec![batch])?;
        // A path that no other attempt has: nothing refers to it until it is published.
        let path = format!(
            "{}/{name}-{:x}-{:x}.parquet",
            delta::folder(tables::DECISIONS),
            landing::now(),
            std::process::id()
        );
        let sort = ["decision_id".to_owned()];
        let options = WriteOptions { sort: &sort, unique: true, row_group: 122_880, keep: true };
        let (file, schema) = engine.write(frame, &self.warehouse, &path, &options).await?;
        let mut command = Command::onto(name, &self.onto);
        command.details = details;
        command.commits.push(delta::TableCommit {
            table: tables::DECISIONS.to_owned(),
            schema: schema.as_ref().clone(),
            description: "What stewards decided of pairs of records.".to_owned(),
            keep: None,
            statistics: Vec::new(),
            files: vec![file],
            written_at: landing::now(),
            rearranged: false,
        });
        match commands::publish(&self.warehouse, &command, self.started).await {
            Ok(result) => Ok(result),
            Err(error) => {
                // Where it was published all the same, a later process rolls the plan forward and
                // wants the file.
                let history = History::read(&self.warehouse).await?;
                let plan = format!("runs/plan/{}.json", history.next_seq());
                let pending = self.warehouse.get_if_exists(&plan).await?.is_some();
                let run_id = command.run_id();
                let there = history.entries().iter().any(|entry| entry.run_id == run_id);
                if !pending && !there {
                    self.warehouse.delete(&path).await?;
                }
                Err(error)
            }
        }
    }
}

/// The decisions of a pipeline.
async fn read(warehouse: &Store, history: &History, pipeline: &str) -> Result<Decisions> {
    let engine = Engine::new(&Options::default())?;
    Decisions::of_batch(&decided::read(&engine, warehouse, history, pipeline).await?)
}

/// The golden id of each record.
fn customer_of(customers: &[(String, Vec<RecordKey>)]) -> BTreeMap<&RecordKey, &str> {
    customers
        .iter()
        .flat_map(|(id, records)| records.iter().map(move |record| (record, id.as_str())))
        .collect()
}

fn said(a: RecordKey, b: RecordKey, same: bool, steward: &Steward) -> NewDecision {
    NewDecision {
        a,
        b,
        same,
        by: steward.by.clone(),
        at: steward.at,
        why: steward.why.clone(),
        golden_ids: (None, None),
        keep_golden_id: None,
    }
}
