//! Runs compared, stopped, rolled back, maintained and replayed: what an operator does to what is
//! published, and what an auditor finds of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::program::{Project, files_below};
use crate::store::{Place, Store};
use crate::warehouse::Warehouse;

const PIPELINE: &str = "pipelines/tiny.yaml";

/// Runs a command; its exit code, its last line, and all that it said.
fn command(project: &Project, place: &Place, arguments: &[&str]) -> (i32, Value, String) {
    let mut command = project.command(place);
    let output = command.args(arguments).args(["--warehouse", &place.uri]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let answer = serde_json::from_str(text.lines().last().unwrap_or_default());
    let answer = answer.unwrap_or_else(|_| panic!("{arguments:?}: {text}{said}"));
    (output.status.code().unwrap(), answer, text + &said)
}

/// A command that does what it is for.
#[track_caller]
fn done(project: &Project, place: &Place, arguments: &[&str], outcome: &str) -> Value {
    let (code, answer, said) = command(project, place, arguments);
    assert_eq!((code, answer["outcome"].as_str()), (0, Some(outcome)), "{arguments:?}: {said}");
    answer
}

#[track_caller]
fn verified(project: &Project, place: &Place) {
    let (code, answer, said) = command(project, place, &["verify"]);
    assert_eq!((code, &answer["findings"]), (0, &Value::Array(Vec::new())), "{said}");
}

type Rows = Vec<String>;

/// The rows of every table of an entry, sorted.
fn tables(place: &Place, entry: &Value) -> BTreeMap<String, Rows> {
    let tables = entry["tables"].as_object().unwrap();
    tables.iter().map(|(name, version)| (name.clone(), rows(place, name, version))).collect()
}

fn rows(place: &Place, name: &str, version: &Value) -> Rows {
    let found = Warehouse::at(place).rows_at(name, version.as_u64().unwrap());
    let mut rows: Rows = found.into_iter().map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows
}

/// Two published dates, and their run ids.
fn two_dates(project: &Project, place: &Place) -> (String, String) {
    let dates = project.dates();
    let one = |date: &String| project.run(place, date, &[]).expect(0, "published");
    (one(&dates[0]).run_id().to_owned(), one(&dates[1]).run_id().to_owned())
}

#[test]
fn a_rollback_puts_every_table_back_and_later_runs_build_on_it() {
    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    let (first, second) = two_dates(&project, &place);
    let warehouse = Warehouse::at(&place);
    let before = tables(&place, &warehouse.sequence()[0]);
    let export = |date: &str| {
        let file = format!("exports/customers/date={date}/customers.parquet");
        fs::read(place.folder.join(file)).unwrap()
    };
    let dates = project.dates();
    assert_ne!(export(&dates[0]), export(&dates[1]));

    let answer = done(&project, &place, &["rollback", &first[..8]], "published");
    assert_eq!(answer["to"], first.as_str());
    let current = warehouse.current();
    assert_eq!(
        (&current["command"], &current["logical_date"]),
        (&"rollback".into(), &dates[1].as_str().into())
    );
    assert_eq!(tables(&place, &current), before);
    for name in before.keys() {
        // Who reads the latest version of a table reads the same.
        let latest = warehouse.latest(name).into();
        assert_eq!(rows(&place, name, &latest), before[name], "{name}");
    }
    assert_eq!(export(&dates[0]), export(&dates[1]), "the plain export is put back too");
    verified(&project, &place);
    let again = done(&project, &place, &["rollback", &first], "unchanged");
    assert_eq!(again["run_id"], answer["run_id"]);

    // A scheduler that tries the date again does not undo what a person did.
    let stopped = project.run(&place, &dates[1], &[]).expect(1, "stopped");
    assert!(stopped.said.contains("rolled back"), "{}", stopped.said);
    assert_eq!(warehouse.current(), current);
    let accepted = project.run(&place, &dates[1], &["--accept"]).expect(0, "published");
    assert_eq!(accepted.run_id(), second);
    let sequence = warehouse.sequence();
    assert_eq!(tables(&place, &sequence[3]), tables(&place, &sequence[1]));
    verified(&project, &place);
}

#[test]
fn a_killed_rollback_is_finished_by_whoever_comes_next() {
    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    let (first, _) = two_dates(&project, &place);
    let whole = store.place_like(&place);
    done(&project, &whole, &["rollback", &first], "published");
    // As a process leaves it that dies between two commits: the plan, and a part of its commits.
    let plan = fs::read(whole.folder.join("runs/plan/3.json")).unwrap();
    fs::write(place.folder.join("runs/plan/3.json"), plan).unwrap();
    let log = "tables/customers/_delta_log/00000000000000000002.json";
    fs::copy(whole.folder.join(log), place.folder.join(log)).unwrap();
    let staged = whole.folder.join("exports/customers");
    let plan: Value =
        serde_json::from_slice(&fs::read(place.folder.join("runs/plan/3.json")).unwrap()).unwrap();
    for export in plan["draft"]["exports"].as_array().unwrap() {
        let from = place.folder.join(export[0].as_str().unwrap());
        fs::create_dir_all(from.parent().unwrap()).unwrap();
        fs::copy(staged.join(format!("date={}/customers.parquet", project.dates()[1])), from)
            .unwrap();
    }
    let again = done(&project, &place, &["rollback", &first], "unchanged");
    assert_eq!(again["run_id"], Warehouse::at(&whole).current()["run_id"]);
    assert_eq!(
        Warehouse::at(&place).current()["tables"],
        Warehouse::at(&whole).current()["tables"]
    );
    verified(&project, &place);
}

#[test]
fn the_match_log_is_partitioned_by_its_day_and_stays_so() {
    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    two_dates(&project, &place);
    let rows = Warehouse::at(&place).rows("match_log");
    let again = ["--set", "parameters.again=1"];
    project.run(&place, &project.dates()[1], &again).expect(0, "published");
    done(&project, &place, &["maintain", PIPELINE], "published");
    assert!(Warehouse::at(&place).rows("match_log").len() >= rows.len());
    verified(&project, &place);

    let log = place.folder.join("tables/match_log/_delta_log");
    let (mut partitioned, mut added) = (Vec::new(), 0);
    for file in files_below(&log).iter().filter(|f| f.extension().is_some_and(|e| e == "json")) {
        for line in fs::read_to_string(file).unwrap().lines() {
            let action: Value = serde_json::from_str(line).unwrap();
            if let Some(columns) = action["metaData"].get("partitionColumns") {
                partitioned.push(columns.clone());
            }
            let Some(path) = action["add"]["path"].as_str() else { continue };
            let day = action["add"]["partitionValues"]["run_day"].as_str().unwrap();
            assert!(path.starts_with(&format!("run_day={day}/")), "{path}");
            added += 1;
        }
    }
    assert_eq!(partitioned, [serde_json::json!(["run_day"])]);
    assert!(added >= 3, "{added}");
    for row in rows {
        assert!(project.dates().contains(&row["run_day"]), "the rows say it as well: {row:?}");
    }
}

#[test]
fn what_was_removed_cannot_be_rolled_back_to() {
    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    let (first, _) = two_dates(&project, &place);
    let keep_one = ["maintain", PIPELINE, "--set", "land.retain_runs=1"];
    done(&project, &place, &keep_one, "published");
    verified(&project, &place);
    let (code, answer, said) = command(&project, &place, &["rollback", &first]);
    assert_eq!((code, answer["outcome"].as_str()), (1, Some("stopped")), "{said}");
    assert!(said.contains("`maintain`"), "{said}");
    for arguments in [&["rollback", "nobody"][..], &["rollback", ""], &["diff", "x", "y"]] {
        let (code, _, said) = command(&project, &place, arguments);
        assert_eq!(code, 2, "{said}");
    }
}

#[test]
fn maintenance_keeps_every_row_of_kept_runs_and_removes_what_none_needs() {
    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    let warehouse = Warehouse::at(&place);
    let (first, second) = two_dates(&project, &place);
    let (one, two) = {
        let sequence = warehouse.sequence();
        (tables(&place, &sequence[0]), tables(&place, &sequence[1]))
    };
    let data = || {
        let files = files_below(&place.folder.join("tables"));
        files.iter().filter(|file| is_data(file)).count()
    };
    let before = data();

    // All dates are kept: files are put together, and none goes.
    let answer = done(&project, &place, &["maintain", PIPELINE], "published");
    assert_eq!(answer["files_removed"], 0);
    assert!(answer["files_compacted"].as_u64().unwrap() >= 4, "{answer}");
    assert!(answer["checkpoints_written"].as_u64().unwrap() > 0, "{answer}");
    assert_eq!(tables(&place, &warehouse.current()), two);
    assert_eq!(tables(&place, &warehouse.sequence()[0]), one, "time travel");
    let log = place.folder.join("tables/match_log");
    assert!(log.join("_delta_log/_last_checkpoint").exists());
    verified(&project, &place);
    done(&project, &place, &["maintain", PIPELINE], "unchanged");
    // The run is still known to be done.
    project.run(&place, &project.dates()[1], &[]).expect(0, "unchanged");
    let answer = done(&project, &place, &["verify", "--replay", &second, PIPELINE], "replayed");
    assert_eq!(answer["run_id"], second.as_str());

    // One date is kept: the files of the other go, and what built on it cannot be run again.
    let keep_one = ["maintain", PIPELINE, "--set", "land.retain_runs=1"];
    let answer = done(&project, &place, &keep_one, "published");
    // One of each table that is replaced, and two of each that grows, but of the match log, whose days
    // have a file each.
    assert_eq!(answer["files_removed"], 12 + 2 * 2, "{answer}");
    assert_eq!(answer["dates_kept"], serde_json::json!([project.dates()[1]]), "{answer}");
    assert!(data() < before, "{} of {before} files", data());
    assert_eq!(tables(&place, &warehouse.current()), two);
    verified(&project, &place);
    done(&project, &place, &keep_one, "unchanged");
    let (code, _, said) = command(&project, &place, &["verify", "--replay", &first, PIPELINE]);
    assert!(code == 1 && said.contains("removed by `maintain`"), "{said}");

    // Its run is still known to be done; another of its date would need the tables that went.
    project.run(&place, &project.dates()[1], &[]).expect(0, "unchanged");
    let other = ["--set", "resolve.person.thresholds.merge=0.8"];
    let refused = project.run(&place, &project.dates()[1], &other).expect(1, "stopped");
    assert!(refused.said.contains("were removed by `maintain`"), "{}", refused.said);

    // A file that was removed and comes back is found, and so is one that goes beside the chain.
    let file = answer_file(&place);
    fs::write(place.folder.join(&file), b"PAR1").unwrap();
    let (code, answer, _) = command(&project, &place, &["verify"]);
    assert!(code == 1 && answer["findings"].to_string().contains(&file), "{answer}");
    fs::remove_file(place.folder.join(&file)).unwrap();
    verified(&project, &place);
}

fn is_data(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "parquet")
        && !file.to_string_lossy().contains("_delta_log")
}

