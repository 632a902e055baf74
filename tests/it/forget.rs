//! People who are forgotten: planted with values that stand nowhere else, taken out, and searched
//! for in every byte of the warehouse, without the program's own code.
//!
//! Parquet is read page by page, as its dictionaries and data pages are once they are decompressed,
//! and its footers, with their statistics, as they stand.

use std::fs::{self, File};

use parquet::file::reader::{FileReader, SerializedFileReader};
use regex::Regex;
use serde_json::Value;

use crate::program::{Project, files_below};
use crate::store::{Place, Store};
use crate::warehouse::Warehouse;

const KEY: &str = "a key of the tests, not of anybody";

/// How many are planted: `SIMURGH_FORGET` (12 unless told, 1,000 in the long variant).
fn planted() -> usize {
    let told = std::env::var("SIMURGH_FORGET").ok().and_then(|text| text.parse().ok());
    told.unwrap_or(match std::env::var_os("SIMURGH_FULL") {
        Some(_) => 1_000,
        None => 12,
    })
}

/// The values of one person, none of which stands anywhere else.
fn canaries(n: usize) -> Vec<String> {
    vec![
        format!("Zanzib{n:05}a"),
        format!("Quetzal{n:05}o"),
        format!("canary{n:05}@canary.example.com"),
        format!("50777{n:04}"),
        format!("{n:05} Canary Wharf"),
        format!("C-77{n:04}"),
        format!("77-7{n:04}"),
        format!("L-77{n:04}"),
    ]
}

/// Finds any of them, whoever's it is: as quick for a thousand people as for one.
fn canary() -> Regex {
    let names = r"(?i:zanzib\d{5}a|quetzal\d{5}o|canary\d{5}@|\d{5} canary wharf)";
    let numbers = r"97150777\d{4}|\bC-77\d{4}|\b77-7\d{4}|\bL-77\d{4}";
    let canary = Regex::new(&format!("{names}|{numbers}")).unwrap();
    for own in canaries(12) {
        assert!(canary.is_match(&own) || canary.is_match(&format!("+971{own}")), "{own}");
    }
    canary
}

