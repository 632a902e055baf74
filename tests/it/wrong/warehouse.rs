//! Warehouses that are damaged, newer, full, or not to be written to.

use std::fs;

use super::{Case, DATE, PIPELINE, Setup, case, mode};

const NEXT: &str = "2026-11-02";
/// A user who owns nothing.
const NOBODY: u32 = 65_534;

/// Publishes [`DATE`], and has the next date run.
fn one_day(setup: &mut Setup) {
    setup.publish(DATE);
    setup.arguments(&["run", PIPELINE, "--date", NEXT]);
}

fn put(setup: &Setup, path: &str, content: &str) {
    let path = setup.stored(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Has the warehouse on a disk of so many KiB, in a name space of the test's own, and copies what
/// it then holds to where the test looks.
fn on_a_disk_of(setup: &mut Setup, size: u32) {
    let (disk, after) = (setup.path("disk"), &setup.place.folder);
    fs::create_dir_all(&disk).unwrap();
    fs::create_dir_all(after).unwrap();
    let (disk, after) = (disk.display().to_string(), after.display());
    let script = format!(
        "mount -t tmpfs -o size={size}k none {disk} && {{ \"$@\"; code=$?; cp -r {disk}/. {after}; exit $code; }}"
    );
    let within = ["unshare", "--map-root-user", "--mount", "sh", "-c", &script, "sh"];
    setup.within = within.map(str::to_owned).to_vec();
    setup.also(&["--warehouse", &disk]);
}

pub(super) const CASES: &[Case] = &[
    case(
        "a warehouse of a newer layout",
        1,
        &["layout 9", "layout 1"],
        "take the newer simurgh",
        |setup| {
            one_day(setup);
            put(setup, "format.json", r#"{"format":9,"program":"simurgh"}"#);
        },
    ),
    case(
        "a newer layout whose history is of another shape",
        1,
        &["layout 9", "layout 1"],
        "take the newer simurgh",
        |setup| {
            one_day(setup);
            put(setup, "format.json", r#"{"format":9,"program":"simurgh"}"#);
            put(setup, "runs/seq/1.json", r#"{"sequence":1}"#);
        },
    ),
    case("a damaged `format.json`", 1, &["format.json"], "restore it", |setup| {
        one_day(setup);
        put(setup, "format.json", "{");
    }),
    case("a damaged `runs/seq/<n>.json`", 1, &["runs/seq/1.json"], "restore it", |setup| {
        one_day(setup);
        put(setup, "runs/seq/1.json", r#"{"seq":1,"#);
    }),
    case("a missing `runs/seq/<n>.json`", 1, &["runs/seq/1.json"], "restore it", |setup| {
        one_day(setup);
        setup.publish(NEXT);
        fs::remove_file(setup.stored("runs/seq/1.json")).unwrap();
        setup.arguments(&["run", PIPELINE, "--date", "2026-11-03"]);
    }),
    case("a damaged commit plan", 1, &["runs/plan/2.json"], "restore it", |setup| {
        one_day(setup);
        put(setup, "runs/plan/2.json", "{}");
    }),
    case(
        "a damaged manifest in staging",
        1,
        &["staging/0123abcd/manifest.json"],
        "begin a new run",
        |setup| {
            put(setup, "staging/0123abcd/manifest.json", "{}");
            setup.also(&["--stage", "clean", "--run-id", "0123abcd"]);
        },
    ),
    case("a damaged Delta log", 1, &["raw_crm_contacts"], "restore the table's folder", |setup| {
        one_day(setup);
        put(setup, "tables/raw_crm_contacts/_delta_log/00000000000000000000.json", "{");
    }),
    case(
        "a missing data file of a table",
        1,
        &["raw_crm_contacts"],
        "restore the table's folder",
        |setup| {
            one_day(setup);
            let files = crate::program::files_below(&setup.stored("tables/raw_crm_contacts"));
            for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "parquet"))
            {
                fs::remove_file(file).unwrap();
            }
        },
    ),
    case(
        "a damaged data file of a table",
        1,
        &["tables/raw_crm_contacts"],
        "restore the table's folder",
        |setup| {
            one_day(setup);
            let files = crate::program::files_below(&setup.stored("tables/raw_crm_contacts"));
            for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "parquet"))
            {
                let length = fs::metadata(file).unwrap().len() as usize;
                fs::write(file, vec![b'Z'; length]).unwrap();
            }
        },
    ),
    case(
        "a file where the warehouse's folder should be",
        1,
        &["WAREHOUSE"],
        "name a folder",
        |setup| {
            fs::write(&setup.place.folder, "mine").unwrap();
        },
    ),
    case(
        "a warehouse that may not be written to",
        1,
        &["WAREHOUSE"],
        "give simurgh's user the right to write",
        |setup| {
            one_day(setup);
            setup.place_for_all();
            for file in crate::program::files_below(&setup.place.folder) {
                mode(&file, 0o444);
            }
            setup.user = Some(NOBODY);
        },
    ),
    case(
        "a folder in which no warehouse may be made",
        1,
        &["WAREHOUSE"],
        "give simurgh's user the right to write",
        |setup| {
            setup.place_for_all();
            setup.user = Some(NOBODY);
        },
    ),
    case("a full disk", 75, &["no room is left"], "make room", |setup| on_a_disk_of(setup, 300)),
    case(
        "a disk that fills while tables are published",
        75,
        &["no room is left"],
        "make room",
        |setup| on_a_disk_of(setup, 500),
    ),
    case(
        "a warehouse that may not be read",
        1,
        &["WAREHOUSE"],
        "give simurgh's user the right to read",
        |setup| {
            one_day(setup);
            setup.place_for_all();
            mode(&setup.stored("runs/seq/1.json"), 0o000);
            setup.user = Some(NOBODY);
        },
    ),
];
