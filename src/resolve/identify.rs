//! Golden ids through time: which cluster keeps which id, and what happened to the others.
//!
//! Knows clusters of record keys and what earlier runs left; refuses to know kinds, scores and why
//! records are together. All kinds are identified at once, since ids are shared among them.
//!
//! **New ids** are `c` and 26 characters of base 32: 128 bits of BLAKE3, keyed by the pipeline's
//! name, of the cluster's smallest (source, record_id) and the least n that gives an id never used.
//!
//! **Claims.** An id claims each cluster that holds one of its records; each id gets one cluster
//! and each cluster one id, taken in this order: what a steward chose, the latest choice first; ids
//! in use before ids that were retired or merged away, the older id (the date of its birth, then its
//! text), the larger overlap, the smallest (source, record_id). An id out of use claims by the
//! records it held when it went, which its last event names in `cause`: so a record that comes back,
//! or a merge that is undone, brings its id back.
//!
//! **Ids that only a decision knows.** A run of the same date takes the place of the one whose ids a
//! steward saw, and builds on what was before both. An id that a decision names and no earlier run
//! does was seen there: it claims by the records that the decision names, and is redirected where
//! these went to another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::Date32Type;
use rustc_hash::{FxHashMap, FxHashSet};

use super::decisions::Decision;
use super::record::RecordKey;
use super::redirect::{Redirect, redirects};
use super::run::{Link, text};
use crate::error::{Error, Result};
use crate::tables;

/// Which run identifies.
#[derive(Debug, Clone, Copy)]
pub struct IdentifyRun<'a> {
    /// The pipeline's name: ids of two pipelines never meet.
    pub pipeline: &'a str,
    /// The run.
    pub run_id: &'a str,
    /// Its logical date, in days since 1970-01-01.
    pub logical_date: i32,
    /// What stewards decided; only what stands counts.
    pub decisions: &'a [Decision],
}

/// What the predecessor left.
#[derive(Debug, Clone, Copy)]
pub struct Previous<'a> {
    /// Its `entity_members`.
    pub members: &'a RecordBatch,
    /// All `entity_events` up to it.
    pub events: &'a RecordBatch,
    /// Its `id_redirects`.
    pub redirects: &'a RecordBatch,
}

/// What this run leaves.
#[derive(Debug)]
pub struct Identified {
    /// `tables::entity_members()`, sorted by (golden_id, source, record_id).
    pub members: RecordBatch,
    /// `tables::entity_events()`: those of this run, sorted by (golden_id, event, other).
    pub events: RecordBatch,
    /// `tables::id_redirects()`: all, sorted by (old_golden_id, valid_from, golden_id).
    pub redirects: RecordBatch,
    /// The golden id of each cluster, in the order in which clusters were given.
    pub golden_ids: Vec<String>,
}

type Key<'a> = (&'a str, &'a str);

/// How the records of an id that goes out of use are named in its last event's cause.
const RECORDS: &str = "records: ";

/// All that is known of ids from earlier runs.
#[derive(Default)]
struct History<'a> {
    /// Members in use: record to id and the run since which it is in it.
    members: FxHashMap<Key<'a>, (&'a str, &'a str)>,
    /// Ids in use, with their records, sorted.
    current: BTreeMap<&'a str, Vec<Key<'a>>>,
    /// The date of each id's first event.
    born: FxHashMap<&'a str, i32>,
    /// Ids out of use, with the records they held.
    gone: BTreeMap<&'a str, Vec<RecordKey>>,
    /// Every id ever used.
    used: FxHashSet<&'a str>,
    /// Ids that decisions alone name, with the records that they name of them, sorted.
    named: BTreeMap<&'a str, Vec<Key<'a>>>,
    redirects: Vec<Redirect>,
}

fn dates<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Date32Array> {
    batch
        .column_by_name(name)
        .and_then(|column| column.as_primitive_opt::<Date32Type>())
        .ok_or_else(|| Error::bug(format!("an earlier run's table has no date column `{name}`")))
}

