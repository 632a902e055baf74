//! Verification: every file of a warehouse against the chain of manifests.
//!
//! Each manifest names the files of its run with their BLAKE3, the files of Delta's logs that its
//! publication wrote, its commit plan, what `runs/seq/<n>.json` says, and the head before it. So
//! from the last head on, every byte that a reader relies on is held: a file that is missing,
//! changed, exchanged or beside the chain is found and named. A file that a later run removed is
//! named by that run's manifest, and must be gone. What holds the last head itself is kept
//! elsewhere: a run's last line prints it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::format::format_document;
use super::publish::{ManifestEnd, hash, manifest_path, pretty};
use super::published::Published;
use crate::engine::Store;
use crate::error::Result;
use crate::tables::RESULT_SUMS;

/// Something that is not as the chain says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file, relative to the warehouse.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
    /// The run that wrote it, where the chain says which.
    pub run_id: Option<String>,
}

/// What verification came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Verified {
    /// Published runs.
    pub runs: u64,
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The head of the chain.
    pub head: Option<String>,
    /// Everything that is wrong, by file; empty where nothing is.
    pub findings: Vec<Finding>,
    /// Files that no run refers to, as a run leaves them that was broken off; they are no part of
    /// any table.
    pub unreferenced: Vec<String>,
}

/// The parts of a manifest that verification needs.
#[derive(Deserialize)]
struct Manifest {
    run_id: String,
    leaves: BTreeMap<String, String>,
    #[serde(default)]
    removed: BTreeMap<String, Option<String>>,
    #[serde(flatten)]
    end: ManifestEnd,
}

/// Files of all runs so far.
#[derive(Default)]
struct Leaves {
    /// Those that must be there: their hash, and the run that wrote them last.
    present: BTreeMap<String, (String, String)>,
    /// Those that must not, and the run that removed them.
    removed: BTreeMap<String, String>,
}

struct Verifier<'a> {
    warehouse: &'a Store,
    there: BTreeSet<String>,
    /// Files that the chain has named.
    named: BTreeSet<String>,
    found: Verified,
}

/// Compares every file of a warehouse with the chain of manifests; where `head` is given, it must
/// be one of the chain's, so that a chain that was cut or written anew is found too.
///
/// # Errors
/// A store that fails. What is wrong with the warehouse is no error: it is in the findings.
pub async fn verify(warehouse: &Store, head: Option<&str>) -> Result<Verified> {
    let there = warehouse.list("").await?.into_iter().map(|listed| listed.path).collect();
    let mut verifier =
        Verifier { warehouse, there, named: BTreeSet::new(), found: Verified::default() };
    verifier.chain(head).await?;
    verifier.rest();
    let mut found = verifier.found;
    found.findings.sort();
    found.findings.dedup();
    Ok(found)
}

