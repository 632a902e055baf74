//! Histories of clusters, by hand and at random.

use proptest::prelude::*;

use super::*;

/// Days of clusters; a record is a number, of source `a` if even and `b` if odd.
struct Story {
    members: Option<RecordBatch>,
    events: RecordBatch,
    redirects: RecordBatch,
    day: i32,
    decisions: Vec<Decision>,
    /// The id of each record.
    now: BTreeMap<u8, String>,
    today: Vec<(String, String, Option<String>)>,
}

impl Story {
    fn new() -> Self {
        Self {
            members: None,
            events: RecordBatch::new_empty(tables::entity_events()),
            redirects: RecordBatch::new_empty(tables::id_redirects()),
            day: 20_000,
            decisions: Vec::new(),
            now: BTreeMap::new(),
            today: Vec::new(),
        }
    }

    fn key(record: u8) -> RecordKey {
        RecordKey::new(if record.is_multiple_of(2) { "a" } else { "b" }, record.to_string())
    }

    fn day(&mut self, clusters: &[Vec<u8>]) -> &mut Self {
        self.day += 1;
        let run_id = format!("run{}", self.day);
        let run = IdentifyRun {
            pipeline: "test",
            run_id: &run_id,
            logical_date: self.day,
            decisions: &self.decisions,
        };
        let keys: Vec<Vec<RecordKey>> =
            clusters.iter().map(|own| own.iter().map(|r| Self::key(*r)).collect()).collect();
        let found = {
            let previous = self.members.as_ref().map(|members| Previous {
                members,
                events: &self.events,
                redirects: &self.redirects,
            });
            identify(&run, &keys, previous.as_ref(), &[]).unwrap()
        };
        self.now = clusters
            .iter()
            .zip(&found.golden_ids)
            .flat_map(|(own, id)| own.iter().map(move |record| (*record, id.clone())))
            .collect();
        let column = |name| found.events.column_by_name(name).unwrap().as_string::<i32>();
        let (ids, kinds, others) =
            (column("golden_id"), column("event"), column("other_golden_id"));
        self.today = (0..found.events.num_rows())
            .map(|row| {
                let other = others.is_valid(row).then(|| others.value(row).to_owned());
                (ids.value(row).to_owned(), kinds.value(row).to_owned(), other)
            })
            .collect();
        self.events =
            arrow::compute::concat_batches(&tables::entity_events(), [&self.events, &found.events])
                .unwrap();
        self.redirects = found.redirects;
        self.members = Some(found.members);
        self
    }

    fn id(&self, record: u8) -> String {
        self.now[&record].clone()
    }

    /// Open redirections.
    fn open(&self) -> BTreeMap<String, String> {
        let column = |name| self.redirects.column_by_name(name).unwrap().as_string::<i32>();
        let to = self.redirects.column_by_name("valid_to").unwrap();
        let (old, new) = (column("old_golden_id"), column("golden_id"));
        let rows: Vec<_> = (0..self.redirects.num_rows()).filter(|row| to.is_null(*row)).collect();
        let open: BTreeMap<String, String> = rows
            .iter()
            .map(|row| (old.value(*row).to_owned(), new.value(*row).to_owned()))
            .collect();
        assert_eq!(open.len(), rows.len(), "one open row an id");
        open
    }

    fn happened(&self, id: &str) -> Vec<&str> {
        self.today
            .iter()
            .filter(|(own, ..)| own == id)
            .map(|(_, event, _)| event.as_str())
            .collect()
    }
}

#[test]
fn an_id_is_a_letter_and_26_of_base_32() {
    let id = golden_id(&[7; 32], ("crm", "1"), 0);
    assert_eq!(id.len(), 27);
    assert!(
        id.starts_with('c')
            && id.chars().all(|c| c.is_ascii_lowercase() || ('2'..='7').contains(&c))
    );
    assert_ne!(id, golden_id(&[7; 32], ("crm", "1"), 1));
    assert_ne!(golden_id(&[7; 32], ("a", "bc"), 0), golden_id(&[7; 32], ("ab", "c"), 0));
}