impl<'a> History<'a> {
    fn read(previous: &Previous<'a>) -> Result<Self> {
        let mut history = Self::default();
        let (ids, since) =
            (text(previous.members, "golden_id")?, text(previous.members, "since_run")?);
        let (sources, records) =
            (text(previous.members, "source")?, text(previous.members, "record_id")?);
        for row in 0..previous.members.num_rows() {
            let key = (sources.value(row), records.value(row));
            history.members.insert(key, (ids.value(row), since.value(row)));
            history.current.entry(ids.value(row)).or_default().push(key);
            history.used.insert(ids.value(row));
        }
        history.current.values_mut().for_each(|records| records.sort_unstable());
        history.read_events(previous.events)?;
        history.read_redirects(previous.redirects)?;
        Ok(history)
    }

    fn read_events(&mut self, events: &'a RecordBatch) -> Result<()> {
        let (ids, kinds) = (text(events, "golden_id")?, text(events, "event")?);
        let (causes, when) = (text(events, "cause")?, dates(events, "logical_date")?);
        // The last departure of each id, whatever order the log is in; an id has one a date.
        let mut left: FxHashMap<&str, (i32, &str)> = FxHashMap::default();
        for row in 0..events.num_rows() {
            let (id, date) = (ids.value(row), when.value(row));
            self.used.insert(id);
            self.born.entry(id).and_modify(|born| *born = date.min(*born)).or_insert(date);
            if matches!(kinds.value(row), "merged" | "retired") {
                let last = left.entry(id).or_insert((date, causes.value(row)));
                *last = (*last).max((date, causes.value(row)));
            }
        }
        for (id, (_, cause)) in left {
            if !self.current.contains_key(id) {
                let list = cause.split_once(RECORDS).map_or("[]", |(_, list)| list);
                let addresses: Vec<String> = serde_json::from_str(list)
                    .map_err(|_| Error::bug("a cause in entity_events cannot be read"))?;
                let records = addresses.iter().filter_map(|own| RecordKey::parse(own)).collect();
                self.gone.insert(id, records);
            }
        }
        Ok(())
    }

    fn read_redirects(&mut self, batch: &'a RecordBatch) -> Result<()> {
        let (old, new, run) =
            (text(batch, "old_golden_id")?, text(batch, "golden_id")?, text(batch, "run_id")?);
        let (from, to) = (dates(batch, "valid_from")?, dates(batch, "valid_to")?);
        for row in 0..batch.num_rows() {
            self.used.extend([old.value(row), new.value(row)]);
            self.redirects.push(Redirect {
                old: old.value(row).to_owned(),
                new: new.value(row).to_owned(),
                from: from.value(row),
                to: to.is_valid(row).then(|| to.value(row)),
                run_id: run.value(row).to_owned(),
            });
        }
        Ok(())
    }

    fn read_decisions(&mut self, run: &IdentifyRun<'a>) {
        for own in run.decisions.iter().filter(|own| own.stands()) {
            for (id, key) in [(&own.golden_id_a, &own.a), (&own.golden_id_b, &own.b)] {
                if let Some(id) = id.as_deref().filter(|id| !self.used.contains(id)) {
                    self.born.insert(id, run.logical_date);
                    self.named.entry(id).or_default().push((&key.source, &key.record_id));
                }
            }
        }
        for records in self.named.values_mut() {
            records.sort_unstable();
            records.dedup();
        }
    }

    fn born(&self, id: &str) -> i32 {
        self.born.get(id).copied().unwrap_or(i32::MIN)
    }
}

/// A claim of an id on a cluster; the order of claims is that of the fields.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Claim<'a> {
    /// When a steward chose it, the latest first; those that nobody chose come after.
    chosen: std::cmp::Reverse<Option<i64>>,
    out_of_use: bool,
    born: i32,
    id: &'a str,
    overlap: std::cmp::Reverse<usize>,
    smallest: Key<'a>,
    cluster: usize,
}

