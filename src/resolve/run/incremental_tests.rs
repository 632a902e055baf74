//! Random histories: what an incremental resolution finds is what one from nothing finds.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    BooleanArray, Float64Array, ListBuilder, StringArray, StringBuilder, UInt32Array,
};

use super::super::super::conditions::testing::Texts;
use super::super::super::quality::ClusterQuality;
use super::super::super::{
    IdentifyRun, LogRun, Previous, RecordKey, Staying, identify, identify_since, match_log,
};
use super::super::before::{Earlier, Gone};
use super::super::tests::{blocking, comparison};
use super::*;
use crate::random::SplitMix64;
use crate::resolve::settings::{
    ComparisonSettings, Level, LinkType, Resolve, Rule, Thresholds, Training,
    Verdict as RuleVerdict,
};
use crate::tables;

const GIVEN: &[&str] = &["ana", "anna", "luis", "omar", "sara", "john"];
const FAMILY: &[&str] = &["diaz", "dias", "hassan", "smith", "karim", "okoye"];
const SOURCES: &[&str] = &["crm", "pos", "web"];

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    given: &'static str,
    family: &'static str,
    born: Option<String>,
    email: Option<String>,
    tags: Vec<String>,
    number: Option<String>,
}

type Records = BTreeMap<(String, String), Said>;

struct Chance(SplitMix64);

impl Chance {
    fn below(&mut self, count: usize) -> usize {
        (self.0.next() % count.max(1) as u64) as usize
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn said(&mut self) -> Said {
        // Families are of very different sizes, so that some blocks are past their bound.
        let family = if self.below(2) == 0 { FAMILY[0] } else { self.of(FAMILY) };
        let given = self.of(GIVEN);
        let born = format!("19{}-0{}-11", 50 + self.below(4), 1 + self.below(3));
        let mail = format!("{given}.{family}{}@mail.org", self.below(4));
        Said {
            given,
            family,
            born: (self.below(6) > 0).then_some(born),
            email: (self.below(3) > 0).then_some(mail),
            tags: (0..self.below(3)).map(|_| format!("t{}", self.below(9))).collect(),
            number: (self.below(5) == 0).then(|| format!("n{}", self.below(12))),
        }
    }

    fn key(&mut self) -> (String, String) {
        (self.of(SOURCES).to_owned(), format!("{:03}", self.below(70)))
    }

    /// One day's adds, changes and removals; now and then of one family, so that blocks cross
    /// their bound, up or down.
    fn day(&mut self, records: &mut Records) {
        let keys: Vec<(String, String)> = records.keys().cloned().collect();
        for _ in 0..self.below(4) {
            records.remove(&keys[self.below(keys.len())]);
        }
        for _ in 0..self.below(4) {
            let key = &keys[self.below(keys.len())];
            if let Some(said) = records.get_mut(key) {
                match self.below(3) {
                    0 => *said = self.said(),
                    1 => said.email = self.said().email,
                    _ => said.given = self.of(GIVEN),
                }
            }
        }
        for _ in 0..self.below(5) {
            let (key, said) = (self.key(), self.said());
            records.insert(key, said);
        }
        let family = self.of(FAMILY);
        match self.below(6) {
            0 => {
                for _ in 0..6 {
                    let (key, said) = (self.key(), Said { family, ..self.said() });
                    records.insert(key, said);
                }
            }
            1 => {
                let mut left = 6;
                records.retain(|_, said| {
                    let goes = said.family == family && left > 0;
                    left -= usize::from(goes);
                    !goes
                });
            }
            _ => {}
        }
    }

    fn settings(&mut self) -> Resolve {
        let mut family = blocking("family", &["family"]);
        (family.refine, family.max_block) = (vec!["given".into(), "born".into()], 5);
        let mut tags = blocking("tags", &["tags"]);
        tags.max_block = 4;
        let mut born = blocking("born", &["born"]);
        born.max_block = 6;
        let mut rules = vec![blocking("email", &["email"]), family, tags, born];
        if self.below(3) == 0 {
            // No block is past its bound, so that every pair stays with its rule.
            rules.iter_mut().for_each(|rule| rule.max_block = 1_000);
        }
        let turn = self.below(rules.len());
        rules.rotate_left(turn);
        let rule =
            |name: &str, then, same: &[&str], differ: &[&str], condition: Option<&str>| Rule {
                name: name.to_owned(),
                then,
                same: same.iter().map(|own| (*own).to_owned()).collect(),
                differ: differ.iter().map(|own| (*own).to_owned()).collect(),
                unlike: Vec::new(),
                condition: condition.map(str::to_owned),
            };
        let mut all = vec![
            rule("number", RuleVerdict::Merge, &["number"], &[], None),
            rule("other number", RuleVerdict::Separate, &[], &["number"], None),
            rule("near", RuleVerdict::Separate, &["born"], &["email"], Some("near")),
        ];
        all.retain(|_| self.below(2) == 0);
        Resolve {
            blocking: rules,
            comparisons: vec![
                comparison("name", "person_name", &["given", "family"], true),
                comparison("born", "date", &["born"], true),
                comparison("email", "email", &["email"], false),
                ComparisonSettings {
                    levels: vec![Level::Text("=".to_owned()), Level::Text("near".to_owned())],
                    ..comparison("alike", "sql", &[], false)
                },
            ],
            rules: all,
            training: Training { random_pairs: 5_000, ..Training::default() },
            thresholds: Thresholds {
                sample: None,
                merge: 0.5,
                review: 0.05,
                precision: (self.below(5) == 0).then_some(0.9),
            },
            link: self.of(&[
                LinkType::LinkAndDedupe,
                LinkType::LinkAndDedupe,
                LinkType::LinkOnly,
                LinkType::DedupeOnly,
            ]),
            duplicate_free: if self.below(3) == 0 { vec!["pos".to_owned()] } else { Vec::new() },
        }
    }

    /// Some of the decisions that stand, and new ones.
    fn decide(&mut self, decisions: &mut Vec<StewardDecision>, records: &Records) {
        decisions.retain(|_| self.below(4) > 0);
        let keys: Vec<&(String, String)> = records.keys().collect();
        for _ in 0..self.below(3) {
            let mut key = || {
                let (source, record_id) = keys[self.below(keys.len())];
                RecordKey::new(source, record_id)
            };
            let (a, b) = (key(), key());
            decisions.push(StewardDecision { a, b, same: self.below(2) == 0, by: "lea".into() });
        }
    }
}

fn expressions(records: &[&Said]) -> HashMap<String, ArrayRef> {
    let text = |of: &dyn Fn(&Said) -> Option<String>| -> ArrayRef {
        Arc::new(records.iter().map(|own| of(own)).collect::<StringArray>())
    };
    let mut tags = ListBuilder::new(StringBuilder::new());
    for own in records {
        tags.append_value(own.tags.iter().map(Some));
    }
    HashMap::from([
        ("given".to_owned(), text(&|own| Some(own.given.to_owned()))),
        ("family".to_owned(), text(&|own| Some(own.family.to_owned()))),
        ("born".to_owned(), text(&|own| own.born.clone())),
        ("email".to_owned(), text(&|own| own.email.clone())),
        ("number".to_owned(), text(&|own| own.number.clone())),
        ("tags".to_owned(), Arc::new(tags.finish())),
    ])
}

fn column(records: &Records, of: impl Fn(&(String, String)) -> &String) -> StringArray {
    records.keys().map(|key| Some(of(key))).collect()
}

fn input<'a>(settings: &'a Resolve, records: &Records) -> Input<'a> {
    // What a condition reads tells null from blank.
    let text = |own: &'static str, said: &Said| match (&said.born, &said.email) {
        (None, _) => None,
        (_, None) => Some(""),
        _ => Some(own),
    };
    let given: Vec<Option<&str>> = records.values().map(|own| text(own.given, own)).collect();
    Input {
        kind: "person",
        settings,
        source: column(records, |key| &key.0),
        record_id: column(records, |key| &key.1),
        expressions: expressions(&records.values().collect::<Vec<_>>()),
        coded: false,
        conditions: Some(Texts::of(&given)),
        hash_key: None,
    }
}

