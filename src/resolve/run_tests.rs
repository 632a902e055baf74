//! One kind's resolution as a whole, over made-up people.

use arrow::array::{AsArray, BooleanArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Float64Type;

use super::super::compare::Comparison;
use super::super::model::fixed;
use super::grouping::Known;
use super::*;
use crate::random::SplitMix64;
use crate::resolve::settings::*;
use crate::resolve::{LogRun, match_log};

const GIVEN: &[&str] =
    &["ana", "luis", "omar", "sara", "john", "mary", "reza", "lena", "ivan", "noor", "kofi", "mei"];
/// Halves of family names, so that there are enough of them.
const FAMILY: &[&str] =
    &["diaz", "hass", "smit", "karim", "okoy", "ross", "novak", "hadd", "lind", "bauer"];

pub(in crate::resolve) fn blocking(name: &str, keys: &[&str]) -> BlockingRule {
    BlockingRule {
        name: name.to_owned(),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        refine: Vec::new(),
        max_block: 500,
    }
}

pub(in crate::resolve) fn comparison(
    name: &str,
    kind: &str,
    columns: &[&str],
    term_frequency: bool,
) -> ComparisonSettings {
    ComparisonSettings {
        name: name.to_owned(),
        kind: kind.to_owned(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        levels: Vec::new(),
        term_frequency,
    }
}

pub(in crate::resolve) fn settings() -> Resolve {
    Resolve {
        blocking: vec![blocking("email", &["email"]), blocking("family", &["family"])],
        comparisons: vec![
            comparison("name", "person_name", &["given", "family"], true),
            comparison("born", "date", &["born"], false),
            comparison("email", "email", &["email"], false),
        ],
        rules: Vec::new(),
        training: Training { random_pairs: 20_000, ..Training::default() },
        thresholds: Thresholds::default(),
        link: LinkType::default(),
        duplicate_free: Vec::new(),
    }
}

/// 120 people, most of them in two sources, some with a wrong day or without e-mail. The last
/// column is the truth.
pub(in crate::resolve) fn people() -> Vec<[String; 6]> {
    let mut random = SplitMix64::new(3);
    let mut pick = |count: usize| (random.next() % count as u64) as usize;
    let mut rows = Vec::new();
    for person in 0..120 {
        let given = GIVEN[pick(GIVEN.len())];
        let family = format!("{}{}", FAMILY[pick(FAMILY.len())], FAMILY[pick(FAMILY.len())]);
        let (year, month, day) = (1950 + pick(50), 1 + pick(12), 1 + pick(28));
        for source in ["crm", "pos"].iter().take(1 + usize::from(pick(4) > 0)) {
            let day = if pick(8) == 0 { 1 + pick(28) } else { day };
            let email = if pick(5) == 0 {
                String::new()
            } else {
                format!("{given}.{family}{person}@mail.org")
            };
            rows.push([
                (*source).to_owned(),
                format!("{:04}", (person * 37) % 1000),
                given.to_owned(),
                family.clone(),
                format!("{year}-{month:02}-{day:02}"),
                email,
            ]);
        }
    }
    rows.sort();
    rows
}

pub(in crate::resolve) fn input<'a>(settings: &'a Resolve, rows: &[[String; 6]]) -> Input<'a> {
    let column = |place: usize| -> StringArray {
        rows.iter().map(|row| Some(row[place].as_str()).filter(|text| !text.is_empty())).collect()
    };
    let expressions =
        [("given", 2), ("family", 3), ("born", 4), ("email", 5), ("record", 1), ("source", 0)];
    Input {
        kind: "person",
        settings,
        source: column(0),
        record_id: column(1),
        expressions: expressions
            .iter()
            .map(|(name, place)| ((*name).to_owned(), Arc::new(column(*place)) as ArrayRef))
            .collect(),
        coded: false,
        conditions: None,
        hash_key: None,
    }
}

fn run(settings: &Resolve, decisions: &[StewardDecision], threads: usize) -> Resolved {
    let rows = people();
    resolve(&input(settings, &rows), decisions, None, Options { threads }).unwrap()
}

