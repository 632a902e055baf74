//! Commands that are none: what a person or a scheduler mistypes.

use super::{Case, DATE, PIPELINE, case};

pub(super) const CASES: &[Case] = &[
    case("no command", 2, &["no command was named", "simurgh --help"], "name a command", |setup| {
        setup.arguments(&[])
    }),
    case("an unknown command", 2, &["'runn'", "'run'"], "correct its name", |setup| {
        setup.arguments(&["runn", PIPELINE]);
    }),
    case("an unknown option", 2, &["'--dat'", "'--date'"], "correct its name", |setup| {
        setup.arguments(&["run", PIPELINE, "--dat", DATE]);
    }),
    case(
        "no pipeline file named",
        2,
        &["pipeline.yaml"],
        "name one, or run in its folder",
        |setup| {
            setup.arguments(&["run", "--date", DATE]);
        },
    ),
    case("no date", 2, &["--date"], "give `--date` or `SIMURGH_DATE`", |setup| {
        setup.arguments(&["run", PIPELINE]);
    }),
    case("a date that is none", 2, &["--date", "2026-02-30"], "write it YYYY-MM-DD", |setup| {
        setup.arguments(&["run", PIPELINE, "--date", "2026-02-30"]);
    }),
    case("an unknown stage", 2, &["`golder`", "`golden`"], "correct its name", |setup| {
        setup.also(&["--stage", "golder"]);
    }),
    case("`--from` after `--to`", 2, &["--from", "--to"], "exchange them", |setup| {
        setup.also(&["--from", "golden", "--to", "clean"]);
    }),
    case("`--stage` with `--from`", 2, &["--stage", "--from"], "give one of them", |setup| {
        setup.also(&["--stage", "golden", "--from", "clean"]);
    }),
    case(
        "a stage before its turn",
        2,
        &["`extract`", "--stage extract"],
        "run the earlier stages first",
        |setup| {
            let staged =
                setup.say(&["run", PIPELINE, "--date", DATE, "--stage", "extract"]).answer();
            let run_id = staged["run_id"].as_str().unwrap();
            std::fs::remove_dir_all(setup.stored(&format!("staging/{run_id}/extract"))).unwrap();
            setup.also(&["--stage", "clean", "--run-id", run_id]);
        },
    ),
    case(
        "an unknown `--run-id`",
        2,
        &["0123abcd"],
        "take it from the output of the first stage",
        |setup| {
            setup.also(&["--stage", "clean", "--run-id", "0123abcd"]);
        },
    ),
    case(
        "a `--run-id` of another date",
        2,
        &["another configuration or date"],
        "give the stages of a run one date and configuration",
        |setup| {
            let staged =
                setup.say(&["run", PIPELINE, "--date", DATE, "--stage", "extract"]).answer();
            let run_id = staged["run_id"].as_str().unwrap();
            setup.arguments(&[
                "run",
                PIPELINE,
                "--date",
                "2026-11-02",
                "--stage",
                "clean",
                "--run-id",
                run_id,
            ]);
        },
    ),
    case("a size that is none", 2, &["`3 parsecs`", "4GB"], "write a number and a unit", |setup| {
        setup.also(&["--memory", "3 parsecs"]);
    }),
    case("a number of threads that is none", 2, &["--threads", "0"], "give 1 to 1024", |setup| {
        setup.also(&["--threads", "0"]);
    }),
    case(
        "an unknown kind of store",
        2,
        &["ftp://host/warehouse", "`ftp`"],
        "give a folder or a supported URL",
        |setup| {
            setup.also(&["--warehouse", "ftp://host/warehouse"]);
        },
    ),
    case(
        "an unknown function",
        2,
        &["`phone_e146`", "`phone_e164`"],
        "correct its name",
        |setup| {
            setup.arguments(&["functions", "phone_e146"]);
        },
    ),
    case(
        "a table that is not published",
        2,
        &["`customer`", "`customers`"],
        "correct its name",
        |setup| {
            setup.publish(DATE);
            setup.arguments(&["tables", "customer"]);
        },
    ),
    case(
        "`tables` before the first run",
        1,
        &["nothing is published yet"],
        "run the pipeline first",
        |setup| {
            setup.arguments(&["tables"]);
        },
    ),
    case("`tables --sql` that is not SQL", 1, &["--sql"], "mend the SQL", |setup| {
        setup.publish(DATE);
        setup.arguments(&["tables", "--sql", "SELEC 1"]);
    }),
    case("`tables --sql` that would write", 1, &["--sql"], "write a SELECT", |setup| {
        setup.publish(DATE);
        setup.arguments(&["tables", "--sql", "DROP TABLE customers"]);
    }),
    case(
        "`tables --sql` of an unknown column",
        1,
        &["golden"],
        "take a column that is there",
        |setup| {
            setup.publish(DATE);
            setup.arguments(&["tables", "--sql", "SELECT golden FROM customers"]);
        },
    ),
    case(
        "`tables --sql` with a cast that fails",
        1,
        &["--sql", "try_cast"],
        "use `try_cast`",
        |setup| {
            setup.publish(DATE);
            setup.arguments(&["tables", "--sql", "SELECT CAST(full_name AS INT) FROM customers"]);
        },
    ),
    case(
        "`init` into a project that is there",
        2,
        &["pipelines/README.md"],
        "name another folder",
        |setup| {
            setup.write("pipelines/README.md", "mine");
            setup.arguments(&["init", "pipelines"]);
        },
    ),
    case("`init` where a file is in the way", 2, &["tiny.yaml"], "name another folder", |setup| {
        setup.arguments(&["init", PIPELINE]);
    }),
    case(
        "`evaluate` with a truth of other columns",
        1,
        &["truth.csv", "`record_id`"],
        "name its columns source, record_id, customer",
        |setup| {
            setup.publish(DATE);
            setup.replace("fixtures/tiny/truth.csv", "record_id", "id");
            setup.arguments(&["evaluate", PIPELINE, "--truth", "fixtures/tiny/truth.csv"]);
        },
    ),
    case("`evaluate` without the truth's file", 1, &["nowhere.csv"], "name the file", |setup| {
        setup.publish(DATE);
        setup.arguments(&["evaluate", PIPELINE, "--truth", "nowhere.csv"]);
    }),
    case("`block` of an unknown kind", 2, &["`persn`", "`person`"], "correct its name", |setup| {
        setup.publish(DATE);
        setup.arguments(&["block", PIPELINE, "--kind", "persn"]);
    }),
    case(
        "`train` of two kinds into one file",
        2,
        &["2 kinds", "--kind"],
        "name a folder or a kind",
        |setup| {
            setup.publish(DATE);
            setup.arguments(&["train", PIPELINE, "--out", "model.json"]);
        },
    ),
    case("a model that is none", 2, &["nowhere.json"], "name a model file or a hash", |setup| {
        setup.arguments(&["model", "diff", "nowhere.json", "nowhere.json"]);
    }),
    case("`sample` of no size", 2, &["--size", "--interval"], "give one of them", |setup| {
        setup.arguments(&["sample", PIPELINE, "--out", "sample.csv"]);
    }),
    case("`evaluate` by nothing", 2, &["--truth", "--sample"], "give one of them", |setup| {
        setup.arguments(&["evaluate", PIPELINE]);
    }),
    case(
        "a verdict that is none",
        1,
        &["sample.csv, line 2", "match"],
        "write match or different",
        |setup| {
            setup.write("sample.csv", "stratum_from,stratum_pairs,verdict\n5,10,perhaps\n");
            setup.arguments(&["evaluate", PIPELINE, "--sample", "sample.csv"]);
        },
    ),
];
