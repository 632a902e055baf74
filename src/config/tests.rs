//! Pipelines as data: each `fixtures/configuration/<case>.yaml` is loaded and checked, and what a
//! reader would see stands in `<case>.txt` beside it. SIMURGH_UPDATE=1 writes those anew.
//!
//! A comment `# environment: NAME=value` sets a variable, `# set: key=value` an argument.

use std::fs;
use std::path::{Path, PathBuf};

use miette::{GraphicalReportHandler, GraphicalTheme};
use proptest::prelude::*;

use super::*;

const FOLDER: &str = "fixtures/configuration";

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(FOLDER)
        .expect("a folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    cases.sort();
    cases
}

fn directives<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .filter_map(move |line| line.strip_prefix("# ")?.strip_prefix(name)?.strip_prefix(": "))
}

fn load_case(path: &Path) -> Result<Loaded> {
    let text = fs::read_to_string(path).expect("a case");
    let sets: Vec<String> = directives(&text, "set").map(str::to_owned).collect();
    let environment = |name: &str| {
        directives(&text, "environment")
            .find_map(|line| line.split_once('=').filter(|(key, _)| *key == name))
            .map(|(_, value)| value.to_owned())
    };
    load(path, &sets, &environment)
}

fn rendered(error: &Error) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::none())
        .with_width(100)
        .without_cause_chain();
    let mut text = format!("{error}\n\n");
    for report in error.diagnostics() {
        handler.render_report(&mut text, report.as_ref()).expect("rendered");
        text.push('\n');
    }
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Compares a file that is made with what stands in the repository; writes it where asked.
fn compare(path: &Path, made: &str) {
    if std::env::var_os("SIMURGH_UPDATE").is_some() {
        fs::write(path, made).expect("written");
    }
    let stands = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(stands, made, "{} is not up to date: run with SIMURGH_UPDATE=1", path.display());
}

#[test]
fn cases_show_what_a_reader_sees() {
    for case in cases() {
        let shown = match load_case(&case).and_then(|loaded| loaded.check(&KNOWN)) {
            Ok(_) => "in order\n".to_owned(),
            Err(error) => rendered(&error),
        };
        assert!(!shown.contains("s3cr3t"), "{}: a variable's value is shown", case.display());
        compare(&case.with_extension("txt"), &shown);
    }
}

#[test]
fn the_schema_is_up_to_date() {
    compare(Path::new("schemas/pipeline.schema.json"), &json_schema());
}

#[test]
fn the_reference_is_up_to_date() {
    compare(Path::new("docs/configuration.md"), &documentation());
}

/// The names that cases may refer to.
const KNOWN: Known<'_> = Known {
    comparisons: &["date", "email", "exact", "person_name"],
    survivorship: &["longest", "most_complete", "most_frequent", "most_recent", "source_priority"],
    computations: &["customer_value", "pagerank"],
    functions: &[],
    parameters: &["logical_date"],
    tables: &[],
};

fn base() -> String {
    fs::read_to_string(format!("{FOLDER}/in_order.yaml")).expect("a case")
}

fn loaded(text: &str, sets: &[&str]) -> Result<Loaded> {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    load_text(text, Path::new("fixtures/configuration/test.yaml"), &sets, &|_| None)
}

#[test]
fn identity_is_of_what_decides_results() {
    let one = loaded(&base(), &[]).expect("in order");
    let elsewhere = loaded(&base(), &["inputs=s3://other"]).expect("in order");
    let moved = loaded(&base(), &["sources.crm.contract=other.yaml"]).expect("in order");
    let stricter = loaded(&base(), &["resolve.person.thresholds.merge=0.95"]).expect("in order");
    let defaults = loaded(&base().replace("    thresholds: {merge: 0.5, review: 0.2}\n", ""), &[])
        .expect("in order");
    assert_eq!(one.hash_material, elsewhere.hash_material);
    assert_eq!(one.hash_material, moved.hash_material);
    assert_ne!(one.hash_material, stricter.hash_material);
    assert_eq!(one.hash_material["resolve"], defaults.hash_material["resolve"]);
    assert_eq!(elsewhere.pipeline.inputs, "s3://other");
    assert_eq!(elsewhere.document["inputs"], "s3://other");
}

