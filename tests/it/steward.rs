//! What stewards and auditors do, on `tiny`: explain a pair and a customer, merge, unmerge, withdraw,
//! judge doubtful pairs; and that the next run obeys.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::program::Project;
use crate::store::{Place, Store};
use crate::warehouse::Warehouse;

/// What a command said: its exit code, its standard output, its last line.
struct Said {
    code: i32,
    text: String,
    answer: Value,
    complaint: String,
}

fn say(project: &Project, place: &Place, arguments: &[&str]) -> Said {
    let mut command = project.command(place);
    command.args(arguments).args(["--warehouse", &place.uri]).env("SIMURGH_STEWARD", "lea");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Said {
        code: output.status.code().unwrap_or(-1),
        answer: serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_default(),
        text,
        complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[track_caller]
fn done(said: Said, outcome: &str) -> Said {
    let found = said.answer["outcome"].as_str().unwrap_or_default();
    assert!(said.code == 0 && found == outcome, "{} {}\n{}", said.code, said.text, said.complaint);
    said
}

type Row = BTreeMap<String, String>;

fn address(row: &Row) -> String {
    format!("{}:{}", row["source"], row["record_id"])
}

/// The records of each golden id.
fn customers(warehouse: &Warehouse) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in warehouse.rows("entity_members") {
        found.entry(row["golden_id"].clone()).or_default().insert(address(&row));
    }
    found
}

/// Golden ids of persons, those of two records and more first.
fn persons(warehouse: &Warehouse) -> Vec<String> {
    let mut rows: Vec<Row> =
        warehouse.rows("customers").into_iter().filter(|row| row["kind"] == "person").collect();
    rows.sort_by_key(|row| {
        (std::cmp::Reverse(row["member_count"].parse::<u32>().unwrap()), row["golden_id"].clone())
    });
    rows.into_iter().map(|row| row["golden_id"].clone()).collect()
}

/// Where old ids lead today, as the join in docs/decisions.md has it.
fn redirects(warehouse: &Warehouse) -> BTreeMap<String, String> {
    let open = warehouse.rows("id_redirects").into_iter().filter(|row| row["valid_to"].is_empty());
    open.map(|row| (row["old_golden_id"].clone(), row["golden_id"].clone())).collect()
}

#[test]
fn a_merge_and_its_undoing_are_obeyed_by_the_next_run_and_outlive_a_new_model() {
    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    let warehouse = Warehouse::at(&place);
    let dates = project.dates();
    project.run(&place, &dates[0], &[]).expect(0, "published");
    let before = customers(&warehouse);
    let ids = persons(&warehouse);
    let (keep, gone) = (ids[1].as_str(), ids[0].as_str());
    let both: BTreeSet<String> = before[keep].union(&before[gone]).cloned().collect();

    // A decision changes nothing but what is written down, and is written down once.
    let merged =
        done(say(&project, &place, &["merge", keep, gone, "--why", "called"]), "published");
    assert_eq!(merged.answer["decisions_added"].as_u64(), Some(both.len() as u64 - 1));
    assert_eq!(customers(&warehouse), before);
    done(say(&project, &place, &["merge", keep, gone]), "unchanged");

    // The same date again is another run now, that obeys: the steward's choice of id goes first.
    let first = project.run(&place, &dates[0], &[]).expect(0, "published");
    assert!(customers(&warehouse)[keep].is_superset(&both));
    assert_eq!(redirects(&warehouse), BTreeMap::from([(gone.to_owned(), keep.to_owned())]));
    project.run(&place, &dates[0], &[]).expect(0, "unchanged");
    let replay = ["verify", "pipelines/tiny.yaml", "--replay", first.run_id()];
    let replayed = say(&project, &place, &replay);
    assert_eq!(replayed.code, 0, "{}{}", replayed.text, replayed.complaint);

    // The next date, and a new model. Records that an export no longer has are not there.
    let there = |records: &BTreeSet<String>| -> BTreeSet<String> {
        let all: BTreeSet<String> = customers(&warehouse).into_values().flatten().collect();
        records.intersection(&all).cloned().collect()
    };
    project.run(&place, &dates[1], &[]).expect(0, "published");
    assert!(customers(&warehouse)[keep].is_superset(&there(&both)));
    let retrain = ["--set", "resolve.person.training.retrain=always"];
    project.run(&place, &dates[1], &retrain).expect(0, "published");
    assert!(customers(&warehouse)[keep].is_superset(&there(&both)));
    let pairs = warehouse.rows("scored_pairs");
    let decided = pairs.iter().filter(|row| row["decided_by"] == "steward:lea");
    assert_eq!(decided.clone().count(), there(&both).len() - 1);
    assert!(decided.clone().all(|row| row["decision"] == "merge"));

    // What contradicts is refused, with the chain: addresses on standard output alone.
    let leaving = there(&before[gone]);
    let records: Vec<&str> = leaving.iter().map(String::as_str).collect();
    let named = records.join(",");
    let parted = ["unmerge", keep, "--records", &named];
    let refused = say(&project, &place, &parted);
    assert_eq!((refused.code, refused.answer["outcome"].as_str()), (1, Some("stopped")));
    let error = refused.answer["error"].as_str().unwrap();
    assert!(error.contains("record 1 = record 2 (decision d") && error.contains("this unmerge"));
    assert!(refused.text.contains("record 1 is ") && refused.text.contains(records[0]));
    assert!(!error.contains(records[0]) && !refused.complaint.contains(records[0]));

    // Withdrawn and parted, both have their ids back, and no redirection is left.
    let parted = done(say(&project, &place, &[&parted[..], &["--withdraw"]].concat()), "published");
    assert_eq!(parted.answer["decisions_withdrawn"].as_u64(), Some(leaving.len() as u64));
    project.run(&place, &dates[1], &[]).expect(0, "published");
    let after = customers(&warehouse);
    assert!(after[keep].is_superset(&there(&before[keep])) && after[keep].is_disjoint(&leaving));
    assert!(leaving.iter().any(|record| after[gone].contains(record)), "{gone} is back");
    assert!(!redirects(&warehouse).contains_key(gone));

    // Withdrawn, the model decides alone again.
    let listed = done(say(&project, &place, &["decisions", "list"]), "listed");
    let standing: Vec<&str> = listed.answer["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|own| own["decision_id"].as_str().unwrap())
        .collect();
    done(say(&project, &place, &[&["decisions", "withdraw"], &standing[..]].concat()), "published");
    project.run(&place, &dates[1], &[]).expect(0, "published");
    assert!(!warehouse.values("scored_pairs", "decided_by").contains("steward:lea"));
    let verified = say(&project, &place, &["verify"]);
    assert_eq!(verified.code, 0, "{}", verified.text);
}

#[test]
fn a_customer_is_parted_record_from_record_and_wrong_use_is_told() {
    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    let warehouse = Warehouse::at(&place);
    let date = &project.dates()[0];
    project.run(&place, date, &[]).expect(0, "published");
    let before = customers(&warehouse);
    let ids = persons(&warehouse);
    let (id, other) = (ids[0].as_str(), ids[1].as_str());
    assert!(before[id].len() > 1, "tiny has a person of two records");
    let stranger = before[other].first().unwrap();
    let firm = warehouse.rows("customers").into_iter().find(|row| row["kind"] != "person").unwrap();
    for (arguments, told) in [
        (vec!["merge", id, id], "same customer"),
        (vec!["merge", id, &firm["golden_id"]], "different kinds"),
        (vec!["merge", id, "cnobody"], "no published customer"),
        (vec!["unmerge", id, "--records", stranger], "not one of"),
        (vec!["unmerge", id, "--records", "nonsense"], "no address"),
        (vec!["decisions", "withdraw", "d1"], "no decision d1"),
        (vec!["explain", stranger, stranger], "the same record"),
        (vec!["explain", stranger, "crm_contacts:nobody"], "second address"),
    ] {
        let said = say(&project, &place, &arguments);
        assert_eq!(said.code, 2, "{arguments:?} {}", said.text);
        assert!(said.answer["error"].as_str().unwrap().contains(told), "{}", said.text);
    }
    done(say(&project, &place, &["unmerge", id]), "published");
    project.run(&place, date, &[]).expect(0, "published");
    let after = customers(&warehouse);
    for record in &before[id] {
        let own = after.values().find(|records| records.contains(record)).unwrap();
        assert!(own.intersection(&before[id]).count() == 1, "{record} is alone of them");
    }
    assert!(before[id].iter().any(|record| after[id].contains(record)), "one of them keeps the id");
}

#[test]
fn decisions_are_edited_as_csv_and_what_contradicts_is_refused_with_its_lines() {
    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    let warehouse = Warehouse::at(&place);
    let date = &project.dates()[0];
    project.run(&place, date, &[]).expect(0, "published");
    let ids = persons(&warehouse);
    let all = customers(&warehouse);
    let record = |place: usize| all[&ids[place]].first().unwrap().clone();
    let (a, b, c) = (record(0), record(1), record(2));
    let file = project.folder().join("decisions.csv");
    let import = ["decisions", "import", "decisions.csv"];
    let write = |text: String| fs::write(&file, text).unwrap();

    write(format!(
        "a,b,verdict,by,at,why\n{a},{b},same,ann,2026-11-01T08:00:00Z,twins\n{b},{c},same,,,\n{a},{c},different,,,\n"
    ));
    let refused = say(&project, &place, &import);
    assert_eq!(refused.code, 1);
    let error = refused.answer["error"].as_str().unwrap();
    assert!(error.contains("record 1 = record 2 (line 2), record 2 = record 3 (line 3), record 1 is not record 3 (line 4)"), "{error}");
    assert!(refused.text.contains(&format!("record 2 is {b}")), "{}", refused.text);

    write(format!(
        "a,b,verdict,by,at,why\n{a},{b},same,ann,2026-11-01T08:00:00Z,twins\n{a},{c},different,,,\n"
    ));
    done(say(&project, &place, &import), "published");
    done(say(&project, &place, &import), "unchanged");
    project.run(&place, date, &[]).expect(0, "published");
    let together = |x: &str, y: &str| {
        customers(&warehouse).values().any(|own| own.contains(x) && own.contains(y))
    };
    assert!(together(&a, &b) && !together(&a, &c));
    let decided: BTreeSet<String> = warehouse.values("scored_pairs", "decided_by");
    assert!(decided.contains("steward:ann") && decided.contains("steward:lea"));

    // Exported, a line is withdrawn by a time in its last column; a verdict cannot be edited.
    done(say(&project, &place, &["decisions", "export", "--out", "decisions.csv"]), "exported");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("2026-11-01T08:00:00Z,twins,"), "{text}");
    write(text.replace(",same,", ",different,"));
    let edited = say(&project, &place, &import);
    assert!(edited.code == 1 && edited.complaint.contains("was edited"), "{}", edited.complaint);
    write(text.replace("twins,", "twins,2026-11-02T08:00:00Z"));
    let withdrawn = done(say(&project, &place, &import), "published");
    assert_eq!(withdrawn.answer["decisions_withdrawn"], 1);
    for (line, told) in [
        (format!("{a},{a},same"), "one record"),
        (format!("{a},{b},perhaps"), "neither same nor different"),
        (format!("nobody,{b},same"), "not the address"),
    ] {
        write(format!("a,b,verdict\n{line}\n"));
        let said = say(&project, &place, &import);
        assert_eq!(said.code, 1);
        let error = said.answer["error"].as_str().unwrap();
        assert!(error.contains("line 2") && error.contains(told), "{error}");
        assert!(!error.contains(&a), "no address in an error");
    }
}

#[test]
fn any_pair_is_explained_as_the_run_scored_it_and_a_customer_by_its_edges() {
    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    let warehouse = Warehouse::at(&place);
    for date in project.dates() {
        project.run(&place, &date, &[]).expect(0, "published");
    }
    let explain = |arguments: &[&str]| {
        done(say(&project, &place, &[&["explain"], arguments, &["--json"]].concat()), "explained")
            .answer
    };
    let pairs = warehouse.rows("scored_pairs");
    let end = |row: &Row, side: &str| {
        format!("{}:{}", row[&format!("source_{side}")], row[&format!("record_id_{side}")])
    };
    let sum = |score: &Value| -> f64 {
        let parts = score["parts"].as_array().unwrap();
        let sum: f64 = parts.iter().map(|part| part["weight"].as_f64().unwrap()).sum();
        score["prior"].as_f64().unwrap() + sum + score["other_classes"].as_f64().unwrap()
    };
    for row in pairs.iter().step_by(pairs.len() / 6 + 1) {
        // In either order, from the warehouse alone.
        let found = explain(&[&end(row, "r"), &end(row, "l")]);
        let score = &found["now"]["score"];
        assert_eq!(score["match_weight"], found["logged"]["match_weight"], "{found}");
        assert_eq!(sum(score), score["match_weight"].as_f64().unwrap());
        assert_eq!(found["decided_by"].as_str(), Some(row["decided_by"].as_str()));
        assert_eq!(found["compared"], true);
        assert!(found["log"].as_array().unwrap().iter().all(|own| own["run_day"].is_string()));
        let rules = found["now"]["blocking"].as_array().unwrap();
        let first = rules.iter().find(|rule| rule["together"] == true).unwrap();
        assert_eq!(first["rule"].as_str(), Some(row["blocking_rule"].as_str()));
    }
    // Two strangers: scored all the same, and why no rule brings them together.
    let ids = persons(&warehouse);
    let all = customers(&warehouse);
    let logged: BTreeSet<(String, String)> =
        pairs.iter().map(|row| (end(row, "l"), end(row, "r"))).collect();
    let a = all[&ids[0]].first().unwrap();
    let strangers = ids.iter().rev().map(|id| all[id].first().unwrap()).filter(|b| {
        !logged.contains(&(a.clone(), (*b).clone())) && !logged.contains(&((*b).clone(), a.clone()))
    });
    let found = strangers
        .map(|b| explain(&[a, b]))
        .find(|found| found["compared"] == false)
        .expect("tiny has two persons whom no rule brings together");
    assert_eq!((&found["logged"], &found["decision"]), (&Value::Null, &"not compared".into()));
    assert!(found["now"]["score"]["match_weight"].as_f64().unwrap() < 0.0);
    let keys = found["now"]["blocking"].as_array().unwrap().iter();
    assert!(
        keys.flat_map(|rule| rule["keys"].as_array().unwrap()).any(|key| key["state"] != "same")
    );

    // A customer: its records are joined by one pair fewer than there are of them.
    let found = explain(&[&ids[0]]);
    let records = found["records"].as_array().unwrap().len();
    assert!(records > 1);
    assert_eq!(found["joined"].as_array().unwrap().len(), records - 1);
    assert!(!found["events"].as_array().unwrap().is_empty());
    let weights = found["joined"].as_array().unwrap().iter();
    let least = weights.map(|own| own["match_weight"].as_f64().unwrap()).fold(f64::MAX, f64::min);
    assert_eq!(found["weakest_link"]["match_weight"].as_f64(), Some(least));

    // For people, without values unless they are asked for.
    let pair = pairs.iter().find(|row| row["decided_by"] == "model").unwrap();
    let (l, r) = (end(pair, "l"), end(pair, "r"));
    let text =
        done(say(&project, &place, &["explain", &l, &r, "--values", "none"]), "explained").text;
    assert!(text.contains("match weight") && text.contains("merged from") && text.contains("█"));
    let masked = done(say(&project, &place, &["explain", &l, &r]), "explained").text;
    let full =
        done(say(&project, &place, &["explain", &l, &r, "--values", "full"]), "explained").text;
    assert!(text.len() < masked.len() && masked.len() <= full.len() && masked != full);
}

#[test]
fn doubtful_pairs_are_judged_and_the_verdicts_are_decisions_that_tell_how_the_model_fits() {
    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    let warehouse = Warehouse::at(&place);
    let date = &project.dates()[0];
    // More is doubtful where more is reviewed.
    let wide = ["--set", "resolve.person.thresholds.review=0.001"];
    project.run(&place, date, &wide).expect(0, "published");
    let export = |file: &str, more: &[&str]| {
        let arguments = ["review", "export", "--kind", "person", "--out", file];
        let said = done(say(&project, &place, &[&arguments[..], more].concat()), "exported");
        (said, fs::read_to_string(project.folder().join(file)).unwrap_or_default())
    };
    let (said, text) = export("review.csv", &[]);
    let count = said.answer["pairs"].as_u64().unwrap() as usize;
    assert!(count > 2, "{}", said.text);
    assert_eq!(text, export("again.csv", &[]).1);
    assert!(!text.contains("example.com"), "values are masked");
    assert!(export("full.csv", &["--values", "full"]).1.contains("@"));
    let rows: Vec<Vec<String>> = csv_rows(&text);
    let column = |name: &str| rows[0].iter().position(|own| own == name).unwrap();
    let information: Vec<f64> =
        rows[1..].iter().map(|row| row[column("information")].parse().unwrap()).collect();
    assert!(information[0] >= *information.last().unwrap() && information[0] <= 1.0);

    // Two that the model was of two minds about, and one that a guard refused.
    let doubt = column("doubt");
    let of = |guard: bool| {
        let fits = move |(_, row): &(usize, &Vec<String>)| row[doubt].starts_with("guard") == guard;
        rows.iter().enumerate().skip(1).filter(fits).map(|(place, _)| place)
    };
    let chosen: Vec<usize> = of(false).take(2).chain(of(true).take(1)).collect();
    assert_eq!(chosen.len(), 3, "{text}");
    let judged: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(place, line)| match chosen.contains(&place) {
            true => format!("{}different,", &line[..line.len() - 1]),
            false => line.to_owned(),
        })
        .collect();
    fs::write(project.folder().join("review.csv"), judged.join("\n")).unwrap();
    let read = done(say(&project, &place, &["review", "import", "review.csv"]), "published");
    let fit = &read.answer["calibration"];
    assert_eq!((&fit["judged"], &fit["same"]), (&2.into(), &0.into()));
    assert!(fit["expected"].as_f64().unwrap() > 0.0 && read.text.contains("Brier"));
    assert_eq!(read.answer["guards"]["judged"], 1, "a guard's pair tells nothing of the model");
    // What was judged is asked no more, and the next run obeys it.
    let (again, _) = export("later.csv", &[]);
    assert_eq!(again.answer["doubtful"], said.answer["doubtful"].as_u64().unwrap() - 3);
    project.run(&place, date, &wide).expect(0, "published");
    let pairs = warehouse.rows("scored_pairs");
    let decided = pairs.iter().filter(|row| row["decided_by"] == "steward:lea");
    assert_eq!(decided.filter(|row| row["decision"] == "separate").count(), 3);
}