#[test]
fn a_merge_keeps_the_older_id_and_its_undoing_brings_the_other_back() {
    let mut story = Story::new();
    story.day(&[vec![1]]).day(&[vec![1], vec![2, 4]]);
    let (older, younger) = (story.id(1), story.id(2));
    assert_eq!(story.happened(&younger), ["created"]);
    story.day(&[vec![1, 2, 4]]);
    assert_eq!(story.id(4), older, "the older id, not the larger part");
    assert_eq!((story.happened(&older), story.happened(&younger)), (vec!["grown"], vec!["merged"]));
    assert_eq!(story.open(), BTreeMap::from([(younger.clone(), older.clone())]));
    story.day(&[vec![1, 6], vec![2, 4]]);
    assert_eq!(story.id(2), older, "the larger part");
    // The record of the younger id is in the older one's part: the rest is a new entity.
    assert_eq!(story.happened(&story.id(1)), ["split"]);
}

#[test]
fn an_undone_merge_into_the_larger_part_restores_the_id() {
    let mut story = Story::new();
    story.day(&[vec![1, 3, 5]]).day(&[vec![1, 3, 5], vec![2]]);
    let (older, younger) = (story.id(1), story.id(2));
    story.day(&[vec![1, 2, 3, 5]]).day(&[vec![1, 3, 5], vec![2]]);
    assert_eq!((story.id(1), story.id(2)), (older, younger.clone()));
    assert_eq!(story.happened(&younger), ["restored"]);
    assert!(story.open().is_empty());
}

#[test]
fn chains_of_redirections_are_drawn_together() {
    let mut story = Story::new();
    story.day(&[vec![1]]).day(&[vec![1], vec![2]]).day(&[vec![1], vec![2], vec![3]]);
    let (first, second, third) = (story.id(1), story.id(2), story.id(3));
    story.day(&[vec![1], vec![2, 3]]);
    assert_eq!(story.open(), BTreeMap::from([(third.clone(), second.clone())]));
    story.day(&[vec![1, 2, 3]]);
    assert_eq!(story.open(), BTreeMap::from([(third, first.clone()), (second, first)]));
    assert_eq!(story.redirects.num_rows(), 3, "the closed row stays");
}

#[test]
fn records_that_come_back_bring_their_id_back() {
    let mut story = Story::new();
    story.day(&[vec![1, 2], vec![3]]);
    let id = story.id(1);
    story.day(&[vec![3]]);
    assert_eq!(story.happened(&id), ["retired"]);
    story.day(&[vec![2], vec![3]]);
    assert_eq!((story.id(2), story.happened(&id)), (id.clone(), vec!["restored"]));
    story.day(&[vec![3]]).day(&[vec![2, 3]]);
    assert_eq!(story.id(2), story.id(3));
    assert_ne!(story.id(2), id, "an id in use goes first");
    assert_eq!((story.happened(&id), story.open().get(&id)), (vec!["merged"], Some(&story.id(3))));
}

/// A decision about two records, whose golden ids were these; the younger of two merged is kept.
fn decision(at: i64, (a, b): (u8, u8), ids: (&str, &str), same: bool, keep: &str) -> Decision {
    Decision {
        id: format!("d{at}"),
        a: Story::key(a),
        b: Story::key(b),
        same,
        by: "lea".to_owned(),
        at,
        why: None,
        withdrawn_at: None,
        withdrawn_by: None,
        golden_id_a: Some(ids.0.to_owned()),
        golden_id_b: Some(ids.1.to_owned()),
        keep_golden_id: Some(keep.to_owned()),
    }
}