#[test]
fn functions_are_known_where_they_are_given() {
    let text = base().replace("keys: [email]", "keys: [lowr(email)]");
    let loaded = loaded(&text, &[]).expect("in order");
    loaded.check(&KNOWN).expect("left to the planner");
    let error = loaded.check(&Known { functions: &["lower"], ..KNOWN }).expect_err("unknown");
    let shown = rendered(&error);
    assert!(shown.contains("there is no function `lowr`"), "{shown}");
    assert!(shown.contains("did you mean `lower`?"), "{shown}");
}

#[test]
fn sql_is_read_from_where_it_stands() {
    let path = ["facts.orders.file=unordered.sql", "facts.orders.sql="];
    let text = base();
    let here = loaded(&text, &[]).expect("in order");
    let orders = |loaded: &Loaded| loaded.statement("orders", &loaded.pipeline.facts["orders"]);
    assert!(orders(&here).expect("SQL").starts_with("SELECT 'crm'"));
    let both = loaded(&text, &path).expect("in order");
    assert!(orders(&both).is_err());
    let line = text.lines().find(|line| line.contains("sql: SELECT 'crm'")).expect("a line");
    let file = loaded(&text.replace(line, "    file: unordered.sql"), &[]).expect("in order");
    assert!(orders(&file).expect("SQL").contains("array_agg"));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_change_nothing() {
    let one = loaded(&base(), &[]).expect("in order");
    let other =
        loaded(&format!("\u{feff}{}", base().replace('\n', "\r\n")), &[]).expect("in order");
    assert_eq!(one.document, other.document);
}

#[test]
fn a_file_that_is_not_there_is_said_once() {
    let error = load(Path::new("fixtures/none.yaml"), &[], &|_| None).err().expect("no file");
    assert!(error.to_string().contains("fixtures/none.yaml"), "{error}");
    assert!(error.advice().is_some());
}

#[test]
fn hostile_files_are_bounded() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let long = "x".repeat(1 << 20);
    let repeats = vec!["*a"; 3000].join(", ");
    let cases = [
        laughs,
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(10_000),
        format!("a: &a {long}\nb: [{repeats}]\n"),
        "a: &a [*a]".to_owned(),
        "x".repeat(tree::MAX_BYTES + 1),
        "? [a]\n: b".to_owned(),
        (0..100_000).map(|n| format!("k{n}: 1\n")).collect(),
    ];
    for text in cases {
        let error = loaded(&text, &[]).err().expect("refused");
        assert!(!error.diagnostics().is_empty());
    }
}

/// What the JSON Schema refuses must be refused here: jsonschema is the judge.
fn agrees_with_json_schema(text: &str) {
    let mut problems = Vec::new();
    let Some(tree) = tree::parse(text, 0, &mut problems) else { return };
    let schema = schema::of_pipeline();
    let judge = jsonschema::validator_for(&schema).expect("a schema");
    let fits = judge.is_valid(&shape::anything(&tree));
    shape::check(&tree, &schema, &mut problems);
    assert!(fits || !problems.is_empty(), "the schema refuses this and we do not:\n{text}");
}

#[test]
fn every_case_agrees_with_json_schema() {
    for case in cases() {
        agrees_with_json_schema(&fs::read_to_string(case).expect("a case"));
    }
    let tree = tree::parse(&base(), 0, &mut Vec::new()).expect("a tree");
    assert!(jsonschema::is_valid(&schema::of_pipeline(), &shape::anything(&tree)));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        if let Err(error) = loaded(&text, &[]) {
            prop_assert!(!rendered(&error).is_empty());
        }
    }

    /// A pipeline with some of its text changed: nearer to YAML than chance is.
    #[test]
    fn a_changed_pipeline_is_read_or_refused(
        at in 0_usize..1000,
        length in 0_usize..20,
        change in "[ a-z:{}\\[\\]|>&*!#'\"$\n\\-]{0,8}",
    ) {
        let mut text = base();
        let at = at.min(text.len());
        let end = (at + length).min(text.len());
        text.replace_range(at..end, &change);
        agrees_with_json_schema(&text);
        let result = loaded(&text, &[]).and_then(|loaded| loaded.check(&KNOWN));
        if let Err(error) = result {
            let shown = rendered(&error);
            // The shape's walk and serde must not differ.
            prop_assert!(!shown.contains("cannot be read"), "{shown}");
        }
    }
}
