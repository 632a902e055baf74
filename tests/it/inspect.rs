//! The commands by which resolution is looked at, on `tiny`: what they answer, and that no personal
//! value is printed unless it is asked for.

use serde_json::Value;

use crate::program::Project;
use crate::store::{Place, Store};

const PIPELINE: &str = "pipelines/tiny.yaml";
const TRUTH: &str = "fixtures/tiny/truth.csv";

/// Runs a command; its whole standard output, and its last line.
fn say(project: &Project, place: &Place, arguments: &[&str]) -> (String, Value) {
    let mut command = project.command(place);
    command.env("SIMURGH_WAREHOUSE", &place.uri).args(arguments);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    let answer = serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap();
    (text, answer)
}

#[test]
fn resolution_is_looked_at_from_blocking_to_judged_pairs() {
    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    let date = &project.dates()[0];
    // Before the first run the day's exports are read, and nothing is written.
    let (_, unpublished) = say(&project, &place, &["block", PIPELINE, "--date", date]);
    assert_eq!(
        (&unpublished["outcome"], &unpublished["published"]),
        (&"looked".into(), &false.into())
    );
    say(&project, &place, &["run", PIPELINE, "--date", date]);

    let (text, block) = say(&project, &place, &["block", PIPELINE, "--truth", TRUTH, "--propose"]);
    let person = &block["kinds"]["person"];
    assert_eq!(person["pairs"], unpublished["kinds"]["person"]["pairs"]);
    let sum = |name: &str| -> u64 {
        let rules = person["rules"].as_array().unwrap();
        rules.iter().map(|rule| rule[name].as_u64().unwrap()).sum()
    };
    assert_eq!(sum("new_pairs"), person["pairs"].as_u64().unwrap());
    assert!(person["recall"].as_f64().unwrap() > 0.5 && sum("only_matches") > 0);
    assert!(!person["proposed"].as_array().unwrap().is_empty());
    assert!(!text.contains("@"), "no value of the data");

    for name in ["a", "b"] {
        let out = format!("{name}/");
        let (_, trained) = say(&project, &place, &["train", PIPELINE, "--out", &out]);
        assert_eq!(trained["outcome"], "trained");
    }
    let diff = |b: &str| {
        say(&project, &place, &["model", "diff", "a/person.json", b]).1["outcome"].clone()
    };
    assert_eq!(diff("b/person.json"), "same");

    let (text, labelled) =
        say(&project, &place, &["train", PIPELINE, "--labels", TRUTH, "--out", "labelled/"]);
    assert!(text.contains("m counted from"), "{text}");
    assert!(labelled["models"]["person"]["labelled_pairs"].as_u64().unwrap() > 10);
    assert_eq!(diff("labelled/person.json"), "different");

    let (text, evaluated) = say(
        &project,
        &place,
        &["evaluate", PIPELINE, "--truth", TRUTH, "--errors", "2", "--curve", "curve.csv"],
    );
    assert_eq!(evaluated["outcome"], "evaluated");
    assert!(!evaluated["kinds"]["person"]["curve"].as_array().unwrap().is_empty());
    assert!(
        std::fs::read_to_string(project.folder().join("curve.csv")).unwrap().lines().count() > 3
    );
    assert!(!text.contains("example.com") && !text.contains("+44"), "values are masked");

    let sample = ["sample", PIPELINE, "--kind", "person", "--size", "20", "--out"];
    let draw = |file: &str| {
        say(&project, &place, &[&sample[..], &[file]].concat());
        std::fs::read_to_string(project.folder().join(file)).unwrap()
    };
    let drawn = draw("sample.csv");
    assert_eq!(drawn, draw("again.csv"), "the sample is the same on every run");
    assert!(!drawn.contains("example.com"));
    let judged: Vec<String> = drawn
        .lines()
        .enumerate()
        .map(|(place, line)| if place == 0 { line.to_owned() } else { format!("{line}match") })
        .collect();
    std::fs::write(project.folder().join("sample.csv"), judged.join("\n")).unwrap();
    let (_, found) = say(&project, &place, &["evaluate", PIPELINE, "--sample", "sample.csv"]);
    assert_eq!(found["judged"].as_u64().unwrap() as usize, judged.len() - 1);
    assert!(found["strata"][0]["precision"]["value"] == 1.0);

    // The judged pairs train, and choose the threshold of a run.
    let arguments = ["train", PIPELINE, "--kind", "person", "--labels", "sample.csv"];
    let (_, trained) = say(&project, &place, &[&arguments[..], &["--out", "j.json"]].concat());
    assert!(trained["models"]["person"]["labelled_pairs"].as_u64().unwrap() > 0);
    let run = [
        "run",
        PIPELINE,
        "--date",
        date,
        "--set",
        "resolve.person.thresholds.precision=0.9",
        "--set",
        "resolve.person.thresholds.sample=../sample.csv",
    ];
    assert_eq!(say(&project, &place, &run).1["outcome"], "published");
    let different: Vec<String> = drawn
        .lines()
        .enumerate()
        .map(|(place, line)| match place {
            0 => line.to_owned(),
            _ => format!("{line}different"),
        })
        .collect();
    std::fs::write(project.folder().join("sample.csv"), different.join("\n")).unwrap();
    let mut command = project.command(&place);
    let output = command.env("SIMURGH_WAREHOUSE", &place.uri).args(run).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("no threshold of the judged sample"), "{error}");
}