fn csv_rows(text: &str) -> Vec<Vec<String>> {
    // No value of a masked file holds a comma within quotes but addresses, which are not asked for.
    let split = |line: &str| {
        let (mut cells, mut quoted) = (vec![String::new()], false);
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push(String::new()),
                c => cells.last_mut().unwrap().push(c),
            }
        }
        cells
    };
    text.lines().map(split).collect()
}

#[test]
fn with_a_key_values_are_hashed_and_without_one_they_are_not_there() {
    let (project, store) = (Project::tiny(), Store::disk());
    let mut place = store.place();
    let warehouse = Warehouse::at(&place);
    let date = &project.dates()[0];
    project.run(&place, date, &[]).expect(0, "published");
    let unhashed = warehouse.rows("match_log");
    assert!(
        unhashed
            .iter()
            .all(|row| row["value_hashes_l"].is_empty() && row["hash_key_id"].is_empty())
    );
    assert!(unhashed.iter().all(|row| row["run_day"] == *date && row["configuration"].len() == 64));
    place.environment.push(("SIMURGH_HASH_KEY".to_owned(), "short".to_owned()));
    let refused = project.run(&place, date, &[]).expect(1, "stopped");
    assert!(refused.said.contains("SIMURGH_HASH_KEY has 5 bytes"), "{}", refused.said);
    place.environment.pop();
    place.environment.push(("SIMURGH_HASH_KEY".to_owned(), "correct horse battery".to_owned()));
    // The key is part of what the run is: without it there were no hashes.
    project.run(&place, date, &[]).expect(0, "published");
    let hashed = warehouse.rows("match_log");
    assert_eq!(hashed.len(), unhashed.len());
    let without = |rows: &[Row]| -> Vec<Row> {
        let mut rows = rows.to_vec();
        for row in &mut rows {
            ["value_hashes_l", "value_hashes_r", "hash_key_id", "run_id", "model_hash"]
                .iter()
                .for_each(|name| drop(row.remove(*name)));
        }
        rows
    };
    assert_eq!(without(&hashed), without(&unhashed), "a key changes no weight and no decision");
    assert!(hashed.iter().all(|row| row["hash_key_id"].len() == 16));
    assert!(hashed.iter().all(|row| row["value_hashes_l"].len() > 32));
    assert!(!hashed.iter().any(|row| row["value_hashes_l"].contains('@')));
}