fn log_of(before: Option<&RecordBatch>, now: &RecordBatch, run_id: &str) -> RecordBatch {
    match_log(before, now, &LogRun { run_id, logical_date: 20_000, configuration: "c" }).unwrap()
}

fn text<'a>(batch: &'a RecordBatch, name: &str) -> Vec<&'a str> {
    let column = batch.column_by_name(name).unwrap().as_string::<i32>();
    column.iter().map(Option::unwrap_or_default).collect()
}

#[test]
fn people_are_found_in_both_sources() {
    let found = run(&settings(), &[], 2);
    let rows = people();
    let ids: Vec<String> = found.clusters.iter().map(u32::to_string).collect();
    let truth = rows.iter().map(|row| row[1].as_str());
    let scores = crate::resolve::evaluate(ids.iter().map(String::as_str).zip(truth));
    assert!(found.converged && found.warnings.is_empty(), "{:?}", found.warnings);
    assert!(scores.pairwise.f1 > 0.9, "{scores:?}");
}

#[test]
fn by_rows_alone_the_same_is_found() {
    let (settings, rows) = (settings(), people());
    let input = input(&settings, &rows);
    let whole = resolve(&input, &[], None, Options { threads: 1 }).unwrap();
    let told = std::sync::Mutex::new(Vec::new());
    let tell = |pairs: &[RowPair]| {
        told.lock().unwrap().extend_from_slice(pairs);
        Ok(())
    };
    let own = resolve_rows(&input, Options { threads: 3 }, &tell).unwrap();
    assert_eq!(told.into_inner().unwrap(), own.pairs);
    assert_eq!((&own.clusters, &own.model), (&whole.clusters, &whole.model));
    assert_eq!((&own.blocking, own.pairs_compared), (&whole.blocking, whole.pairs_compared));
    let column = |name: &str| {
        whole.pairs.column_by_name(name).unwrap().as_primitive::<Float64Type>().values().to_vec()
    };
    let pairs: Vec<(f64, f64)> =
        own.pairs.iter().map(|own| (own.weight, own.probability)).collect();
    let expected = column("match_weight").into_iter().zip(column("match_probability"));
    assert_eq!(pairs, expected.collect::<Vec<_>>());
    let id = |row: u32| input.record_id.value(row as usize);
    let left: Vec<&str> = own.pairs.iter().map(|own| id(own.l)).collect();
    let right: Vec<&str> = own.pairs.iter().map(|own| id(own.r)).collect();
    assert_eq!(left, text(&whole.pairs, "record_id_l"));
    assert_eq!(right, text(&whole.pairs, "record_id_r"));
}

#[test]
fn any_number_of_threads_gives_the_same() {
    let one = run(&settings(), &[], 1);
    for threads in [2, 3] {
        let other = run(&settings(), &[], threads);
        assert_eq!((&other.pairs, &other.clusters), (&one.pairs, &one.clusters));
        assert_eq!(other.model.hash().unwrap(), one.model.hash().unwrap());
    }
}

/// Whether pairs are held is a matter of memory alone.
#[test]
fn pairs_that_are_not_held_give_the_same_model_and_pairs() {
    let settings = settings();
    let input = input(&settings, &people());
    let ready = prepare(&input, Options { threads: 2 }).unwrap();
    let (held_model, held) = ready.trained().unwrap();
    let counted_model = ready.train(&ready.counted(1).unwrap(), None).unwrap();
    assert_eq!(held_model.hash().unwrap(), counted_model.hash().unwrap());
    let scorer = Scorer::new(&held_model, &ready.comparisons, true, None).unwrap();
    let (with, compared) = ready.score(&scorer, held).unwrap();
    let (without, compared_again) = ready.score(&scorer, None).unwrap();
    let of = |scored: &[Scored]| -> Vec<_> {
        scored.iter().map(|pair| (pair.l, pair.r, pair.rule, pair.pattern, pair.weight)).collect()
    };
    assert!(!with.is_empty());
    assert_eq!((of(&with), compared), (of(&without), compared_again));
}

