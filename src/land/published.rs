//! What has been published: `runs/seq/<n>.json`, one consistent set of table versions each.
//!
//! These files are the truth and never change. Which run is current, which one precedes a date and
//! which ones are stale all follow from them; `runs/current.json` is a convenient copy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::Store;
use crate::error::{Error, Result};
use crate::tables::DECISIONS;

/// The command that arranges files and leaves every row as it was.
pub const MAINTAIN: &str = "maintain";

/// The command that puts a run's tables back.
pub const ROLLBACK: &str = "rollback";

/// Commands whose tables hold the rows of the entry that they build on.
const KEEPING: &[&str] = &[MAINTAIN, ROLLBACK];

/// One published run: a line of the warehouse's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Its place in the history, from 1.
    pub seq: u64,
    /// The run.
    pub run_id: String,
    /// How many times this run has been published, with this time.
    pub generation: i64,
    /// The pipeline's name.
    pub pipeline: String,
    /// The logical date, YYYY-MM-DD.
    pub logical_date: String,
    /// The sequence number of the run it builds on.
    pub predecessor: Option<u64>,
    /// The version of each table.
    pub tables: BTreeMap<String, u64>,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
    /// How many versions of each table the chain of manifests holds, this run's among them.
    pub logs: BTreeMap<String, u64>,
    /// The command that published it; none where a run of the pipeline did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Where a command did: the sequence number of the entry whose table versions it kept, but for
    /// those that it committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<u64>,
    /// The entries of whose tables it removed files: they cannot be read any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<u64>,
    /// The manifest, relative to the warehouse.
    pub manifest: String,
    /// BLAKE3 of the manifest: the head of the chain.
    pub head: String,
}

/// The warehouse's history.
#[derive(Debug, Clone, Default)]
pub struct History {
    entries: Vec<Published>,
}

impl History {
    /// Reads the history.
    pub async fn read(warehouse: &Store) -> Result<Self> {
        let listed = warehouse.list("runs/seq").await?;
        let number =
            |path: &str| path.strip_prefix("runs/seq/")?.strip_suffix(".json")?.parse().ok();
        let newest: u64 = listed.iter().filter_map(|own| number(&own.path)).max().unwrap_or(0);
        let mut entries: Vec<Published> = Vec::new();
        loop {
            // Asked for by name, so that a list that is behind hides nothing.
            let seq = entries.len() as u64 + 1;
            let path = format!("runs/seq/{seq}.json");
            let damaged = || {
                Error::data(format!("{}: damaged", warehouse.url_of(&path))).help(
                    "restore the file from a copy: it says which table versions belong together",
                )
            };
            match warehouse.get_if_exists(&path).await? {
                Some(bytes) => {
                    let entry: Published = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
                    if entry.seq != seq {
                        return Err(damaged());
                    }
                    entries.push(entry);
                }
                None if seq <= newest => {
                    return Err(Error::data(format!("{}: {path} is missing", warehouse.url()))
                        .help("restore the file from a copy: the history has no gaps"));
                }
                None => return Ok(Self { entries }),
            }
        }
    }

    /// Every entry, oldest first.
    pub fn entries(&self) -> &[Published] {
        &self.entries
    }

    /// The sequence number that the next run gets.
    pub fn next_seq(&self) -> u64 {
        self.entries.len() as u64 + 1
    }

    /// The head of the chain of manifests.
    pub fn head(&self) -> Option<&str> {
        self.entries.last().map(|entry| entry.head.as_str())
    }

    /// The entry in force for each logical date: the latest published one.
    pub fn by_date(&self, pipeline: &str) -> BTreeMap<&str, &Published> {
        self.entries
            .iter()
            .filter(|entry| entry.pipeline == pipeline)
            .map(|entry| (entry.logical_date.as_str(), entry))
            .collect()
    }

    /// The entry in force of the latest date before this one.
    pub fn predecessor(&self, pipeline: &str, logical_date: &str) -> Option<&Published> {
        self.by_date(pipeline).range(..logical_date).next_back().map(|(_, entry)| *entry)
    }

    /// The run of the pipeline whose tables an entry holds: itself, or that which a command built on,
    /// or that which the command before it did.
    pub fn run_of<'a>(&'a self, entry: &'a Published) -> &'a Published {
        let mut run = entry;
        while let Some(base) = run.base.and_then(|base| self.get(base)) {
            run = base;
        }
        run
    }

    /// Whether an entry is another, or was made of it by commands alone that put it back or
    /// arranged its files: then it holds the same tables.
    pub fn stands_on(&self, entry: &Published, other: &Published) -> bool {
        let mut entry = entry;
        loop {
            if entry.seq == other.seq {
                return true;
            }
            let kept = entry.command.as_deref().is_some_and(|name| KEEPING.contains(&name));
            match entry.base.filter(|_| kept).and_then(|base| self.get(base)) {
                Some(base) => entry = base,
                None => return false,
            }
        }
    }

    /// The entry whose files hold an entry's tables now: itself, or the last that maintenance made
    /// of it.
    pub fn maintained<'a>(&'a self, entry: &'a Published) -> &'a Published {
        let arranged = |later: &&Published| {
            later.command.as_deref() == Some(MAINTAIN) && self.stands_on(later, entry)
        };
        self.entries.iter().rev().find(arranged).unwrap_or(entry)
    }