/// One row of `entity_events`; the order is that of the table.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    golden_id: String,
    event: &'static str,
    other: Option<String>,
    cause: String,
    records: u32,
}

/// Gives each cluster its golden id and says what became of every id in use before.
///
/// `clusters` hold every record once; `links` are pairs that joined records, the strongest first,
/// and are named as the cause of merges.
///
/// # Errors
/// Where an earlier run's tables are not of their schemas.
pub fn identify(
    run: &IdentifyRun<'_>,
    clusters: &[Vec<RecordKey>],
    previous: Option<&Previous<'_>>,
    links: &[Link],
) -> Result<Identified> {
    identify_among(run, clusters, previous, links, &|_| false)
}

/// The records of every id out of use of which one comes back: it is among `clusters` and was not
/// there.
pub(super) fn returning(
    previous: &Previous<'_>,
    clusters: &[Vec<RecordKey>],
) -> Result<FxHashSet<RecordKey>> {
    let history = History::read(previous)?;
    let new = |key: &&RecordKey| {
        !history.members.contains_key(&(key.source.as_str(), key.record_id.as_str()))
    };
    let new: FxHashSet<&RecordKey> = clusters.iter().flatten().filter(new).collect();
    let back = history.gone.values().filter(|own| own.iter().any(|key| new.contains(key)));
    Ok(back.flatten().cloned().collect())
}

/// The same where `stays` says which ids are of entities that are neither among `clusters` nor in
/// the earlier tables: they are in use, before and after.
pub(super) fn identify_among(
    run: &IdentifyRun<'_>,
    clusters: &[Vec<RecordKey>],
    previous: Option<&Previous<'_>>,
    links: &[Link],
    stays: &dyn Fn(&str) -> bool,
) -> Result<Identified> {
    let mut history = previous.map_or_else(|| Ok(History::default()), History::read)?;
    history.read_decisions(run);
    let clusters: Vec<Vec<Key<'_>>> = clusters
        .iter()
        .map(|cluster| {
            let mut keys: Vec<Key<'_>> =
                cluster.iter().map(|key| (key.source.as_str(), key.record_id.as_str())).collect();
            keys.sort_unstable();
            keys
        })
        .collect();
    if clusters.iter().any(Vec::is_empty) {
        return Err(Error::bug("a cluster without records has no golden id"));
    }
    let place: FxHashMap<Key<'_>, usize> = clusters
        .iter()
        .enumerate()
        .flat_map(|(number, keys)| keys.iter().map(move |key| (*key, number)))
        .collect();
    let claimed = settle(run, &history, &clusters, &place);
    let golden_ids = name(run, &history, &clusters, &claimed, stays);
    let state =
        State { run, history: &history, clusters: &clusters, place: &place, ids: &golden_ids };
    let events = state.events(links);
    let merged: BTreeMap<&str, &str> = events
        .iter()
        .filter(|event| event.event == "merged")
        .filter_map(|event| Some((event.golden_id.as_str(), event.other.as_deref()?)))
        .collect();
    let mut live: FxHashSet<&str> = golden_ids.iter().map(String::as_str).collect();
    let ends = history.redirects.iter().flat_map(|own| [own.old.as_str(), own.new.as_str()]);
    live.extend(ends.filter(|id| stays(id)));
    let redirects = redirects(&history.redirects, &live, &merged, run.logical_date, run.run_id);
    Ok(Identified {
        members: state.members()?,
        events: event_batch(run, &events)?,
        redirects: redirect_batch(&redirects)?,
        golden_ids,
    })
}