#[test]
fn a_model_that_was_saved_scores_as_it_did() {
    let settings = settings();
    let first = run(&settings, &[], 2);
    let model = Model::from_json(&first.model.to_json().unwrap()).unwrap();
    assert_eq!(model, first.model);
    let rows = people();
    let again =
        resolve(&input(&settings, &rows), &[], Some(model), Options { threads: 2 }).unwrap();
    assert_eq!((again.pairs, again.clusters), (first.pairs, first.clusters));
}

#[test]
fn a_model_of_other_comparisons_is_refused() {
    let model = run(&settings(), &[], 2).model;
    let mut other = settings();
    other.comparisons[2].kind = "exact".to_owned();
    let rows = people();
    let refused = resolve(&input(&other, &rows), &[], Some(model), Options { threads: 1 });
    assert_eq!(refused.map(|_| ()).unwrap_err().kind(), crate::error::Kind::Configuration);
}

#[test]
fn weights_are_fixed_point_and_add_up_to_the_match_weight() {
    let found = run(&settings(), &[], 2);
    let totals = found.pairs.column_by_name("match_weight").unwrap().as_primitive::<Float64Type>();
    let lists = found.pairs.column_by_name("weights").unwrap().as_list::<i32>();
    assert!(totals.len() > 50);
    for row in 0..totals.len() {
        let total = totals.value(row);
        assert_eq!(total * 1_048_576.0, (total * 1_048_576.0).round());
        let list = lists.value(row);
        let parts: f64 = list.as_primitive::<Float64Type>().values().iter().sum();
        let sum = parts + found.model.prior_weight;
        // The share of households and namesakes is taken off, which only lowers a weight.
        assert!(total <= sum + 1e-9, "{total} {sum}");
        let others = [found.model.household_prior_weight, found.model.namesake_prior_weight];
        if others == [None, None] {
            assert_eq!(total, sum);
        }
    }
}

#[test]
fn m_is_counted_from_labels_where_there_are_any() {
    let (rows, settings) = (people(), settings());
    let input = input(&settings, &rows);
    let label = |row: &[String; 6], same| StewardDecision {
        a: RecordKey::new("crm", row[1].clone()),
        b: RecordKey::new("pos", row[1].clone()),
        same,
        by: "lea".to_owned(),
    };
    let both = |row: &&[String; 6]| {
        row[0] == "crm" && rows.iter().any(|other| other[0] == "pos" && other[1] == row[1])
    };
    let labels: Vec<StewardDecision> =
        rows.iter().filter(both).map(|row| label(row, true)).collect();
    let options = Options { threads: 2 };
    let model = train_from_labels(&input, &labels, options).unwrap();
    assert_eq!(model.training.labelled_pairs, labels.len() as u64);
    // Seven of eight records keep the day of birth.
    let exact = model.comparison("born").unwrap().level("exact").unwrap();
    assert!((0.65..0.9).contains(&exact.m), "{}", exact.m);
    let different: Vec<StewardDecision> = rows.iter().map(|row| label(row, false)).collect();
    assert!(train_from_labels(&input, &different, options).is_err());
}

#[test]
fn a_precision_that_is_asked_for_is_what_merged_pairs_are_expected_to_have() {
    let mut strict = settings();
    strict.thresholds.precision = Some(0.99999);
    let (plain, strict) = (run(&settings(), &[], 2), run(&strict, &[], 2));
    assert!(strict.merge_threshold > plain.merge_threshold);
    let merged: Vec<f64> = text(&strict.pairs, "decision")
        .iter()
        .zip(
            strict.pairs.column_by_name("match_probability").unwrap().as_primitive::<Float64Type>(),
        )
        .filter(|(decision, _)| **decision == "merge")
        .filter_map(|(_, probability)| probability)
        .collect();
    assert!(!merged.is_empty());
    assert!(merged.iter().sum::<f64>() / merged.len() as f64 >= 0.99999);
}