/// A file that the last run of the chain removed.
fn answer_file(place: &Place) -> String {
    let current = Warehouse::at(place).current();
    let manifest = fs::read(place.folder.join(current["manifest"].as_str().unwrap())).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    manifest["removed"].as_object().unwrap().keys().next().unwrap().clone()
}

#[test]
fn what_broken_runs_left_goes_when_it_is_old_and_an_older_layout_is_migrated() {
    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    let dates = project.dates();
    project.run(&place, &dates[0], &[]).expect(0, "published");
    project.run(&place, &dates[1], &["--to", "golden"]).expect(0, "staged");
    let orphan = place.folder.join("tables/customers/0123-abcd.parquet");
    fs::write(&orphan, b"PAR1").unwrap();
    fs::write(
        place.folder.join("format.json"),
        "{\n  \"format\": 2,\n  \"program\": \"simurgh\"\n}\n",
    )
    .unwrap();
    let refused = project.run(&place, &dates[1], &[]).expect(1, "stopped");
    assert!(refused.said.contains("simurgh maintain"), "{}", refused.said);

    let staged = || files_below(&place.folder.join("staging")).len();
    let answer = command(&project, &place, &["maintain", PIPELINE]).1;
    assert_eq!(
        (&answer["migrated_from_layout"], &answer["abandoned_files_removed"]),
        (&2.into(), &0.into())
    );
    assert!(orphan.exists() && staged() > 0, "a run may be at work on what is new");
    let now = ["maintain", PIPELINE, "--abandoned-after", "0"];
    let answer = command(&project, &place, &now).1;
    assert!(answer["abandoned_files_removed"].as_u64().unwrap() > 3, "{answer}");
    assert!(!orphan.exists() && staged() == 0);
    verified(&project, &place);
    project.run(&place, &dates[1], &[]).expect(0, "published");
}