/// The id that each cluster keeps or gets back.
fn settle<'a>(
    run: &IdentifyRun<'a>,
    history: &'a History<'a>,
    clusters: &[Vec<Key<'a>>],
    place: &FxHashMap<Key<'a>, usize>,
) -> Vec<Option<&'a str>> {
    let mut claims = Vec::new();
    let mut choices = choices(run, place);
    let mut claim = |id: &'a str, out_of_use: bool, records: &mut dyn Iterator<Item = Key<'a>>| {
        let mut overlaps: BTreeMap<usize, usize> = BTreeMap::new();
        for cluster in records.filter_map(|key| place.get(&key)) {
            *overlaps.entry(*cluster).or_default() += 1;
        }
        claims.extend(overlaps.into_iter().map(|(cluster, overlap)| Claim {
            chosen: std::cmp::Reverse(choices.remove(&(id, cluster))),
            out_of_use,
            born: history.born(id),
            id,
            overlap: std::cmp::Reverse(overlap),
            smallest: clusters[cluster][0],
            cluster,
        }));
    };
    for (id, records) in &history.current {
        claim(id, false, &mut records.iter().copied());
    }
    for (id, records) in &history.gone {
        claim(
            id,
            true,
            &mut records.iter().map(|key| (key.source.as_str(), key.record_id.as_str())),
        );
    }
    for (id, records) in &history.named {
        claim(id, true, &mut records.iter().copied());
    }
    // A steward may choose an id none of whose records is in the cluster any more.
    claims.extend(choices.into_iter().map(|((id, cluster), at)| Claim {
        chosen: std::cmp::Reverse(Some(at)),
        out_of_use: true,
        born: history.born(id),
        id,
        overlap: std::cmp::Reverse(0),
        smallest: clusters[cluster][0],
        cluster,
    }));
    claims.sort_unstable();
    let mut kept: Vec<Option<&str>> = vec![None; clusters.len()];
    let mut settled: FxHashSet<&str> = FxHashSet::default();
    for claim in claims {
        if kept[claim.cluster].is_none() && settled.insert(claim.id) {
            kept[claim.cluster] = Some(claim.id);
        }
    }
    kept
}

/// Which id a steward chose for which cluster, and when last: of a decision that two records are the
/// same, either says which cluster it is.
fn choices<'a>(
    run: &IdentifyRun<'a>,
    place: &FxHashMap<Key<'a>, usize>,
) -> BTreeMap<(&'a str, usize), i64> {
    let mut choices = BTreeMap::new();
    for own in run.decisions.iter().filter(|own| own.stands()) {
        let Some(id) = own.keep_golden_id.as_deref() else { continue };
        let cluster =
            |key: &'a RecordKey| place.get(&(key.source.as_str(), key.record_id.as_str())).copied();
        let of = cluster(&own.a).or_else(|| cluster(&own.b).filter(|_| own.same));
        if let Some(cluster) = of {
            let last = choices.entry((id, cluster)).or_insert(own.at);
            *last = own.at.max(*last);
        }
    }
    choices
}

/// The ids of all clusters, new ones for those that kept none.
fn name(
    run: &IdentifyRun<'_>,
    history: &History<'_>,
    clusters: &[Vec<Key<'_>>],
    kept: &[Option<&str>],
    stays: &dyn Fn(&str) -> bool,
) -> Vec<String> {
    let used = |id: &str| history.used.contains(id) || stays(id);
    let mut given: FxHashSet<String> = kept.iter().flatten().map(|id| (*id).to_owned()).collect();
    let key = blake3::derive_key("simurgh golden id 1", run.pipeline.as_bytes());
    clusters
        .iter()
        .zip(kept)
        .map(|(records, kept)| match kept {
            Some(id) => (*id).to_owned(),
            // No other cluster has this smallest record, so that the order of clusters is nothing.
            None => (0u64..)
                .map(|n| golden_id(&key, records[0], n))
                .find(|id| !used(id) && given.insert(id.clone()))
                .unwrap_or_default(),
        })
        .collect()
}

/// `c` and the first 128 bits of the hash, five bits a character, the last with two to spare.
fn golden_id(key: &[u8; 32], (source, record_id): Key<'_>, n: u64) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&(source.len() as u64).to_le_bytes());
    hasher.update(source.as_bytes());
    hasher.update(record_id.as_bytes());
    hasher.update(&n.to_le_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    let bits = u128::from_be_bytes(bytes);
    let digit = |place: u32| {
        let five = if place < 25 { bits >> (128 - 5 * (place + 1)) } else { bits << 2 };
        char::from(ALPHABET[(five & 31) as usize])
    };
    std::iter::once('c').chain((0..26).map(digit)).collect()
}

struct State<'a> {
    run: &'a IdentifyRun<'a>,
    history: &'a History<'a>,
    clusters: &'a [Vec<Key<'a>>],
    place: &'a FxHashMap<Key<'a>, usize>,
    ids: &'a [String],
}