#[test]
fn stewards_overrule_the_model_and_unknown_records_are_told() {
    let first = run(&settings(), &[], 2);
    let key = |side: &str, row: usize| {
        RecordKey::new(
            text(&first.pairs, &format!("source_{side}"))[row],
            text(&first.pairs, &format!("record_id_{side}"))[row],
        )
    };
    let merged = text(&first.pairs, "decision").iter().position(|own| *own == "merge").unwrap();
    let (a, b) = (key("l", merged), key("r", merged));
    let decision = |a: &RecordKey, b: &RecordKey, same| StewardDecision {
        a: a.clone(),
        b: b.clone(),
        same,
        by: "lea".to_owned(),
    };
    let nobody = RecordKey::new("crm", "none");
    let decisions = [decision(&b, &a, false), decision(&a, &nobody, true)];
    let found = run(&settings(), &decisions, 2);
    assert_eq!(found.warnings.len(), 1);
    let log = log_of(Some(&first.pairs), &found.pairs, "run2");
    assert_eq!(text(&log, "change"), ["changed"]);
    assert_eq!(text(&log, "decided_by"), ["steward:lea"]);
    assert_eq!(text(&log, "decision"), ["separate"]);
    let rows = people();
    let place = |key: &RecordKey| {
        rows.iter().position(|row| row[0] == key.source && row[1] == key.record_id).unwrap()
    };
    assert_ne!(found.clusters[place(&a)], found.clusters[place(&b)]);
}

#[test]
fn a_merge_rule_finds_its_own_pairs_and_a_separate_rule_keeps_clusters_apart() {
    let rule = |name: &str, then, same: &[&str], differ: &[&str]| Rule {
        name: name.to_owned(),
        then,
        same: same.iter().map(|own| (*own).to_owned()).collect(),
        differ: differ.iter().map(|own| (*own).to_owned()).collect(),
        unlike: Vec::new(),
        condition: None,
    };
    let mut with = settings();
    with.rules = vec![rule("record", Verdict::Merge, &["record"], &[])];
    let rows = people();
    let found = run(&with, &[], 2);
    for l in 0..rows.len() {
        for r in 0..l {
            assert!(rows[l][1] != rows[r][1] || found.clusters[l] == found.clusters[r]);
        }
    }
    assert_eq!(found.blocking.last().map(|own| own.rule.as_str()), Some("record"));
    with.rules = vec![rule("born", Verdict::Separate, &[], &["born"])];
    let found = run(&with, &[], 2);
    for l in 0..rows.len() {
        for r in 0..l {
            assert!(rows[l][4] == rows[r][4] || found.clusters[l] != found.clusters[r]);
        }
    }
    assert!(text(&found.pairs, "decided_by").contains(&"rule:born"));
}

#[test]
fn sources_free_of_duplicates_hold_each_entity_once() {
    let mut free = settings();
    free.duplicate_free = vec!["crm".to_owned(), "pos".to_owned()];
    let rows = people();
    let found = run(&free, &[], 2);
    for l in 0..rows.len() {
        for r in 0..l {
            assert!(rows[l][0] != rows[r][0] || found.clusters[l] != found.clusters[r]);
        }
    }
}

#[test]
fn a_link_type_bounds_what_is_compared_and_joined() {
    let rows = people();
    let within = |found: &Resolved, same: bool| {
        (0..rows.len()).any(|l| {
            (0..l).any(|r| {
                (rows[l][0] == rows[r][0]) == same && found.clusters[l] == found.clusters[r]
            })
        })
    };
    let mut settings = settings();
    let everything = run(&settings, &[], 2);
    assert!(within(&everything, false));
    settings.link = LinkType::DedupeOnly;
    let dedupe = run(&settings, &[], 2);
    assert!(!within(&dedupe, false));
    settings.link = LinkType::LinkOnly;
    let link = run(&settings, &[], 2);
    assert!(within(&link, false));
    let of = |found: &Resolved, name: &str| -> Vec<String> {
        text(&found.pairs, name).into_iter().map(str::to_owned).collect()
    };
    assert!(of(&link, "source_l").iter().zip(&of(&link, "source_r")).all(|(l, r)| l != r));
    assert_eq!(
        dedupe.pairs_compared + link.pairs_compared,
        everything.pairs_compared,
        "each pair is of one kind or the other"
    );
}