/// The tables of a day, as a run leaves them.
struct Day {
    tables: Earlier,
    events: RecordBatch,
    redirects: RecordBatch,
}

/// What a run makes of a resolution: where it was of what changed, by the entities that stay.
fn publish(date: i32, before: Option<&Day>, records: &Records, found: &Resolved) -> Day {
    let nobody = RecordBatch::new_empty(tables::entity_members());
    let mut staying = Staying::new(before.map_or(&nobody, |day| &day.tables.members), &[]).unwrap();
    let stays = staying.take(&found.extent);
    let mut clusters: BTreeMap<u32, Vec<RecordKey>> = BTreeMap::new();
    for (row, (key, cluster)) in records.keys().zip(&found.clusters).enumerate() {
        if !stays.get(row).is_some_and(|stays| *stays) {
            clusters.entry(*cluster).or_default().push(RecordKey::new(&key.0, &key.1));
        }
    }
    let numbers: Vec<u32> = clusters.keys().copied().collect();
    let clusters: Vec<Vec<RecordKey>> = clusters.into_values().collect();
    let run_id = format!("run{date}");
    let run = IdentifyRun { pipeline: "test", run_id: &run_id, logical_date: date, decisions: &[] };
    let previous = before.map(|day| Previous {
        members: &day.tables.members,
        events: &day.events,
        redirects: &day.redirects,
    });
    let identified = match &previous {
        Some(previous) => identify_since(&run, &clusters, &staying, previous, &found.links),
        None => identify(&run, &clusters, None, &found.links),
    };
    let identified = identified.unwrap();
    let mut rows: Vec<(&str, &ClusterQuality)> = found
        .quality
        .iter()
        .filter_map(|own| {
            let place = numbers.binary_search(&own.cluster).ok()?;
            Some((identified.golden_ids[place].as_str(), own))
        })
        .collect();
    rows.sort_unstable_by_key(|row| row.0);
    let floats = |of: fn(&ClusterQuality) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| of(row.1))))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.1.members))),
        floats(|own| own.cohesion),
        floats(|own| own.weakest_link),
        Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.1.bridge)))),
    ];
    let own = RecordBatch::try_new(tables::entity_quality(), columns).unwrap();
    let empty = RecordBatch::new_empty(tables::entity_events());
    let events = before.map_or(&empty, |day| &day.events);
    let events =
        arrow::compute::concat_batches(&tables::entity_events(), [events, &identified.events])
            .unwrap();
    let quality = before.map(|day| staying.with(&day.tables.quality, &own).unwrap());
    Day {
        tables: Earlier {
            pairs: found.pairs.clone(),
            members: identified.members,
            quality: quality.unwrap_or(own),
        },
        events,
        redirects: identified.redirects,
    }
}

