//! `simurgh dedupe` with no settings: what it writes, whatever the files' format and order.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Output};

use arrow::array::AsArray;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::program::Seeded;

fn simurgh(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simurgh")).args(arguments).output().unwrap()
}

fn last_line(output: &Output) -> serde_json::Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    serde_json::from_str(text.trim().lines().last().unwrap()).unwrap()
}

/// Rows of persons: (id, given, family, born, e-mail, entity), duplicates with slips.
fn rows() -> Vec<[String; 6]> {
    let given =
        ["Ana", "Robert", "Grace", "Omar", "Lucy", "Peter", "Maria", "Hassan", "Emily", "John"];
    let family = [
        "Diaz",
        "Allen",
        "Kelly",
        "Haddad",
        "Novak",
        "Okafor",
        "Lindqvist",
        "Romero",
        "Fischer",
        "Tanaka",
    ];
    let mut rows = Vec::new();
    for entity in 0..100_usize {
        let (g, f) = (given[entity % 10], family[entity / 10]);
        let born = format!("{}-{:02}-{:02}", 1950 + entity % 50, 1 + entity % 12, 1 + entity % 28);
        let mail = format!("{}.{}{entity}@mail.org", g.to_lowercase(), f.to_lowercase());
        for copy in 0..=entity % 2 {
            let family = if copy == 1 { f.replacen('a', "e", 1) } else { f.to_owned() };
            let id = format!("r{:03}", rows.len());
            rows.push([id, g.to_owned(), family, born.clone(), mail.clone(), format!("e{entity}")]);
        }
    }
    rows
}

const HEADER: &str = "key,given_name,surname,date_of_birth,email,entity";

fn csv(path: &Path, rows: &[[String; 6]]) {
    let lines: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
    std::fs::write(path, format!("{HEADER}\n{}\n", lines.join("\n"))).unwrap();
}

fn ndjson(path: &Path, rows: &[[String; 6]]) {
    let names: Vec<&str> = HEADER.split(',').collect();
    let line = |row: &[String; 6]| {
        let object: serde_json::Map<String, serde_json::Value> = names
            .iter()
            .zip(row)
            .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
            .collect();
        serde_json::Value::Object(object).to_string()
    };
    std::fs::write(path, rows.iter().map(line).collect::<Vec<_>>().join("\n") + "\n").unwrap();
}

fn xlsx(path: &Path, rows: &[[String; 6]]) {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (column, name) in (0..).zip(HEADER.split(',')) {
        sheet.write_string(0, column, name).unwrap();
    }
    for (place, row) in (1..).zip(rows) {
        for (column, value) in (0..).zip(row) {
            sheet.write_string(place, column, value).unwrap();
        }
    }
    book.save(path).unwrap();
}

/// The partition that was written: sets of ids. Each is called after one of its own.
fn partition(out: &Path) -> BTreeSet<BTreeSet<String>> {
    let file = File::open(out.join("clusters.parquet")).unwrap();
    let mut clusters: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let (ids, golden) =
            (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
        for row in 0..batch.num_rows() {
            clusters
                .entry(golden.value(row).to_owned())
                .or_default()
                .insert(ids.value(row).to_owned());
        }
    }
    for (golden_id, ids) in &clusters {
        assert_eq!(ids.first(), Some(golden_id));
    }
    clusters.into_values().collect()
}