fn addresses(records: &[Key<'_>]) -> String {
    let list: Vec<String> = records.iter().map(|(source, id)| format!("{source}:{id}")).collect();
    format!("{RECORDS}{}", serde_json::Value::from(list))
}

impl State<'_> {
    fn events(&self, links: &[Link]) -> Vec<Event> {
        let mut events = Vec::new();
        let live: FxHashMap<&str, usize> =
            self.ids.iter().enumerate().map(|(cluster, id)| (id.as_str(), cluster)).collect();
        let mut links_of: FxHashMap<usize, Vec<&Link>> = FxHashMap::default();
        for link in links {
            let end = (link.l.source.as_str(), link.l.record_id.as_str());
            if let Some(cluster) = self.place.get(&end) {
                links_of.entry(*cluster).or_default().push(link);
            }
        }
        for (cluster, id) in self.ids.iter().enumerate() {
            self.cluster_events(cluster, id, &mut events);
        }
        for (id, records) in &self.history.current {
            if !live.contains_key(id) {
                events.push(self.departure(id, records, &links_of));
            }
        }
        for (id, records) in self.history.named.iter().filter(|(id, _)| !live.contains_key(*id)) {
            if records.iter().any(|key| self.place.contains_key(key)) {
                events.push(self.departure(id, records, &links_of));
            }
        }
        // An id out of use whose records came back into another's cluster is merged into it.
        for (id, records) in self.history.gone.iter().filter(|(id, _)| !live.contains_key(*id)) {
            let keys: Vec<Key<'_>> =
                records.iter().map(|key| (key.source.as_str(), key.record_id.as_str())).collect();
            let back = keys
                .iter()
                .any(|key| self.place.contains_key(key) && !self.history.members.contains_key(key));
            let redirected =
                self.history.redirects.iter().any(|own| own.old == **id && own.to.is_none());
            if back && !redirected {
                events.push(self.departure(id, &keys, &links_of));
            }
        }
        events.sort_unstable();
        events
    }

    /// What happened to the id of a cluster in use now.
    fn cluster_events(&self, cluster: usize, id: &str, events: &mut Vec<Event>) {
        let records = &self.clusters[cluster];
        let mut event = |event, other: Option<&str>, changed: &[Key<'_>]| {
            events.push(Event {
                golden_id: id.to_owned(),
                event,
                other: other.map(str::to_owned),
                cause: addresses(changed),
                records: records.len() as u32,
            });
        };
        let Some(before) = self.history.current.get(id) else {
            if self.history.gone.contains_key(id) {
                return event("restored", None, records);
            }
            let mut origins: BTreeMap<&str, Vec<Key<'_>>> = BTreeMap::new();
            for key in records {
                if let Some((old, _)) = self.history.members.get(key) {
                    origins.entry(old).or_default().push(*key);
                }
            }
            if origins.is_empty() {
                return event("created", None, records);
            }
            return origins.iter().for_each(|(old, part)| event("split", Some(old), part));
        };
        let gained: Vec<Key<'_>> =
            records.iter().filter(|key| before.binary_search(key).is_err()).copied().collect();
        let lost: Vec<Key<'_>> =
            before.iter().filter(|key| records.binary_search(key).is_err()).copied().collect();
        if !gained.is_empty() {
            event("grown", None, &gained);
        }
        if !lost.is_empty() {
            event("shrunk", None, &lost);
        }
    }

    /// An id that no cluster kept: merged into the one that holds most of its records, else retired.
    fn departure(
        &self,
        id: &str,
        records: &[Key<'_>],
        links: &FxHashMap<usize, Vec<&Link>>,
    ) -> Event {
        let mut overlaps: BTreeMap<usize, usize> = BTreeMap::new();
        for cluster in records.iter().filter_map(|key| self.place.get(key)) {
            *overlaps.entry(*cluster).or_default() += 1;
        }
        let heir = overlaps
            .into_iter()
            .max_by_key(|(cluster, overlap)| {
                (*overlap, std::cmp::Reverse(self.clusters[*cluster][0]))
            })
            .map(|(cluster, _)| cluster);
        let own: BTreeSet<Key<'_>> = records.iter().copied().collect();
        let crossing = heir.and_then(|cluster| links.get(&cluster)).and_then(|links| {
            links.iter().find(|link| {
                let within =
                    |key: &RecordKey| own.contains(&(key.source.as_str(), key.record_id.as_str()));
                within(&link.l) != within(&link.r)
            })
        });
        let pair = crossing
            .map(|link| format!("pair: {} {} by {}; ", link.l, link.r, link.decided_by))
            .unwrap_or_default();
        Event {
            golden_id: id.to_owned(),
            event: if heir.is_some() { "merged" } else { "retired" },
            other: heir.map(|cluster| self.ids[cluster].clone()),
            cause: format!("{pair}{}", addresses(records)),
            records: heir.map_or(0, |cluster| self.clusters[cluster].len() as u32),
        }
    }

    fn members(&self) -> Result<RecordBatch> {
        let mut rows: Vec<(&str, Key<'_>)> = self
            .clusters
            .iter()
            .zip(self.ids)
            .flat_map(|(keys, id)| keys.iter().map(move |key| (id.as_str(), *key)))
            .collect();
        rows.sort_unstable();
        let since = rows.iter().map(|(id, key)| match self.history.members.get(key) {
            Some((old, since)) if old == id => since,
            _ => self.run.run_id,
        });
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|(id, _)| id))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, key)| key.0))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, key)| key.1))),
            Arc::new(StringArray::from_iter_values(since)),
        ];
        batch(tables::entity_members(), columns)
    }
}