    /// The command that removed files of an entry's tables, if one did.
    pub fn retired(&self, entry: &Published) -> Option<&Published> {
        self.entries.iter().rev().find(|later| later.retired.contains(&entry.seq))
    }

    /// The rollback that an entry is or builds on, up to the run whose tables it holds.
    pub fn rolled_back<'a>(&'a self, entry: &'a Published) -> Option<&'a Published> {
        let mut entry = entry;
        while entry.command.as_deref() != Some(ROLLBACK) {
            entry = entry.base.and_then(|base| self.get(base))?;
        }
        Some(entry)
    }

    /// The last entry of a pipeline, of whatever date: that whose `decisions` hold.
    pub fn last(&self, pipeline: &str) -> Option<&Published> {
        self.entries.iter().rev().find(|entry| entry.pipeline == pipeline)
    }

    /// The last entry that changed what stewards decided: a command's that committed `decisions`.
    pub fn decided(&self, pipeline: &str) -> Option<u64> {
        let version = |entry: &Published| entry.tables.get(DECISIONS).copied();
        let changed = |entry: &&Published| {
            let base = entry.base.and_then(|base| self.get(base));
            entry.pipeline == pipeline && base.is_some_and(|base| version(base) != version(entry))
        };
        self.entries.iter().rev().find(changed).map(|entry| entry.seq)
    }

    /// The entry in force of the latest date.
    pub fn current(&self, pipeline: &str) -> Option<&Published> {
        self.by_date(pipeline).into_values().next_back()
    }

    /// How many times a run has been published.
    pub fn generations(&self, run_id: &str) -> i64 {
        self.entries.iter().filter(|entry| entry.run_id == run_id).count() as i64
    }

    /// An entry by its sequence number.
    pub fn get(&self, seq: u64) -> Option<&Published> {
        usize::try_from(seq).ok()?.checked_sub(1).and_then(|index| self.entries.get(index))
    }

    /// The dates in force whose run builds on one that is no longer in force, oldest first.
    pub fn stale(&self, pipeline: &str) -> Vec<&Published> {
        let mut stale: Vec<&Published> = Vec::new();
        let mut before: Option<&Published> = None;
        for entry in self.by_date(pipeline).into_values() {
            let outdated = entry.predecessor != before.map(|entry| entry.seq)
                || before.is_some_and(|before| stale.iter().any(|other| other.seq == before.seq));
            if outdated {
                stale.push(entry);
            }
            before = Some(entry);
        }
        stale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64, date: &str, predecessor: Option<u64>) -> Published {
        Published {
            seq,
            run_id: format!("run{seq}"),
            generation: 1,
            pipeline: "p".to_owned(),
            logical_date: date.to_owned(),
            predecessor,
            tables: BTreeMap::new(),
            rows: BTreeMap::new(),
            logs: BTreeMap::new(),
            command: None,
            base: None,
            retired: Vec::new(),
            manifest: String::new(),
            head: String::new(),
        }
    }

    fn command(seq: u64, base: u64, decisions: u64, history: &History) -> Published {
        let built_on = history.get(base).unwrap();
        Published {
            command: Some("merge".to_owned()),
            base: Some(base),
            tables: [(DECISIONS.to_owned(), decisions)].into(),
            ..entry(seq, &built_on.logical_date, built_on.predecessor)
        }
    }

    #[test]
    fn a_command_takes_the_place_of_the_entry_that_it_builds_on() {
        let mut history = History {
            entries: vec![entry(1, "2026-11-01", None), entry(2, "2026-11-02", Some(1))],
        };
        assert_eq!(history.decided("p"), None);
        history.entries.push(command(3, 2, 1, &history));
        history.entries.push(command(4, 3, 1, &history));
        let current = history.current("p").unwrap();
        assert_eq!((current.seq, current.predecessor), (4, Some(1)));
        assert_eq!(history.run_of(current).seq, 2);
        // The second left the decisions as they were.
        assert_eq!(history.decided("p"), Some(3));
        assert_eq!(history.decided("another"), None);
        assert_eq!(history.predecessor("p", "2026-11-03").unwrap().seq, 4);
        assert!(history.stale("p").is_empty());
        assert_eq!(history.last("p").unwrap().seq, 4);
    }

    #[test]
    fn a_backfill_makes_the_later_dates_stale_and_current_stays() {
        let mut history = History {
            entries: vec![
                entry(1, "2026-11-01", None),
                entry(2, "2026-11-03", Some(1)),
                entry(3, "2026-11-04", Some(2)),
            ],
        };
        assert!(history.stale("p").is_empty());
        history.entries.push(entry(4, "2026-11-02", Some(1)));
        let stale: Vec<u64> = history.stale("p").iter().map(|entry| entry.seq).collect();
        assert_eq!(stale, [2, 3]);
        assert_eq!(history.current("p").unwrap().seq, 3);
        assert_eq!(history.predecessor("p", "2026-11-03").unwrap().seq, 4);
        assert_eq!(history.predecessor("p", "2026-11-01"), None);
        history.entries.push(entry(5, "2026-11-03", Some(4)));
        let stale: Vec<u64> = history.stale("p").iter().map(|entry| entry.seq).collect();
        assert_eq!(stale, [3]);
    }
}