#[test]
fn format_order_and_threads_do_not_change_clusters_and_labels_are_never_seen() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let rows = rows();
    let turned: Vec<[String; 6]> = rows.iter().rev().cloned().collect();
    csv(Path::new(&at("people.csv")), &rows);
    csv(Path::new(&at("turned.csv")), &turned);
    ndjson(Path::new(&at("people.ndjson")), &rows);
    xlsx(Path::new(&at("people.xlsx")), &rows);
    let run = |file: &str, out: &str, more: &[&str]| {
        let mut arguments = vec!["dedupe", file, "--out", out];
        arguments.extend(more);
        let output = simurgh(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (last_line(&output), partition(Path::new(out)))
    };
    let (result, first) =
        run(&at("people.csv"), &at("a"), &["--labels", "entity", "--threads", "1"]);
    assert_eq!(result["rows_read"], 150);
    assert!(result["evaluation"]["pairwise"]["f1"].as_f64().unwrap() > 0.95, "{result}");
    let labels = ["--labels", "entity", "--threads", "2"];
    assert_eq!(run(&at("turned.csv"), &at("b"), &labels).1, first);
    assert_eq!(run(&at("people.ndjson"), &at("c"), &labels).1, first);
    assert_eq!(run(&at("people.xlsx"), &at("f"), &labels).1, first);
    assert_eq!(run(&at("people.csv"), &at("d"), &["--exclude", "entity"]).1, first);
    for name in
        ["clusters.parquet", "pairs.parquet", "golden.parquet", "model.json", "pipeline.yaml"]
    {
        assert!(Path::new(&at("a")).join(name).is_file(), "{name}");
    }
    for name in ["pipeline.yaml", "model.json"] {
        let text = std::fs::read_to_string(Path::new(&at("a")).join(name)).unwrap();
        assert!(!text.contains("entity\""), "{name}");
    }
    // What was written checks, and gives the same again.
    let pipeline = format!("{}/pipeline.yaml", at("a"));
    let checked = simurgh(&["check", &pipeline]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let settings = ["--id", "key", "--settings", &pipeline];
    assert_eq!(run(&at("people.csv"), &at("e"), &settings).1, first);
    let warehouse = at("warehouse");
    let ran = simurgh(&["run", &pipeline, "--date", "2026-01-01", "--warehouse", &warehouse]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(last_line(&ran)["entities"], first.len());
}

#[test]
fn too_little_is_said_and_not_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("few.csv");
    let out = folder.path().join("out").display().to_string();
    for (text, code, says) in [
        ("name\nAna\n", 1, "nothing can be a duplicate"),
        ("", 1, "empty"),
        ("a,b\n1,x\n2,x\n3,x\n4,x\n", 1, "nothing in these"),
    ] {
        std::fs::write(&file, text).unwrap();
        let output = simurgh(&["dedupe", &file.display().to_string(), "--out", &out]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(says), "{error}");
        assert_eq!(last_line(&output)["outcome"], "stopped");
    }
    std::fs::write(&file, "id,name\n1,Ana Diaz\n1,Ana Dias\n,Bo Lee\n").unwrap();
    let file = file.display().to_string();
    let twice = simurgh(&["dedupe", &file, "--out", &out, "--id", "id"]);
    let error = String::from_utf8_lossy(&twice.stderr).into_owned();
    assert_eq!(twice.status.code(), Some(1), "{error}");
    assert!(error.contains("few.csv:2") && error.contains("few.csv:3"), "{error}");
    let unknown = simurgh(&["dedupe", &file, "--out", &out, "--id", "nmae"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("did you mean `name`?"));
}

#[test]
fn files_that_hold_each_entity_once_are_linked_one_to_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for row in rows() {
        if !seen.insert(row[5].clone()) {
            continue;
        }
        let with = |mark: &str, slip: bool| {
            let mut own = row.clone();
            own[0] = format!("{mark}{}", row[0]);
            if slip {
                own[2] = own[2].replacen('a', "e", 1);
            }
            own
        };
        left.push(with("a", false));
        right.push(with("b", true));
        if right.len() % 40 == 0 {
            // Somebody else who could be the same: one of the two is taken, never both.
            let mut twin = with("t", false);
            twin[4] = String::new();
            right.push(twin);
        }
    }
    csv(Path::new(&at("a.csv")), &left);
    csv(Path::new(&at("b.csv")), &right);
    let arguments =
        ["dedupe", &at("a.csv"), &at("b.csv"), "--link-only", "--id", "key", "--exclude", "entity"];
    let out = at("out");
    let output = simurgh(&[&arguments[..], &["--out", &out]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(last_line(&output)["duplicate_free"], serde_json::json!(["a", "b"]));
    let clusters = partition(Path::new(&out));
    let linked = clusters.iter().filter(|own| own.len() == 2).count();
    assert!(linked >= 90, "{linked}");
    for cluster in clusters {
        let of_left = cluster.iter().filter(|id| id.starts_with('a')).count();
        assert!(of_left <= 1 && cluster.len() - of_left <= 1, "{cluster:?}");
    }
}

#[test]
fn settings_of_splink_resolve_files_and_are_kept_as_ours() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let lines: Vec<String> = rows()
        .iter()
        .map(|[id, given, family, born, mail, entity]| {
            format!("{id},{given},{family},{born},Town {entity},{mail},{entity}")
        })
        .collect();
    let text =
        format!("unique_id,first_name,surname,dob,city,email,cluster\n{}\n", lines.join("\n"));
    std::fs::write(at("people.csv"), text).unwrap();
    let saved = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/splink/trained_people.json");
    let run = |more: &[&str]| {
        let file = at("people.csv");
        simurgh(&[&["dedupe", &file, "--labels", "cluster", "--out"][..], more].concat())
    };
    let first = run(&[&at("a"), "--splink", saved]);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let found = last_line(&first);
    assert_eq!(found["id"], "unique_id", "Splink's name of the id is known");
    // The model is of other people, whose names say more or less than these: nobody is missed by it.
    assert_eq!(found["evaluation"]["pairwise"]["recall"], 1.0, "{found}");
    assert!(found["entities"].as_u64().unwrap() > 90, "{found}");
    // Its m, u and prior are the model's, untrained.
    let model = std::fs::read_to_string(format!("{}/model.json", at("a"))).unwrap();
    let model: serde_json::Value = serde_json::from_str(&model).unwrap();
    let m = model["comparisons"][0]["levels"][0]["m"].as_f64().unwrap();
    assert!((m - 0.4912466312213135).abs() < 1e-6, "{m}");
    let settings = format!("{}/settings.yaml", at("a"));
    let again = run(&[&at("b"), "--id", "unique_id", "--settings", &settings]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(partition(Path::new(&at("a"))), partition(Path::new(&at("b"))));

    let strange = std::fs::read_to_string(saved)
        .unwrap()
        .replace("jaro_winkler_similarity(", "somebodys_similarity(");
    std::fs::write(at("strange.json"), strange).unwrap();
    let refused = run(&[&at("c"), "--splink", &at("strange.json")]);
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{error}");
    assert!(error.contains("somebodys_similarity") && error.contains("first_name"), "{error}");
}

/// A word that nobody is called, of a number.
const GIVEN: [&str; 9] =
    ["Ana", "Robert", "Grace", "Omar", "Lucy", "Peter", "Maria", "Hassan", "Emily"];

fn word(number: usize) -> String {
    const SYLLABLES: [&str; 16] = [
        "ba", "ko", "ri", "tu", "me", "lo", "sa", "vi", "ne", "do", "pa", "gu", "fe", "hi", "zo",
        "ja",
    ];
    let mixed = number.wrapping_mul(2_654_435_761) >> 7;
    (0..3).map(|place| SYLLABLES[mixed >> (4 * place) & 15]).collect()
}

fn f1(files: &[&str], out: &Path, more: &[&str]) -> (f64, serde_json::Value) {
    let out = out.display().to_string();
    let output =
        simurgh(&[&["dedupe"], files, &["--out", &out, "--labels", "entity"], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let result = last_line(&output);
    (result["evaluation"]["pairwise"]["f1"].as_f64().unwrap(), result)
}

#[test]
fn dates_that_two_files_write_in_two_ways_are_the_same_dates() {
    let folder = tempfile::tempdir().unwrap();
    let mut left = "first_name,last_name,date_of_birth,entity\n".to_owned();
    let mut right = left.clone();
    for entity in 0..600_usize {
        let (name, family) = (GIVEN[entity % 9], word(entity % 40));
        let (year, month, day) = (1930 + entity % 70, 1 + entity % 12, 1 + entity * 7 % 28);
        // One date in twenty is no day of a calendar, on one side.
        let wrong = if entity % 20 == 0 { 13 } else { month };
        left += &format!("{name},{family},{wrong:02}/{day:02}/{year},{entity}\n");
        if entity % 2 == 0 {
            right += &format!("{name},{family},{year}{month:02}{day:02},{entity}\n");
        }
    }
    let (a, b) = (folder.path().join("a.csv"), folder.path().join("b.csv"));
    std::fs::write(&a, left).unwrap();
    std::fs::write(&b, right).unwrap();
    let files = [a.display().to_string(), b.display().to_string()];
    let (f1, result) = f1(&[&files[0], &files[1]], &folder.path().join("out"), &[]);
    assert!(f1 > 0.95, "{f1} {result}");
}

#[test]
fn a_source_with_copies_is_not_free_of_duplicates_where_only_links_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let mut left = "title,authors,entity\n".to_owned();
    let mut right = left.clone();
    for entity in 0..300_usize {
        let title: Vec<String> = (0..6).map(|place| word(entity * 7 + place)).collect();
        let (title, author) = (title.join(" "), word(entity * 3 + 5000));
        left += &format!("{title},{author},{entity}\n");
        for copy in 0..3 {
            right += &format!("{title}{},{author},{entity}\n", ["", " extended", " draft"][copy]);
        }
    }
    let (a, b) = (folder.path().join("library.csv"), folder.path().join("web.csv"));
    std::fs::write(&a, left).unwrap();
    std::fs::write(&b, right).unwrap();
    let files = [a.display().to_string(), b.display().to_string()];
    let out = folder.path().join("out");
    let (f1, result) = f1(&[&files[0], &files[1]], &out, &["--link-only"]);
    assert_eq!(result["duplicate_free"], serde_json::json!(["library"]));
    assert!(f1 > 0.9, "{f1} {result}");
}

/// The F1 of pairs that a dedupe of this table finds.
fn f1_of(header: &str, rows: &[String]) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv");
    std::fs::write(&file, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
    f1(&[file.to_str().unwrap()], &folder.path().join("out"), &[]).0
}

/// Members of a household share more than two records of one person do, and hardly anybody is
/// there twice: they are not taken for one person.
#[test]
fn households_are_not_taken_for_persons() {
    let mut seeded = Seeded(7);
    let mut roll = |most: usize| seeded.below(most as u64) as usize;
    let mut rows = Vec::new();
    for household in 0..600 {
        let family = word(roll(1 << 20));
        let shared = format!(
            "{} {} Street,Town {},{}",
            1 + roll(300),
            word(roll(1 << 20)),
            roll(7),
            ["green", "blue", "red"][roll(3)],
        );
        let first = roll(GIVEN.len());
        for member in 0..3 {
            let (given, age) = (GIVEN[(first + 2 * member) % GIVEN.len()], 20 + roll(60));
            let number = 3 * household + member;
            let added = format!("{:02}/2020", 1 + number % 12);
            rows.push(format!("{given},{family},{age},{shared},{added},{number}"));
            if number % 40 == 0 {
                let family = family.replacen('a', "e", 1);
                rows.push(format!("{given},{family},{age},{shared},{added},{number}"));
            }
        }
    }
    let f1 = f1_of("first_name,last_name,age,address,city,ethnicity,created_at,entity", &rows);
    assert!(f1 > 0.9, "{f1}");
}

/// Who works at one firm shares its name and the domain of its addresses.
#[test]
fn colleagues_are_not_taken_for_one_person() {
    let mut seeded = Seeded(7);
    let mut roll = |most: usize| seeded.below(most as u64) as usize;
    let mut rows = Vec::new();
    for entity in 0..1_000 {
        let firm =
            format!("{} {}", word(roll(60)), ["Foods Inc", "Logistics LLC", "Industries"][roll(3)]);
        let (given, family) = (GIVEN[roll(GIVEN.len())], word(roll(60)));
        let mail = format!("{given}.{family}{}@{}.com", roll(90), &firm[..4]).to_lowercase();
        let phone = format!("+1692{:07}", roll(10_000_000));
        let job = ["Manager", "Engineer", "Buyer"][roll(3)];
        for copy in 0..1 + roll(2) {
            let name = match copy {
                1 => format!("{}. {family}", &given[..1]),
                _ => format!("{given} {family}"),
            };
            let mail = if roll(3) == 0 { "" } else { &mail };
            let phone = if roll(5) < 2 { "" } else { &phone };
            rows.push(format!("{name},{firm},{mail},{phone},{job},{entity}"));
        }
    }
    let f1 = f1_of("contact,company,email,mobile,job_title,entity", &rows);
    assert!(f1 > 0.9, "{f1}");
}

/// Branches are called alike and give the phone of the head office; few rows say who leads them.
#[test]
fn branches_that_share_a_name_and_a_phone_are_not_taken_for_one() {
    let mut seeded = Seeded(7);
    let mut roll = |most: usize| seeded.below(most as u64) as usize;
    let (mut rows, mut entity) = (Vec::new(), 0);
    for organisation in 0..260 {
        let called = format!("{} {}", word(roll(1 << 20)), ["Services", "Trust"][roll(2)]);
        let head = format!("+1312{:07}", roll(10_000_000));
        for branch in 0..[1, 1, 1, 2, 4, 8][organisation % 6] {
            entity += 1;
            let place = format!("{} {}", called, word(roll(80)));
            let line = format!("{} {} Street", 1 + roll(900), word(roll(1 << 20)));
            let phone = match branch {
                0 => head.clone(),
                _ => format!("+1312{:07}", roll(10_000_000)),
            };
            let leads = format!("{} {}", GIVEN[roll(GIVEN.len())], word(roll(1 << 20)));
            for _ in 0..1 + roll(3) {
                let name = if roll(2) == 0 { &called } else { &place };
                let phone = [&phone, &phone, &head, ""][roll(4)];
                let line = if roll(20) == 0 { "" } else { &line };
                let leads = if roll(5) == 0 { &leads } else { "" };
                let offered = ["Day Care", "Head Start", "After School"][roll(3)];
                rows.push(format!("{name},{line},{phone},{offered},{leads},{entity}"));
            }
        }
    }
    let f1 = f1_of("site name,address,phone,program,led by,entity", &rows);
    assert!(f1 > 0.9, "{f1}");
}