#[test]
fn the_stewards_choice_goes_before_the_older_id_and_its_undoing_brings_both_back() {
    let mut story = Story::new();
    story.day(&[vec![1]]).day(&[vec![1], vec![2, 4]]);
    let (older, younger) = (story.id(1), story.id(2));
    story.decisions = vec![decision(1, (2, 1), (&younger, &older), true, &younger)];
    story.day(&[vec![1, 2, 4]]);
    assert_eq!((story.id(1), story.happened(&older)), (younger.clone(), vec!["merged"]));
    assert_eq!(story.open(), BTreeMap::from([(older.clone(), younger.clone())]));
    story.decisions[0].withdrawn_at = Some(2);
    story.day(&[vec![1], vec![2, 4]]);
    assert_eq!((story.id(1), story.id(2)), (older.clone(), younger));
    assert_eq!(story.happened(&older), ["restored"]);
    assert!(story.open().is_empty());
}

#[test]
fn a_record_that_is_parted_leaves_the_id_to_those_that_the_steward_chose() {
    let mut story = Story::new();
    story.day(&[vec![1, 2, 3]]);
    let id = story.id(1);
    // By the rule the larger part would keep it.
    story.decisions = vec![
        decision(1, (1, 2), (&id, &id), false, &id),
        decision(1, (1, 3), (&id, &id), false, &id),
    ];
    story.day(&[vec![1], vec![2, 3]]);
    assert_eq!((story.id(1), story.happened(&story.id(2))), (id, vec!["split"]));
}

#[test]
fn a_run_of_the_same_date_redirects_the_id_that_only_the_decision_knows() {
    let mut story = Story::new();
    story.day(&[vec![1], vec![2]]);
    let (first, second) = (story.id(1), story.id(2));
    // The same day again, from what was before it: nothing.
    let mut again = Story::new();
    again.decisions = vec![decision(1, (2, 1), (&second, &first), true, &second)];
    again.day(&[vec![1, 2]]);
    assert_eq!((again.id(1), again.happened(&first)), (second.clone(), vec!["merged"]));
    assert_eq!(again.open(), BTreeMap::from([(first.clone(), second.clone())]));
    again.day(&[vec![1, 2]]);
    assert!(again.today.is_empty(), "told once");
    again.decisions[0].withdrawn_at = Some(2);
    again.day(&[vec![1], vec![2]]);
    assert_eq!((again.id(1), again.id(2)), (first, second));
}

#[test]
fn since_run_is_kept_while_a_record_stays() {
    let mut story = Story::new();
    story.day(&[vec![2]]).day(&[vec![2, 4]]);
    let members = story.members.as_ref().unwrap();
    let since = members.column_by_name("since_run").unwrap().as_string::<i32>();
    assert_eq!((since.value(0), since.value(1)), ("run20001", "run20002"));
}

/// A partition of some of the records, by the label of each.
fn partition(labels: &[u8]) -> Vec<Vec<u8>> {
    let mut clusters: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for (record, label) in labels.iter().enumerate().filter(|(_, label)| **label < 7) {
        clusters.entry(*label).or_default().push(record as u8);
    }
    clusters.into_values().collect()
}