#[test]
fn a_run_past_a_limit_stops_with_why_and_is_published_when_it_is_accepted() {
    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    let dates = project.dates();
    project.run(&place, &dates[0], &[]).expect(0, "published");
    let warehouse = Warehouse::at(&place);
    let before = warehouse.current();
    let plain = store.place_like(&place);
    project.run(&plain, &dates[1], &[]).expect(0, "published");

    // A rule that merges all of one city, as a mistake does.
    let file = project.folder().join(PIPELINE);
    let text = fs::read_to_string(&file).unwrap();
    let rule = "    thresholds: {merge: 0.9, review: 0.5}\n    \
                rules:\n      - {name: same_city, then: merge, same: [city]}\n";
    let text = text.replace("    thresholds: {merge: 0.9, review: 0.5}\n", rule);
    let limits = "\ngate: {max_merged: 5%}\n";
    fs::write(&file, text + limits).unwrap();
    let (code, planned, said) = command(&project, &place, &["plan", PIPELINE, "--date", &dates[1]]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(planned["gate"]["past"][0]["limit"], "gate.max_merged", "{said}");
    assert!(said.contains("would stop: gate.max_merged"), "{said}");
    assert_eq!(warehouse.current(), before, "a plan changes nothing");
    verified(&project, &place);

    let stopped = project.run(&place, &dates[1], &[]).expect(1, "stopped");
    let gate = &stopped.answer["gate"];
    assert_eq!(gate["past"], planned["gate"]["past"], "{}", stopped.answer);
    assert_eq!(gate["difference"], planned["gate"]["difference"]);
    let merged = gate["difference"]["merged"].as_u64().unwrap();
    assert!(merged > 1 && gate["difference"]["redirected"].as_u64().unwrap() > 0, "{gate}");
    let cause = gate["difference"]["causes"][0]["cause"].as_str().unwrap();
    assert!(cause.contains("`same_city`"), "{gate}");
    assert!(!gate["difference"]["largest"].as_array().unwrap().is_empty());
    assert!(stopped.said.contains("likeliest cause: the rule `same_city`"), "{}", stopped.said);
    assert!(!stopped.said.contains("Cairo"), "no value of the data");
    assert_eq!(warehouse.current(), before);
    verified(&project, &place);

    let accepted = project.run(&place, &dates[1], &["--accept"]).expect(0, "published");
    assert_eq!(accepted.run_id(), stopped.run_id());
    assert_eq!(&accepted.answer["gate"]["difference"], &gate["difference"]);
    let current = warehouse.current();
    let manifest = fs::read_to_string(place.folder.join(current["manifest"].as_str().unwrap()));
    assert!(manifest.unwrap().contains("\"accepted\": [\n    \"gate.max_merged\""));

    // The same between two published runs, by another road.
    let runs = [before["run_id"].as_str().unwrap(), accepted.run_id()];
    let diff =
        done(&project, &place, &["diff", runs[0], runs[1], "--pipeline", PIPELINE], "compared");
    let counts = |of: &Value, key: &str| of[key].as_u64().unwrap();
    for key in ["created", "retired", "merged", "split", "redirected", "changed", "kept"] {
        assert_eq!(
            counts(&diff["difference"], key),
            counts(&gate["difference"], key),
            "{key}: {diff}"
        );
    }
    let same = done(&project, &place, &["diff", runs[1], runs[1]], "compared");
    for key in ["created", "retired", "merged", "split", "redirected", "changed"] {
        assert_eq!(counts(&same["difference"], key), 0, "{key}");
    }
    assert!(counts(&same["difference"], "kept") > 0);
}

#[test]
fn a_run_that_drifts_warns_and_stops_by_its_limits() {
    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    let dates = project.dates();
    project.run(&place, &dates[0], &[]).expect(0, "published");
    // The second day's till has 4 rows after 23, as every day of `tiny`.
    let rows = |bound: &str| {
        project.run(&place, &dates[1], &["--set", &format!("drift.rows.{bound}=50%")])
    };
    let stopped = rows("stop").expect(1, "stopped");
    let drifted = &stopped.answer["drift"]["drifted"];
    let of: Vec<&str> =
        drifted.as_array().unwrap().iter().filter_map(|d| d["of"].as_str()).collect();
    assert_eq!(of, ["accounting_customers", "pos_sales"], "{drifted}");
    assert!(
        stopped.said.contains("drift.rows.stop: rows read of pos_sales: 23 -> 4"),
        "{}",
        stopped.said
    );
    assert_eq!(Warehouse::at(&place).sequence().len(), 1);

    // Limits change nothing of a run: it is the same one, and goes on from what it staged.
    let warned = rows("warn").expect(0, "published");
    assert_eq!(warned.run_id(), stopped.run_id());
    let warnings = warned.answer["warnings"].to_string();
    assert!(warnings.contains("drift.rows.warn: rows read of pos_sales"), "{warnings}");
    let results = place.folder.join(format!("runs/{}/run_results.json", warned.run_id()));
    let results: Value = serde_json::from_slice(&fs::read(results).unwrap()).unwrap();
    assert_eq!(results["drift"]["drifted"].as_array().unwrap().len(), 2);
    assert!(results["drift"]["measures"]["linked"].as_u64().unwrap() > 0);
    verified(&project, &place);
}

#[test]
fn a_replay_gives_what_was_published_and_finds_what_was_not() {
    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    let (first, second) = two_dates(&project, &place);
    for run in [&first, &second] {
        let answer = done(&project, &place, &["verify", "--replay", run, PIPELINE], "replayed");
        let tables = answer["tables"].as_object().unwrap();
        assert_eq!(tables.len(), 5, "{answer}");
        assert!(tables.values().all(|table| table["missing"] == 0 && table["surplus"] == 0));
        assert!(tables["customers"]["rows"].as_u64().unwrap() > 5);
        assert!(answer["pairs_logged"].as_u64().unwrap() > 5, "{answer}");
    }
    // Another configuration is another run's.
    let other = ["--set", "resolve.person.thresholds.merge=0.8"];
    let arguments = [&["verify", "--replay", &second, PIPELINE][..], &other].concat();
    let (code, _, said) = command(&project, &place, &arguments);
    assert!(code == 1 && said.contains("another pipeline file"), "{said}");

    // A table that says something else than what follows from the log: found, and by how much.
    let current = Warehouse::at(&place).current();
    let version = current["tables"]["entity_members"].as_u64().unwrap();
    let log = format!("tables/entity_members/_delta_log/{version:020}.json");
    let log = fs::read_to_string(place.folder.join(log)).unwrap();
    let added = log.lines().find_map(|line| {
        let action: Value = serde_json::from_str(line).unwrap();
        action["add"]["path"].as_str().map(str::to_owned)
    });
    let file = place.folder.join("tables/entity_members").join(added.unwrap());
    swap_two_members(&file);
    let (code, answer, said) =
        command(&project, &place, &["verify", "--replay", &second, PIPELINE]);
    assert_eq!((code, answer["outcome"].as_str()), (1, Some("differs")), "{said}");
    assert_eq!(answer["tables"]["entity_members"]["missing"], 2, "{answer}");
    assert_eq!(answer["tables"]["customers"]["missing"], 0, "{answer}");
}

/// Exchanges the golden ids of the first and the last row of a file of `entity_members`.
fn swap_two_members(file: &Path) {
    use arrow::array::{AsArray, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(file).unwrap()).unwrap();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    let whole = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let ids = whole.column_by_name("golden_id").unwrap().as_string::<i32>();
    let mut ids: Vec<&str> = ids.iter().flatten().collect();
    let last = ids.len() - 1;
    assert_ne!(ids[0], ids[last]);
    ids.swap(0, last);
    let mut columns = whole.columns().to_vec();
    let place = whole.schema().index_of("golden_id").unwrap();
    columns[place] = std::sync::Arc::new(StringArray::from(ids));
    let changed = RecordBatch::try_new(whole.schema(), columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(fs::File::create(file).unwrap(), whole.schema(), None).unwrap();
    writer.write(&changed).unwrap();
    writer.close().unwrap();
}

/// The current entry, and a decision as the table `decisions` that a command commits.
async fn a_decision(files: &simurgh::engine::Store) -> simurgh::land::Command {
    use simurgh::engine::{Engine, Options, WriteOptions};
    use simurgh::land::{Command, History, delta::TableCommit};

    let history = History::read(files).await.unwrap();
    let onto = history.current("tiny").unwrap();
    let engine = Engine::new(&Options::default()).unwrap();
    let sql = "SELECT 'd1' AS decision_id, 'crm_contacts:C-000003' AS a, \
               'crm_contacts:C-000004' AS b, 'different' AS verdict, 'ann' AS by, \
               to_timestamp_micros(0) AT TIME ZONE 'UTC' AS at, CAST(NULL AS VARCHAR) AS why, \
               CAST(NULL AS TIMESTAMP) AT TIME ZONE 'UTC' AS withdrawn_at";
    let frame = engine.sql(sql, "a decision").await.unwrap();
    let sort = ["decision_id".to_owned()];
    let options = WriteOptions { sort: &sort, unique: true, row_group: 1000, keep: true };
    let path = "tables/decisions/a-test.parquet";
    let (file, schema) = engine.write(frame, files, path, &options).await.unwrap();
    let mut command = Command::onto("merge", onto);
    command.commits.push(TableCommit {
        table: "decisions".to_owned(),
        schema: schema.as_ref().clone(),
        description: String::new(),
        keep: None,
        statistics: Vec::new(),
        files: vec![file],
        written_at: 0,
        rearranged: false,
    });
    command
}

#[test]
fn a_command_is_published_once_and_a_decision_makes_another_run_of_the_date() {
    use simurgh::engine::{Store as Files, run_blocking};
    use simurgh::land::Publication;

    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    let (first, second) = two_dates(&project, &place);
    let warehouse = Warehouse::at(&place);
    let before = tables(&place, &warehouse.current());
    let files = Files::open(&place.uri).unwrap();
    let (entry, again, late) = run_blocking(async {
        let command = a_decision(&files).await;
        let mut other = command.clone();
        other.details.insert("another".to_owned(), true.into());
        let published = command.publish(&files).await?;
        let again = command.publish(&files).await?;
        Ok((published, again, other.publish(&files).await))
    })
    .unwrap();
    let (Publication::Published(entry), Publication::Unchanged(again)) = (entry, again) else {
        panic!("published once");
    };
    assert_eq!(entry, again);
    assert_eq!(
        (entry.command.as_deref(), entry.base, entry.predecessor),
        (Some("merge"), Some(2), Some(1))
    );
    let late = late.unwrap_err();
    assert!(late.kind() == simurgh::error::Kind::Retry, "{late:?}");
    let after = tables(&place, &warehouse.current());
    let changed: Vec<&String> =
        before.keys().filter(|name| before[*name] != after[*name]).collect();
    assert_eq!(changed, ["decisions"]);
    verified(&project, &place);

    // Another run: what was decided is part of what it is; it obeys, and carries the decision.
    let dates = project.dates();
    let rerun = project.run(&place, &dates[1], &[]).expect(0, "published");
    assert_ne!(rerun.run_id(), second);
    assert_eq!(warehouse.rows("decisions").len(), 1);
    project.run(&place, &dates[1], &[]).expect(0, "unchanged");
    // A date before the decision obeys it too, and the model is still found through the command.
    let backfill = project.run(&place, &dates[0], &["--cascade"]).expect(0, "published");
    assert_ne!(backfill.run_id(), first);
    assert_eq!(warehouse.rows("decisions").len(), 1);
    verified(&project, &place);
}

/// Commands killed (SIGKILL) at any moment, then given again: the same tables, and a whole chain.
#[test]
fn a_killed_command_is_given_again_to_the_same() {
    use std::time::{Duration, Instant};

    use crate::program::Seeded;

    let kills: u64 = std::env::var("SIMURGH_KILLS").map_or(50, |n| n.parse().unwrap());
    let (project, store) = (Project::tiny(), Store::disk());
    let place = store.place();
    let (first, _) = two_dates(&project, &place);
    let mut seeded = Seeded(20_261_125);
    let mut killed = 0;
    for arguments in [
        &["rollback", first.as_str()][..],
        &["maintain", PIPELINE, "--set", "land.retain_runs=1", "--abandoned-after", "0"],
    ] {
        let whole = store.place_like(&place);
        let begun = Instant::now();
        done(&project, &whole, arguments, "published");
        let took = begun.elapsed();
        let expected = Warehouse::at(&whole).current();
        for _ in 0..kills.div_ceil(17) {
            let tried = store.place_like(&place);
            let mut child = project
                .command(&tried)
                .args(arguments)
                .args(["--warehouse", &tried.uri])
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_micros(seeded.below(took.as_micros() as u64)));
            killed += u64::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
            let (code, _, said) = command(&project, &tried, arguments);
            assert_eq!(code, 0, "{said}");
            let current = Warehouse::at(&tried).current();
            for key in ["tables", "rows", "base", "predecessor", "retired"] {
                assert_eq!(current[key], expected[key], "{key}");
            }
            assert_eq!(tables(&tried, &current), tables(&whole, &expected));
            verified(&project, &tried);
            tried.remove();
        }
    }
    eprintln!("{killed} commands were killed before their end");
    assert!(killed > 0, "no command was killed before its end");
}