/// Resolves a day on what the day before left.
fn since(
    input: &Input<'_>,
    model: &Model,
    decisions: &[StewardDecision],
    day: &Day,
    (old, new): (&Records, &Records),
    threads: usize,
) -> Resolved {
    let changed: Vec<bool> = new.iter().map(|(key, said)| old.get(key) != Some(said)).collect();
    let gone: Records = old
        .iter()
        .filter(|(key, said)| new.get(*key) != Some(said))
        .map(|(key, said)| (key.clone(), said.clone()))
        .collect();
    let gone = Gone {
        source: column(&gone, |key| &key.0),
        record_id: column(&gone, |key| &key.1),
        expressions: expressions(&gone.values().collect::<Vec<_>>()),
    };
    let now = Index::new(&input.source, &input.record_id);
    let before = Before::new(now, changed, gone, &day.tables, threads).unwrap();
    resolve_since(input, &before, decisions, model.clone(), Options { threads }).unwrap()
}

/// How many random histories are lived through.
fn histories() -> u64 {
    std::env::var("SIMURGH_HISTORIES").ok().and_then(|own| own.parse().ok()).unwrap_or(25)
}

#[test]
fn any_history_gives_what_a_resolution_from_nothing_gives() {
    let (mut taken, mut walked, mut again, mut spared, mut whole) = (0, 0, 0, 0, 0);
    let mut days = 0;
    for seed in 0..histories() {
        let mut chance = Chance(SplitMix64::new(seed));
        let settings = chance.settings();
        let mut records = Records::new();
        while records.len() < 90 {
            let (key, said) = (chance.key(), chance.said());
            records.insert(key, said);
        }
        let mut decisions = Vec::new();
        let options = Options { threads: 2 };
        let first = resolve(&input(&settings, &records), &[], None, options).unwrap();
        let model = first.model.clone();
        let mut by_changes = publish(20_000, None, &records, &first);
        let mut from_nothing = publish(20_000, None, &records, &first);
        for date in 20_001..20_008 {
            let old = records.clone();
            chance.day(&mut records);
            chance.decide(&mut decisions, &records);
            let input = input(&settings, &records);
            let place = format!("history {seed}, day {date}");
            let full = resolve(&input, &decisions, Some(model.clone()), options).unwrap();
            let threads = 1 + seed as usize % 3;
            let found = since(&input, &model, &decisions, &by_changes, (&old, &records), threads);
            assert_eq!(found.pairs, full.pairs, "{place}: pairs");
            assert_eq!(found.clusters, full.clusters, "{place}: clusters");
            assert_eq!(found.quality, full.quality, "{place}: quality");
            assert_eq!(found.blocking, full.blocking, "{place}: blocking");
            assert_eq!(found.merge_threshold, full.merge_threshold, "{place}: threshold");
            assert_eq!(found.warnings, full.warnings, "{place}: warnings");
            let next = publish(date, Some(&by_changes), &records, &found);
            let other = publish(date, Some(&from_nothing), &records, &full);
            assert_eq!(next.tables.members, other.tables.members, "{place}: ids");
            assert_eq!(next.events, other.events, "{place}: events and their causes");
            assert_eq!(next.redirects, other.redirects, "{place}: redirects");
            assert_eq!(next.tables.quality, other.tables.quality, "{place}: quality by id");
            days += 1;
            match &found.extent {
                Extent::Everything(_) => whole += 1,
                Extent::Changes(changes) => {
                    let counts = changes.counts;
                    let run = LogRun { run_id: "run", logical_date: date, configuration: "" };
                    let log = match_log(Some(&by_changes.tables.pairs), &full.pairs, &run).unwrap();
                    let short = match_log(Some(&changes.before), &changes.now, &run).unwrap();
                    assert_eq!(short, log, "{place}: the match log of what changed");
                    taken += counts.pairs_taken_over;
                    walked += counts.pairs_walked;
                    again += counts.blocks_again;
                    spared += records.len() as u64 - counts.records_clustered;
                }
            }
            (by_changes, from_nothing) = (next, other);
        }
    }
    // The histories reach what they are for.
    assert!(
        taken > 0 && walked > 0 && again > 0 && spared > 0,
        "{taken} {walked} {again} {spared}"
    );
    assert!(whole * 10 < days, "{whole} of {days} days from nothing");
}