#[test]
fn pairs_of_several_kinds_are_put_together_in_order() {
    let whole = run(&settings(), &[], 2).pairs;
    assert!(whole.num_rows() > 6);
    let part = |kind: usize| {
        let own: BooleanArray =
            (0..whole.num_rows()).map(|row| Some(row * row % 7 % 3 == kind)).collect();
        filter_record_batch(&whole, &own).unwrap()
    };
    assert_eq!(together((0..3).map(part).collect()).unwrap(), whole);
    let nothing = RecordBatch::new_empty(whole.schema());
    assert_eq!(together(vec![nothing, whole.clone()]).unwrap(), whole);
    assert_eq!(together(Vec::new()).unwrap(), RecordBatch::new_empty(whole.schema()));
}

#[test]
fn the_match_log_tells_added_and_removed_pairs() {
    let found = run(&settings(), &[], 2);
    let rows = found.pairs.num_rows();
    let log = log_of(None, &found.pairs, "run1");
    assert_eq!(text(&log, "change"), vec!["added"; rows]);
    let log = log_of(Some(&found.pairs), &found.pairs.slice(1, rows - 1), "run2");
    assert_eq!((text(&log, "change"), text(&log, "run_id")), (vec!["removed"], vec!["run2"]));
    assert_eq!(text(&log, "record_id_l")[0], text(&found.pairs, "record_id_l")[0]);
}

#[test]
fn expressions_come_once_each_in_order() {
    let expressions = settings().expressions();
    assert_eq!(expressions, ["email", "family", "given", "born"]);
}

#[test]
fn input_out_of_order_is_refused() {
    let settings = settings();
    let mut rows = people();
    rows.swap(0, 1);
    let refused = resolve(&input(&settings, &rows), &[], None, Options { threads: 1 });
    assert_eq!(refused.map(|_| ()).unwrap_err().kind(), crate::error::Kind::Bug);
}

#[test]
fn no_record_and_one_record_are_no_trouble() {
    let settings = settings();
    let rows = people();
    for count in [0, 1] {
        let found =
            resolve(&input(&settings, &rows[..count]), &[], None, Options { threads: 2 }).unwrap();
        assert_eq!((found.clusters.len(), found.pairs.num_rows()), (count, 0));
    }
}

#[test]
fn probabilities_that_are_given_are_not_trained() {
    let mut given = settings();
    let probabilities = GivenProbabilities {
        m: vec![0.8, 0.05, 0.05, 0.05, 0.05],
        u: vec![0.001, 0.001, 0.001, 0.001, 0.996],
    };
    given.training.given.insert("email".to_owned(), probabilities.clone());
    let model = run(&given, &[], 2).model;
    let levels = &model.comparisons[2].levels;
    assert_eq!(levels.iter().map(|level| level.m).collect::<Vec<_>>(), probabilities.m);
    assert_eq!(levels.iter().map(|level| level.u).collect::<Vec<_>>(), probabilities.u);
    assert_eq!(levels[0].weight, (800f64.log2() * 1_048_576.0).round() / 1_048_576.0);
    given.training.given.insert("nothing".to_owned(), probabilities);
    let rows = people();
    let refused = resolve(&input(&given, &rows), &[], None, Options { threads: 1 });
    assert_eq!(refused.map(|_| ()).unwrap_err().kind(), crate::error::Kind::Configuration);
}

#[test]
fn a_model_trained_on_counts_is_the_one_trained_on_stored_pairs() {
    let (rows, settings) = (people(), settings());
    let input = input(&settings, &rows);
    let ready = prepare(&input, Options { threads: 2 }).unwrap();
    let (stored, held) = ready.trained().unwrap();
    assert!(held.is_some(), "few pairs are stored");
    assert_eq!(ready.train(&ready.share().unwrap(), None).unwrap(), stored);
}

/// Places to eat in five towns, each with streets of its own; a few are listed twice.
fn places() -> Vec<[String; 6]> {
    let mut random = SplitMix64::new(11);
    let mut pick = |count: usize| (random.next() % count as u64) as usize;
    let mut rows = Vec::new();
    for place in 0..400 {
        let word = |at: usize| format!("{}{}", FAMILY[at % 10], FAMILY[at / 10 % 10]);
        let name = format!("{} {}", word(pick(100)), word(pick(100)));
        let (town, street, number) = (pick(5), pick(6), 1 + pick(90));
        for copy in 0..=usize::from(place % 20 == 0) {
            rows.push([
                "guide".to_owned(),
                format!("{place:04}{copy}"),
                if copy == 1 { name.replacen('a', "e", 1) } else { name.clone() },
                format!("{number} {}", word(town * 10 + street)),
                format!("{} town", FAMILY[town]),
                String::new(),
            ]);
        }
    }
    rows
}