/// Adds the people to the exports of every date: in all sources, and a row that is refused.
fn plant(project: &Project, people: usize) {
    let inputs = project.folder().join("fixtures/tiny/in");
    for (at, date) in project.dates().iter().enumerate() {
        let (mut contacts, mut accounts, mut sales) = (String::new(), String::new(), String::new());
        for n in 0..people {
            let c = canaries(n);
            let (given, family, mail, phone, street) = (&c[0], &c[1], &c[2], &c[3], &c[4]);
            let (id, account, card) = (&c[5], &c[6], &c[7]);
            let day = format!("{}-{:02}-{:02}", 1940 + n % 60, n % 12 + 1, n % 28 + 1);
            contacts += &format!(
                "{id},person,{given} {family},{given},{family},{day},female,en,{mail},,+971{phone},{street},Dubai,,AE,,web,,2024-01-01T00:00:00,2026-01-01T00:00:00\n"
            );
            // Refused by the contract, and kept raw.
            contacts += &format!(
                "X{id},robot,{given} {family},{given},{family},{day},female,en,{mail},,+971{phone},{street},Dubai,,AE,,web,,2024-01-01T00:00:00,2026-01-01T00:00:00\n"
            );
            accounts += &format!(
                "{account},person,{given} {family},,{mail},+971{phone},{street},Dubai,,AE,01/01/2026\n"
            );
            sales += &format!(
                "X-{at}-8{n:05},1,DXB1,2026-02-03T18:20:00,{card},{given} {family},{mail},+971{phone},kettle,home,1,1435.50,0.00,false,AED,\n"
            );
        }
        // Another customer, whom one of them referred, and who stays.
        contacts += &format!(
            "C-790000,person,Stays Behind,Stays,Behind,1970-01-01,male,en,stays@post.example.net,,,9 Other St,Dubai,,AE,,web,{},2024-01-01T00:00:00,2026-01-01T00:00:00\n",
            canaries(0)[5]
        );
        for (export, rows) in
            [("crm_contacts", contacts), ("accounting_customers", accounts), ("pos_sales", sales)]
        {
            let file = inputs.join(format!("{export}-{date}.csv"));
            let mut text = fs::read_to_string(&file).unwrap();
            if !text.ends_with('\n') {
                text.push('\n');
            }
            fs::write(file, text + &rows).unwrap();
        }
    }
    let file = project.folder().join("pipelines/tiny.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("max_quarantined: 20%", "max_quarantined: 60%");
    fs::write(file, text).unwrap();
}

fn keyed(store: &Store) -> Place {
    let mut place = store.place();
    place.environment.push(("SIMURGH_HASH_KEY".to_owned(), KEY.to_owned()));
    place
}

/// Every file of a warehouse that holds a canary, and how many were read.
fn holding(place: &Place, canary: &Regex) -> (Vec<String>, usize) {
    let found = |bytes: &[u8]| {
        let held = String::from_utf8_lossy(bytes);
        canary.find(&held).map(|found| found.as_str().to_owned())
    };
    let mut holding = Vec::new();
    let files = files_below(&place.folder);
    for file in &files {
        let name = file.strip_prefix(&place.folder).unwrap().display().to_string();
        if let Some(text) = found(&fs::read(file).unwrap()) {
            holding.push(format!("{name} holds {text} as it stands"));
        }
        if file.extension().is_some_and(|ending| ending == "parquet") {
            let reader = SerializedFileReader::new(File::open(file).unwrap()).unwrap();
            for group in 0..reader.num_row_groups() {
                let group = reader.get_row_group(group).unwrap();
                for column in 0..group.num_columns() {
                    // Dictionaries and data pages, decompressed.
                    for page in group.get_column_page_reader(column).unwrap() {
                        if let Some(text) = found(page.unwrap().buffer()) {
                            holding.push(format!("{name} holds {text} in a page"));
                        }
                    }
                }
            }
        }
    }
    (holding, files.len())
}

#[test]
fn nothing_is_left_of_who_is_forgotten_and_nobody_else_changes() {
    let people = planted();
    let store = Store::disk();
    let project = Project::tiny();
    plant(&project, people);
    let place = keyed(&store);
    let dates = project.dates();
    for date in &dates {
        project.run(&place, date, &[]).expect(0, "published");
    }
    // What broken runs, reviews and audits leave in a warehouse.
    let texts = canaries(0);
    let canary = canary();
    fs::create_dir_all(place.folder.join("reviews")).unwrap();
    fs::write(place.folder.join("reviews/pairs.csv"), format!("a,b\n{},x\n", texts[2])).unwrap();
    fs::create_dir_all(place.folder.join("staging/gone")).unwrap();
    fs::write(place.folder.join("staging/gone/x.json"), &texts[0]).unwrap();
    let address = format!("crm_contacts:{}", texts[5]);
    let bundle = place.folder.join("bundle.zip").display().to_string();
    let pipeline = ["--pipeline", "pipelines/tiny.yaml"];
    let export = [&["audit", "export", &address, "--out", &bundle][..], &pipeline].concat();
    let (output, answer) = project.ask(&place, &export);
    assert_eq!(output.status.code(), Some(0), "{answer}");
    assert!(holding(&place, &canary).0.len() > 20, "they are there to be found");

    let warehouse = Warehouse::at(&place);
    let before = |name: &str| warehouse.rows(name);
    let theirs = |row: &std::collections::BTreeMap<String, String>| {
        row.values().any(|value| canary.is_match(value))
    };
    let ids: std::collections::BTreeSet<String> = before("entity_members")
        .into_iter()
        .filter(theirs)
        .map(|row| row["golden_id"].clone())
        .collect();
    let others = |name: &str| -> Vec<_> {
        before(name)
            .into_iter()
            .filter(|row| !row.values().any(|value| ids.contains(value)) && !theirs(row))
            .collect()
    };
    let kept: Vec<_> = ["customers", "entity_members", "scored_pairs", "raw_pos_sales"]
        .iter()
        .map(|name| (*name, others(name)))
        .collect();

    // Some one by one, by each way of naming somebody; the rest at once.
    let certificate = project.folder().join("certificate.json").display().to_string();
    let with = |who: &[&str]| -> Vec<String> {
        let all = [&["forget"][..], who, &pipeline, &["--certificate", &certificate]].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    let alone = people.min(5);
    for n in 0..=alone {
        let c = canaries(n);
        let rest: Vec<String> =
            (alone..people).map(|n| format!("crm_contacts:{}", canaries(n)[5])).collect();
        let (record, phone) = (format!("accounting_customers:{}", c[6]), c[3].clone());
        let by: Vec<&str> = match n % 3 {
            _ if n == alone => rest.iter().map(String::as_str).chain(["--all"]).collect(),
            0 => vec![&record],
            1 => vec!["--email", &c[2]],
            _ => vec!["--phone", &phone],
        };
        let arguments = with(&by);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (output, answer) = project.ask(&place, &arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "person {n}: {answer}\n{said}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains(&c[1]), "values are not told");
        let told: Value = serde_json::from_slice(&fs::read(&certificate).unwrap()).unwrap();
        assert_eq!(told["search_afterwards"]["found_in"], serde_json::json!([]));
        let theirs = if n == alone { 3 * rest.len() as u64 } else { 3 };
        assert_eq!(told["records"], theirs, "person {n}: {told}");
    }
    let (found, files) = holding(&place, &canary);
    assert_eq!(found, Vec::<String>::new(), "of {files} files");
    let (output, answer) = project.ask(&place, &["verify"]);
    assert_eq!(output.status.code(), Some(0), "{answer}");
    for (name, rows) in &kept {
        let now = warehouse.rows(name);
        for row in rows {
            assert!(now.contains(row), "{name}: a row of somebody else changed");
        }
        assert_eq!(now.len(), rows.len(), "{name}");
    }
    let events = warehouse.rows("entity_events");
    for id in &ids {
        let own: Vec<_> = events.iter().filter(|row| row["golden_id"] == *id).collect();
        assert!(own.len() == 1 && own[0]["cause"] == "forgotten", "{own:?}");
    }

    // The exports still hold them: they are counted, and not read in again.
    let last = dates.last().unwrap();
    let ran = project.run(&place, last, &["--set", "parameters.again=1"]).expect(0, "published");
    let count = |key: &str| ran.answer[key].as_u64().unwrap();
    assert_eq!(count("rows_read"), count("rows_accepted") + count("rows_quarantined"));
    let out = warehouse.rows("quarantine");
    let out = out.iter().filter(|row| row["rule"] == "forgotten").count();
    assert_eq!(out, people * 3, "a contact, an account and a sale of each");
    let (found, _) = holding(&place, &canary);
    assert_eq!(found, Vec::<String>::new(), "after another run");
    let stays = warehouse.rows("customers");
    assert!(stays.iter().any(|row| row["family_name"] == "Behind"));

    // Without the key, or with another, they would come back: the run does not begin.
    for key in ["", "another key, that nobody had"] {
        let mut other = place.clone();
        other.environment.retain(|(name, _)| name != "SIMURGH_HASH_KEY");
        other.environment.push(("SIMURGH_HASH_KEY".to_owned(), key.to_owned()));
        let ran = project.run(&other, last, &["--set", "parameters.again=2"]).expect(1, "stopped");
        assert!(ran.said.contains("SIMURGH_HASH_KEY"), "{}", ran.said);
    }
}

#[test]
fn several_customers_are_listed_and_only_all_forgets_them() {
    let store = Store::disk();
    let project = Project::tiny();
    let place = keyed(&store);
    project.run(&place, &project.dates()[0], &[]).expect(0, "published");
    // A father and a son share one address.
    let shared =
        ["forget", "--email", "smith.family@mail.example.com", "--pipeline", "pipelines/tiny.yaml"];
    let (output, answer) = project.ask(&place, &shared);
    assert_eq!(output.status.code(), Some(2), "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("2 customers are found"), "{answer}");
    let (output, answer) = project.ask(&place, &[&shared[..], &["--all"]].concat());
    assert_eq!(output.status.code(), Some(0), "{answer}");
    assert_eq!(answer["customers_forgotten"], 2);
    let (output, _) = project.ask(&place, &shared);
    assert_eq!(output.status.code(), Some(2), "nobody is found twice");
}

#[test]
fn nothing_that_goes_back_in_time_brings_anybody_back() {
    let store = Store::disk();
    let project = Project::tiny();
    plant(&project, 3);
    let place = keyed(&store);
    let dates = project.dates();
    let runs: Vec<String> = dates
        .iter()
        .map(|date| project.run(&place, date, &[]).expect(0, "published").run_id().to_owned())
        .collect();
    let pipeline = ["--pipeline", "pipelines/tiny.yaml"];
    let done = |arguments: &[&str], outcome: &str| {
        let (output, answer) = project.ask(&place, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            (output.status.code(), answer["outcome"].as_str()),
            (Some(0), Some(outcome)),
            "{arguments:?}: {answer:#}\n{said}"
        );
    };
    let canary = canary();
    let gone = |when: &str, told: usize| {
        let (found, files) = holding(&place, &canary);
        assert_eq!(found, Vec::<String>::new(), "{when}, of {files} files");
        done(&["verify"], "verified");
        let customers = Warehouse::at(&place).rows("customers");
        assert!(customers.iter().any(|row| row["family_name"] == "Behind"), "{when}: who stays");
        let events = Warehouse::at(&place).rows("entity_events");
        let forgotten = events.iter().filter(|row| row["cause"] == "forgotten").count();
        assert_eq!(forgotten, told, "{when}: so many ids are said to be forgotten");
    };
    let mails: Vec<String> = (0..3).map(|n| canaries(n)[2].clone()).collect();
    for mail in &mails {
        done(&[&["forget", "--email", mail][..], &pipeline].concat(), "published");
    }
    let events = Warehouse::at(&place).rows("entity_events");
    let ids = events.iter().filter(|row| row["cause"] == "forgotten").count();
    assert!(ids >= 3, "an id or more of each: {ids}");
    gone("after the erasure", ids);

    // What an auditor replays are the days as they were, without the forgotten.
    for run in &runs {
        done(&["verify", "--replay", run, "pipelines/tiny.yaml"], "replayed");
    }
    done(&["rollback", &runs[0]], "published");
    gone("after a rollback to the first day", ids);
    project.run(&place, &dates[1], &[]).expect(0, "published");
    gone("after the second day, run again", ids);
    done(&["rollback", &runs[1]], "published");
    gone("after a rollback to the second day", ids);

    // The first of all days again, as it is configured now, and the later one after it: a history
    // begun anew, in which nobody had these ids.
    let again = ["--set", "parameters.again=1", "--cascade"];
    project.run(&place, &dates[0], &again).expect(0, "published");
    gone("after a backfill", 0);
    done(&["maintain", "pipelines/tiny.yaml"], "published");
    gone("after maintenance", 0);
}