proptest! {
    #[test]
    fn ids_hold_through_any_history(
        days in prop::collection::vec(prop::collection::vec(0u8..9, 12), 1..7), turn in any::<bool>(),
    ) {
        let (mut story, mut other) = (Story::new(), Story::new());
        let mut before: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        let mut ever: BTreeSet<String> = BTreeSet::new();
        for labels in &days {
            let clusters = partition(labels);
            story.day(&clusters);
            let mut turned = clusters.clone();
            if turn {
                turned.reverse();
                turned.iter_mut().for_each(|own| own.reverse());
            }
            other.day(&turned);
            prop_assert_eq!(&story.now, &other.now, "whatever order clusters come in");
            prop_assert_eq!(&story.events, &other.events);

            let live: BTreeSet<String> = story.now.values().cloned().collect();
            prop_assert_eq!(live.len(), clusters.len(), "no id of two clusters");
            let ids: BTreeMap<Vec<u8>, String> =
                clusters.iter().map(|own| (own.clone(), story.id(own[0]))).collect();
            for (records, id) in &ids {
                if let Some(old) = before.get(records) {
                    prop_assert_eq!(old, id, "an unchanged cluster keeps its id");
                    prop_assert!(story.happened(id).is_empty());
                }
            }
            ever.extend(live.iter().cloned());
            let open = story.open();
            for id in ever.difference(&live) {
                let leads = open.get(id);
                prop_assert!(leads.is_none_or(|to| live.contains(to)), "a redirection leads to an id in use");
                let holds = before.iter().any(|(records, own)| {
                    own == id && records.iter().any(|record| story.now.contains_key(record))
                });
                prop_assert!(leads.is_some() || !holds, "an id whose records are there is redirected");
            }
            prop_assert!(open.keys().all(|id| !live.contains(id)));
            before = ids;
        }
        let total = days.len();
        let last = partition(&days[total - 1]);
        let ids = story.now.clone();
        story.day(&last);
        prop_assert_eq!(&story.now, &ids);
        prop_assert!(story.today.is_empty(), "a day without change has no events");
    }
}

/// The rules of ids and events, in the plainest words, over sets of records.
#[derive(Default)]
struct Oracle {
    /// Ids in use, with their records.
    current: BTreeMap<String, BTreeSet<u8>>,
    /// Ids out of use, with the records they held when they went.
    gone: BTreeMap<String, BTreeSet<u8>>,
    /// The day on which each id was first used.
    born: BTreeMap<String, i32>,
    /// Where each id led last.
    leads: BTreeMap<String, String>,
    /// Ids out of use that lead to one in use.
    redirected: BTreeSet<String>,
}