#[test]
fn neighbours_are_not_taken_for_one_entity() {
    let mut settings = settings();
    settings.blocking = vec![blocking("town", &["born"])];
    settings.comparisons = vec![
        comparison("name", "free_text", &["given"], false),
        comparison("street", "jaro_winkler", &["family"], false),
        comparison("town", "exact", &["born"], false),
    ];
    let rows = places();
    let found = resolve(&input(&settings, &rows), &[], None, Options { threads: 2 }).unwrap();
    let ids: Vec<String> = found.clusters.iter().map(u32::to_string).collect();
    let truth: Vec<&str> = rows.iter().map(|row| &row[1][..4]).collect();
    let scores = crate::resolve::evaluate(ids.iter().map(String::as_str).zip(truth));
    assert!(scores.pairwise.precision > 0.9, "{scores:?}");
}

#[test]
fn comparisons_that_agree_together_by_chance_are_told() {
    let mut settings = settings();
    settings.comparisons = vec![
        comparison("given", "exact", &["given"], false),
        comparison("again", "exact", &["given"], false),
        comparison("born", "date", &["born"], false),
    ];
    let found = run(&settings, &[], 2);
    let told = "`given` and `again` agree together by chance";
    assert!(found.warnings.iter().any(|own| own.contains(told)), "{:?}", found.warnings);
}

/// Of two groups that have whole names, initials speak for neither.
#[test]
fn a_whole_name_is_neither_an_initial_nor_half_of_one() {
    let names = [("Ali", "Hassan"), ("A", "Hassan"), ("Ahmad", "Hassan"), ("Ali", "Hassan")];
    let array = |of: fn(&(&str, &str)) -> String| -> ArrayRef {
        Arc::new(names.iter().map(|own| Some(of(own))).collect::<StringArray>())
    };
    let (given, family) = (array(|own| own.0.to_owned()), array(|own| own.1.to_owned()));
    let settings = comparison("name", "person_name", &["given", "family"], false);
    let own = Comparison::new(&settings, &[&given, &family]).unwrap();
    let whole: Vec<bool> = (0..4).map(|row| own.is_whole_name(row)).collect();
    assert_eq!(whole, [true, false, true, true]);
}

/// Each source has everybody once here, so that agreement on the source speaks against one entity.
#[test]
fn groups_that_both_hold_a_record_of_one_source_agree_on_it() {
    let (mut settings, rows) = (settings(), people());
    settings.comparisons.push(comparison("source", "exact", &["source"], false));
    let input = input(&settings, &rows);
    let ready = prepare(&input, Options { threads: 1 }).unwrap();
    let (model, _) = ready.trained().unwrap();
    let scorer = Scorer::new(&model, &ready.comparisons, true, None).unwrap();
    let against: Vec<bool> = (0..4).map(|place| scorer.against(place)).collect();
    assert_eq!(against, [false, false, false, true]);
    let known = Known::new(&[], ready.rows);
    let weight = |left: &[u32], right: &[u32]| ready.group_weight(&scorer, &known, left, right);
    let row = |source: &str, of: usize| {
        let both = rows.iter().filter(|row| row[0] == "pos").nth(of).map(|row| &row[1]);
        let own = rows.iter().position(|row| row[0] == source && Some(&row[1]) == both);
        own.unwrap() as u32
    };
    // A person's two records, and the same with a record of somebody else: nothing that agrees is
    // lost, and what the source says turns.
    let alone = weight(&[row("crm", 0)], &[row("pos", 0)]);
    let beside = weight(&[row("crm", 0)], &[row("pos", 0), row("crm", 1)]);
    let source = &model.comparison("source").unwrap().levels;
    let turned = fixed(source[0].weight) - fixed(source[1].weight);
    assert!(beside < alone && beside >= alone + turned - (1 << 20), "{alone} {beside} {turned}");
}