fn batch(schema: arrow::datatypes::SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(schema, columns)
        .map_err(|_| Error::bug("identified entities do not fit their tables"))
}

fn event_batch(run: &IdentifyRun<'_>, events: &[Event]) -> Result<RecordBatch> {
    let texts = |of: &dyn Fn(&Event) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(events.iter().map(of)))
    };
    let columns: Vec<ArrayRef> = vec![
        texts(&|_| run.run_id.to_owned()),
        texts(&|event| event.golden_id.clone()),
        texts(&|event| event.event.to_owned()),
        texts(&|event| event.cause.clone()),
        Arc::new(events.iter().map(|event| event.other.as_deref()).collect::<StringArray>()),
        Arc::new(UInt32Array::from_iter_values(events.iter().map(|event| event.records))),
        Arc::new(Date32Array::from(vec![run.logical_date; events.len()])),
    ];
    batch(tables::entity_events(), columns)
}

fn redirect_batch(rows: &[Redirect]) -> Result<RecordBatch> {
    let texts = |of: fn(&Redirect) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
    };
    let columns: Vec<ArrayRef> = vec![
        texts(|row| &row.old),
        texts(|row| &row.new),
        Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.from))),
        Arc::new(rows.iter().map(|row| row.to).collect::<Date32Array>()),
        texts(|row| &row.run_id),
    ];
    batch(tables::id_redirects(), columns)
}

#[cfg(test)]
#[path = "identify_tests.rs"]
mod tests;
