//! What has been published: `runs/seq/<n>.json`, one consistent set of table versions each.
//!
//! These files are the truth and never change. Which run is current, which one precedes a date and
//! which ones are stale all follow from them; `runs/current.json` is a convenient copy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::Store;
use crate::error::{Error, Result};

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
            manifest: String::new(),
            head: String::new(),
        }
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
