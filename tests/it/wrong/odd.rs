//! Odd circumstances: a reader who goes away, a full disk for the output, signals, and the steps of
//! a stranger.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{DATE, PIPELINE, Setup};

/// The program, whose standard error is kept.
fn program(setup: &Setup, arguments: &[&str]) -> Command {
    let mut command = setup.project.command(&setup.place);
    command.env("SIMURGH_WAREHOUSE", &setup.place.uri).args(arguments);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

#[test]
fn a_reader_who_goes_away_breaks_nothing() {
    let setup = Setup::new();
    let long = [&["functions"][..], &["functions", "--markdown"], &["completions", "bash"]];
    for arguments in long {
        let mut child = program(&setup, arguments).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!((ended.status.code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_said() {
    let setup = Setup::new();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = program(&setup, &["functions"]).stdout(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(75));
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("standard output could not be written"), "{said}");
}

#[test]
fn a_signal_is_answered_and_the_run_goes_on_later() {
    for signal in ["TERM", "INT"] {
        let setup = Setup::new();
        let run = ["run", PIPELINE, "--date", DATE];
        let child = program(&setup, &run).stdout(Stdio::piped()).spawn().unwrap();
        let begun = Instant::now();
        while !setup.stored("format.json").exists() && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let send = format!("kill -{signal} {}", child.id());
        assert!(Command::new("sh").args(["-c", &send]).status().unwrap().success());
        let ended = child.wait_with_output().unwrap();
        let out = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert_eq!(ended.status.code(), Some(75), "{signal}: {out}");
        let answer: Value = serde_json::from_str(out.trim_end()).unwrap();
        assert_eq!((&answer["outcome"], &answer["exit_code"]), (&"failed".into(), &75.into()));
        assert!(setup.published().is_empty() || !setup.stored("runs/seq/1.json").exists());
        setup.publish(DATE);
    }
}

/// What `init` writes is run as its own README says, command by command.
#[test]
fn a_new_project_runs_as_its_readme_says() {
    let setup = Setup::new();
    let written = setup.say(&["init", "first"]);
    assert_eq!(written.code, Some(0), "{}", written.err);
    let readme = setup.text("first/README.md");
    let block = readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut published = 0;
    for line in block.lines() {
        let arguments: Vec<&str> = line.split(' ').skip(1).collect();
        let mut command = program(&setup, &arguments);
        let ended = command.current_dir(setup.path("first")).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!((ended.status.code(), said.as_str()), (Some(0), ""), "{line}");
        let out = String::from_utf8_lossy(&ended.stdout).into_owned();
        let answer: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
        published += u32::from(answer["outcome"] == "published");
    }
    assert_eq!(published, 2, "both days");
}

/// `--help` answers on standard output, with nothing on standard error.
#[test]
fn help_is_an_answer() {
    let setup = Setup::new();
    for arguments in [&["--help"][..], &["run", "--help"], &["help", "run"], &["--version"]] {
        let said = setup.say(arguments);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(!said.out.is_empty(), "{arguments:?}");
    }
}