type Happened = BTreeSet<(String, &'static str, Option<String>)>;

impl Oracle {
    /// Who gets which id: one claim after another, the best first.
    fn kept(&self, clusters: &[Vec<u8>]) -> Vec<Option<String>> {
        let mut kept: Vec<Option<String>> = vec![None; clusters.len()];
        let mut open: Vec<(bool, &String, &BTreeSet<u8>)> = self
            .current
            .iter()
            .map(|(id, records)| (false, id, records))
            .chain(self.gone.iter().map(|(id, records)| (true, id, records)))
            .collect();
        // In use before out of use, the older before the younger, then by the id's text.
        open.sort_by_key(|(out, id, _)| (*out, self.born[*id], (*id).clone()));
        for (_, id, records) in open {
            let overlap = |own: &[u8]| own.iter().filter(|record| records.contains(record)).count();
            let smallest = |own: &[u8]| own.iter().map(|record| Story::key(*record)).min().unwrap();
            let mut best: Option<usize> = None;
            for place in 0..clusters.len() {
                if kept[place].is_some() || overlap(&clusters[place]) == 0 {
                    continue;
                }
                let better = best.is_none_or(|best| {
                    let (own, other) = (&clusters[place], &clusters[best]);
                    overlap(own) > overlap(other)
                        || overlap(own) == overlap(other) && smallest(own) < smallest(other)
                });
                if better {
                    best = Some(place);
                }
            }
            if let Some(place) = best {
                kept[place] = Some(id.clone());
            }
        }
        kept
    }

    /// What happens on a day whose clusters have these ids.
    fn happened(&self, clusters: &[Vec<u8>], ids: &[String]) -> Happened {
        let mut happened = Happened::new();
        let was_in = |record: &u8| {
            self.current.iter().find(|(_, records)| records.contains(record)).map(|(id, _)| id)
        };
        let largest_part = |records: &BTreeSet<u8>| {
            let overlap = |own: &[u8]| own.iter().filter(|record| records.contains(record)).count();
            let smallest = |own: &[u8]| own.iter().map(|record| Story::key(*record)).min();
            let there = (0..clusters.len()).filter(|place| overlap(&clusters[*place]) > 0);
            there
                .max_by_key(|place| {
                    let own = &clusters[*place];
                    (overlap(own), std::cmp::Reverse(smallest(own)))
                })
                .map(|place| ids[place].clone())
        };
        for (own, id) in clusters.iter().zip(ids) {
            let mut say = |event, other| {
                happened.insert((id.clone(), event, other));
            };
            if let Some(before) = self.current.get(id) {
                if own.iter().any(|record| !before.contains(record)) {
                    say("grown", None);
                }
                if before.iter().any(|record| !own.contains(record)) {
                    say("shrunk", None);
                }
            } else if self.gone.contains_key(id) {
                say("restored", None);
            } else {
                let origins: BTreeSet<&String> = own.iter().filter_map(was_in).collect();
                if origins.is_empty() {
                    say("created", None);
                }
                origins.into_iter().for_each(|other| say("split", Some(other.clone())));
            }
        }
        for (id, records) in self.current.iter().filter(|(id, _)| !ids.contains(id)) {
            let heir = largest_part(records);
            happened.insert((id.clone(), if heir.is_some() { "merged" } else { "retired" }, heir));
        }
        for (id, records) in self.gone.iter().filter(|(id, _)| !ids.contains(id)) {
            let back = |record: &u8| {
                was_in(record).is_none() && clusters.iter().any(|own| own.contains(record))
            };
            if records.iter().any(back) && !self.redirected.contains(id) {
                happened.insert((id.clone(), "merged", largest_part(records)));
            }
        }
        happened
    }

    fn live(&mut self, day: i32, clusters: &[Vec<u8>], ids: &[String], happened: &Happened) {
        let now: BTreeMap<String, BTreeSet<u8>> = ids
            .iter()
            .cloned()
            .zip(clusters.iter().map(|own| own.iter().copied().collect()))
            .collect();
        let before = std::mem::replace(&mut self.current, now);
        self.gone.extend(before.into_iter().filter(|(id, _)| !ids.contains(id)));
        self.gone.retain(|id, _| !ids.contains(id));
        for id in ids {
            self.born.entry(id.clone()).or_insert(day);
        }
        let merged: BTreeMap<&String, &String> = happened
            .iter()
            .filter(|own| own.1 == "merged")
            .filter_map(|own| Some((&own.0, own.2.as_ref()?)))
            .collect();
        let before = self.leads.clone();
        for (id, target) in &before {
            if let (false, Some(heir)) = (ids.contains(id), merged.get(target)) {
                self.leads.insert(id.clone(), (*heir).clone());
            }
        }
        self.leads.extend(merged.iter().map(|(id, heir)| ((*id).clone(), (*heir).clone())));
        let open = self.leads.iter().filter(|(id, to)| !ids.contains(id) && ids.contains(to));
        self.redirected = open.map(|(id, _)| id.clone()).collect();
    }
}

proptest! {
    #[test]
    fn ids_and_events_are_those_of_the_plain_rules(
        days in prop::collection::vec(prop::collection::vec(0u8..9, 10), 1..8),
    ) {
        let (mut story, mut oracle) = (Story::new(), Oracle::default());
        for labels in &days {
            let clusters = partition(labels);
            story.day(&clusters);
            let ids: Vec<String> = clusters.iter().map(|own| story.id(own[0])).collect();
            for (kept, id) in oracle.kept(&clusters).iter().zip(&ids) {
                match kept {
                    Some(kept) => prop_assert_eq!(kept, id),
                    None => prop_assert!(!oracle.born.contains_key(id), "a new entity has a new id"),
                }
            }
            let expected = oracle.happened(&clusters, &ids);
            let told: BTreeSet<(String, String, Option<String>)> = story.today.iter().cloned().collect();
            let expected_text: BTreeSet<_> = expected
                .iter()
                .map(|(id, event, other)| (id.clone(), (*event).to_owned(), other.clone()))
                .collect();
            prop_assert_eq!(told.len(), story.today.len(), "no event twice");
            prop_assert_eq!(told, expected_text);
            oracle.live(story.day, &clusters, &ids, &expected);
        }
    }
}