impl Verifier<'_> {
    fn report(&mut self, file: &str, what: &str, run_id: Option<&str>) {
        let (file, what, run_id) = (file.to_owned(), what.to_owned(), run_id.map(str::to_owned));
        self.found.findings.push(Finding { file, what, run_id });
    }

    /// A file's content, once it is known to be there.
    async fn read(&mut self, file: &str, run_id: Option<&str>) -> Result<Option<bytes::Bytes>> {
        self.named.insert(file.to_owned());
        if !self.there.contains(file) {
            self.report(file, "is missing", run_id);
            return Ok(None);
        }
        let content = self.warehouse.get_if_exists(file).await?;
        match &content {
            Some(content) => {
                self.found.files += 1;
                self.found.bytes += content.len() as u64;
            }
            None => self.report(file, "is missing", run_id),
        }
        Ok(content)
    }

    async fn hashed(&mut self, file: &str, expected: &str, run_id: Option<&str>) -> Result<()> {
        if let Some(content) = self.read(file, run_id).await?
            && hash(&content) != expected
        {
            self.report(file, "is not what the run wrote", run_id);
        }
        Ok(())
    }

    async fn exact(&mut self, file: &str, expected: &[u8], run_id: Option<&str>) -> Result<()> {
        self.hashed(file, &hash(expected), run_id).await
    }

    /// Every published run, oldest first.
    async fn chain(&mut self, head: Option<&str>) -> Result<()> {
        let last = self.there.iter().filter_map(|path| numbered(path, "runs/seq/")).max();
        let planned = self.there.iter().filter_map(|path| numbered(path, "runs/plan/")).max();
        let Some(last) = last.max(planned) else {
            if head.is_some() {
                self.report("runs/seq", "is empty: the run with the head given is gone", None);
            }
            return Ok(());
        };
        self.exact("format.json", &format_document()?, None).await?;
        let mut previous: Option<Published> = None;
        let mut heads = BTreeSet::new();
        let mut leaves = Leaves::default();
        for seq in 1..=last {
            let file = format!("runs/seq/{seq}.json");
            if !self.there.contains(&file) && self.there.contains(&format!("runs/plan/{seq}.json"))
            {
                self.named.insert(format!("runs/plan/{seq}.json"));
                self.report(
                    &file,
                    "is missing: its run is being published, or this file was removed",
                    None,
                );
                continue;
            }
            let Some(content) = self.read(&file, None).await? else { continue };
            let Ok(entry) = serde_json::from_slice::<Published>(&content) else {
                self.report(&file, "is damaged", None);
                continue;
            };
            self.found.runs += 1;
            heads.insert(entry.head.clone());
            self.run(&file, &entry, previous.as_ref(), &mut leaves).await?;
            let manifest = manifest_path(&entry.run_id, entry.generation);
            if pretty(&entry)? != content || entry.manifest != manifest || entry.seq != seq {
                self.report(&file, "is not what the run wrote", Some(&entry.run_id));
            }
            previous = Some(entry);
        }
        for (file, (expected, run_id)) in &leaves.present {
            self.hashed(file, expected, Some(run_id)).await?;
        }
        for (file, run_id) in &leaves.removed {
            self.named.insert(file.clone());
            if self.there.contains(file) {
                self.report(file, "was removed by the run and is there", Some(run_id));
            }
        }
        self.found.head = previous.as_ref().map(|entry| entry.head.clone());
        if let Some(head) = head
            && !heads.contains(head)
        {
            self.report(
                "runs/seq",
                "the chain does not hold the head given: it was cut or written anew",
                None,
            );
        }
        self.current().await
    }

    /// One run's own files; those of its tables go to `leaves`, where a later run's take their place.
    async fn run(
        &mut self,
        file: &str,
        entry: &Published,
        previous: Option<&Published>,
        leaves: &mut Leaves,
    ) -> Result<()> {
        let run_id = Some(entry.run_id.as_str());
        let Some(content) = self.read(&entry.manifest, run_id).await? else { return Ok(()) };
        if hash(&content) != entry.head {
            self.report(&entry.manifest, "is not what the run wrote, or its head is not", run_id);
            self.report(file, "has another head than the manifest, or that was changed", run_id);
        }
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&content) else {
            self.report(&entry.manifest, "is damaged", run_id);
            return Ok(());
        };
        if manifest.end.previous_head.as_ref() != previous.map(|entry| &entry.head) {
            self.report(&entry.manifest, "does not follow the run before it", run_id);
        }
        let said = Published { head: entry.head.clone(), ..manifest.end.published };
        if said != *entry || manifest.run_id != entry.run_id {
            self.report(file, "is not what the manifest says", run_id);
        }
        let plan = format!("runs/plan/{}.json", entry.seq);
        self.hashed(&plan, &manifest.end.plan, run_id).await?;
        for path in manifest.removed.keys() {
            if leaves.present.remove(path).is_none() && !leaves.removed.contains_key(path) {
                self.report(&entry.manifest, "removes what the chain does not hold", run_id);
            }
            leaves.removed.insert(path.clone(), entry.run_id.clone());
        }
        for (path, hash) in manifest.leaves.into_iter().chain(manifest.end.logs) {
            leaves.removed.remove(&path);
            leaves.present.insert(path, (hash, entry.run_id.clone()));
        }
        self.results(&entry.run_id).await
    }

    /// A run's results against their sums; a run that died before it reported has none.
    async fn results(&mut self, run_id: &str) -> Result<()> {
        let folder = format!("runs/{run_id}");
        let sums = format!("{folder}/{}", RESULT_SUMS);
        let files = ["report.html", "run_results.json"].map(|name| format!("{folder}/{name}"));
        if !self.there.contains(&sums) && !files.iter().any(|file| self.there.contains(file)) {
            return Ok(());
        }
        let Some(content) = self.read(&sums, Some(run_id)).await? else { return Ok(()) };
        let text = String::from_utf8_lossy(&content).into_owned();
        let mut lines = text.lines().filter_map(|line| line.split_once("  "));
        let mut expected = Vec::new();
        for file in files {
            match lines.next().filter(|(_, name)| file == format!("{folder}/{name}")) {
                Some((hash, _)) => expected.push((file, hash.to_owned())),
                None => self.report(&sums, "is damaged", Some(run_id)),
            }
        }
        let whole: String = expected
            .iter()
            .map(|(file, hash)| {
                format!("{hash}  {}\n", file.trim_start_matches(&format!("{folder}/")))
            })
            .collect();
        if whole != text {
            self.report(&sums, "is damaged", Some(run_id));
        }
        for (file, expected) in expected {
            let before = self.found.findings.len();
            self.hashed(&file, &expected, Some(run_id)).await?;
            if self.found.findings.len() > before {
                self.report(
                    &sums,
                    "does not fit the results: they or it are not what the run wrote",
                    Some(run_id),
                );
            }
        }
        Ok(())
    }

    /// `runs/current.json` is a copy of one entry: of the newest date of the last run's pipeline.
    async fn current(&mut self) -> Result<()> {
        let Ok(history) = super::History::read(self.warehouse).await else { return Ok(()) };
        let Some(pipeline) = history.entries().last().map(|entry| entry.pipeline.clone()) else {
            return Ok(());
        };
        match history.current(&pipeline) {
            Some(current) => {
                let expected = pretty(current)?;
                self.exact("runs/current.json", &expected, Some(&current.run_id)).await
            }
            None => Ok(()),
        }
    }

    /// Files that the chain does not name. One that stands where a reader looks is a finding; the
    /// rest is what broken runs leave.
    fn rest(&mut self) {
        let rest: Vec<String> = self.there.difference(&self.named).cloned().collect();
        for file in rest {
            if file.starts_with("staging/") {
                continue;
            }
            let read = file.contains("/_delta_log/")
                || file.starts_with("runs/")
                || file.starts_with("exports/");
            if read && self.found.runs > 0 {
                self.report(&file, "is of no published run", None);
            } else {
                self.found.unreferenced.push(file);
            }
        }
    }
}

/// The number of a numbered file of a folder.
fn numbered(path: &str, folder: &str) -> Option<u64> {
    path.strip_prefix(folder)?.strip_suffix(".json")?.parse().ok()
}
