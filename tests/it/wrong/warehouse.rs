//! Warehouses that are damaged, newer, full, or not to be written to.

use std::fs;
use std::process::Command;

use super::{Case, DATE, PIPELINE, Setup, case, mode};
use crate::warehouse::Warehouse;

const NEXT: &str = "2026-11-02";

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
    let alone = ["--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"];
    let tried = Command::new("unshare").args(alone).output();
    setup.impossible = !tried.is_ok_and(|output| output.status.success());
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
        &["layout 9", "layout 3"],
        "take the newer simurgh",
        |setup| {
            one_day(setup);
            put(setup, "format.json", r#"{"format":9,"program":"simurgh"}"#);
        },
    ),
    case(
        "a warehouse of an older layout",
        1,
        &["layout 2", "layout 3"],
        "migrate it: `simurgh maintain`",
        |setup| {
            one_day(setup);
            put(setup, "format.json", r#"{"format":2,"program":"simurgh"}"#);
        },
    ),
    case(
        "a newer layout whose history is of another shape",
        1,
        &["layout 9", "layout 3"],
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
    case("a damaged Delta log", 75, &["raw_crm_contacts"], "restore the table's folder", |setup| {
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
            fs::remove_dir_all(setup.stored("staging")).ok();
            mode(&setup.place.folder, 0o555);
            setup.without_privileges();
        },
    ),
    case(
        "a folder in which no warehouse may be made",
        1,
        &["WAREHOUSE"],
        "give simurgh's user the right to write",
        |setup| {
            mode(setup.place.folder.parent().unwrap(), 0o555);
            setup.without_privileges();
        },
    ),
    case("a full disk", 75, &["no room is left"], "make room", |setup| on_a_disk_of(setup, 200)),
    case(
        "a warehouse that may not be read",
        1,
        &["WAREHOUSE"],
        "give simurgh's user the right to read",
        |setup| {
            one_day(setup);
            mode(&setup.stored("runs/seq/1.json"), 0o000);
            setup.without_privileges();
        },
    ),
];

/// Wherever the disk was full, the run goes on once there is room, to the same.
#[test]
fn a_run_goes_on_once_there_is_room() {
    let undisturbed = Setup::new();
    undisturbed.publish(DATE);
    let wanted = Warehouse::at(&undisturbed.place).state(&[]);
    let mut stopped = 0;
    for size in [80, 160, 240, 320, 360, 400] {
        let mut setup = Setup::new();
        on_a_disk_of(&mut setup, size);
        if setup.impossible {
            eprintln!("this machine cannot give a test a disk of its own");
            return;
        }
        let said = setup.run(setup.arguments.clone());
        let full = said.answer()["exit_code"] == 75;
        assert!(full || said.code == Some(0), "{size} KiB: {:?}\n{}", said.code, said.err);
        stopped += u32::from(full);
        setup.within.clear();
        setup.arguments(&["run", PIPELINE, "--date", DATE]);
        let again = setup.run(setup.arguments.clone());
        assert_eq!(again.code, Some(0), "{size} KiB, then enough: {}", again.err);
        assert_eq!(Warehouse::at(&setup.place).state(&[]), wanted, "{size} KiB, then enough");
    }
    assert!(stopped >= 3, "{stopped} runs met a full disk");
}

/// `runs/current.json` is a copy, and is written again from what it is a copy of.
#[test]
fn a_damaged_copy_of_the_newest_run_is_written_again() {
    let setup = Setup::new();
    setup.publish(DATE);
    let whole = fs::read(setup.stored("runs/current.json")).unwrap();
    put(&setup, "runs/current.json", "{");
    let said = setup.say(&["run", PIPELINE, "--date", DATE]);
    assert_eq!(said.answer()["outcome"], "unchanged", "{}", said.err);
    assert_eq!(fs::read(setup.stored("runs/current.json")).unwrap(), whole);
}
