//! Every wrong input: the real program on a copy of `tiny` that is altered in one way. Each case
//! is a row of `docs/errors.md`, which holds what the program really printed.
//!
//! After each: the exit code, one JSON object as the last line with its outcome, the place and a
//! `help:` on standard error, nothing published, and no value of an export in what was printed.
//! `SIMURGH_UPDATE=1` writes the rows; without it they must be there.

mod configuration;
mod exports;
mod odd;
mod tolerated;
mod usage;
mod warehouse;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;

use crate::program::{Project, files_below};
use crate::store::{Place, Store};

/// A word in every personal column of a contact that each case's exports hold.
const CANARY: &str = "zqcanary";
const DATE: &str = "2026-11-01";
const PIPELINE: &str = "pipelines/tiny.yaml";
const CRM: &str = "fixtures/tiny/in/crm_contacts-2026-11-01.csv";
const POS: &str = "fixtures/tiny/in/pos_sales-2026-11-01.csv";
const DOCUMENT: &str = "docs/errors.md";

/// One thing wrong.
struct Case {
    /// What is wrong: the case's name, and the first cell of its row.
    wrong: &'static str,
    /// The exit code: 1, 2 or 75.
    exit: i32,
    /// What standard error must name: file, place, column.
    names: &'static [&'static str],
    /// What the reader does about it.
    act: &'static str,
    /// Makes it wrong.
    alter: fn(&mut Setup),
}

const fn case(
    wrong: &'static str,
    exit: i32,
    names: &'static [&'static str],
    act: &'static str,
    alter: fn(&mut Setup),
) -> Case {
    Case { wrong, exit, names, act, alter }
}

/// A project and a warehouse to do wrong in, and the command that will meet it.
struct Setup {
    project: Project,
    place: Place,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    /// A program to run this one, and its arguments.
    within: Vec<String>,
    /// Whether this machine cannot show it: then its row is taken as it is.
    impossible: bool,
    _store: Store,
}

/// What a command printed.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn answer(&self) -> Value {
        let last = self.out.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or(Value::Null)
    }
}

impl Setup {
    fn new() -> Self {
        let store = Store::disk();
        let place = store.place();
        let mut setup = Self {
            project: Project::tiny(),
            place,
            arguments: Vec::new(),
            variables: Vec::new(),
            within: Vec::new(),
            impossible: false,
            _store: store,
        };
        setup.arguments(&["run", PIPELINE, "--date", DATE]);
        setup.contact(&[]);
        setup
    }

    /// A file of the project.
    fn path(&self, path: &str) -> PathBuf {
        self.project.folder().join(path)
    }

    /// A file of the warehouse.
    fn stored(&self, path: &str) -> PathBuf {
        self.place.folder.join(path)
    }

    /// The command line, instead of the one for [`DATE`].
    fn arguments(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|&text| text.to_owned()).collect();
    }

    /// Further arguments.
    fn also(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(|&text| text.to_owned()));
    }

    fn variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(path), content).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    /// Puts `to` in place of the first `from`, which must be there.
    fn replace(&self, path: &str, from: &str, to: &str) {
        let text = self.text(path);
        assert!(text.contains(from), "{path} holds no {from:?}");
        self.write(path, text.replacen(from, to, 1));
    }

    /// Adds lines at the end.
    fn append(&self, path: &str, lines: &str) {
        self.write(path, self.text(path) + lines);
    }

    /// Adds a contact whose personal values are canaries; some columns are given others.
    fn contact(&self, columns: &[(&str, &str)]) {
        let number = self.text(CRM).lines().count();
        let id = format!("C-9{number:05}");
        let plain = |name: &str| match name {
            "contact_id" => id.clone(),
            "kind" => "person".to_owned(),
            "full_name" => format!("{CANARY} {CANARY}son"),
            "given_name" => CANARY.to_owned(),
            "family_name" => format!("{CANARY}son"),
            "email" => format!("{CANARY}@mail.example.com"),
            "street" => format!("1 {CANARY} Street"),
            "city" => format!("{CANARY}ville"),
            "country" => "GB".to_owned(),
            "created_at" | "modified_at" => "2024-01-01T10:00:00".to_owned(),
            _ => String::new(),
        };
        let given = |name: &str| {
            columns.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let text = self.text(CRM);
        let header = text.lines().next().unwrap();
        for (name, _) in columns {
            assert!(header.split(',').any(|known| known == *name), "no column {name}");
        }
        let row: Vec<String> =
            header.split(',').map(|name| given(name).unwrap_or_else(|| plain(name))).collect();
        self.write(CRM, format!("{text}{}\n", row.join(",")));
    }

    /// Has the contacts read from another file: the ending of its name, and its bytes, made of
    /// those that the CSV has.
    fn contacts_as(&self, ending: &str, bytes: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let csv = fs::read(self.path(CRM)).unwrap();
        self.remove(CRM);
        self.write(&CRM.replace(".csv", ending), bytes(csv));
        self.replace(
            PIPELINE,
            "crm_contacts-{date}.csv",
            &format!("crm_contacts-{{date}}{ending}"),
        );
    }

    /// Publishes a date, before anything is wrong.
    fn publish(&self, date: &str) -> Value {
        let said = self.say(&["run", PIPELINE, "--date", date]);
        assert_eq!(said.answer()["outcome"], "published", "{}", said.err);
        said.answer()
    }

    fn say(&self, arguments: &[&str]) -> Said {
        self.run(arguments.iter().map(|&text| text.to_owned()).collect())
    }

    fn run(&self, arguments: Vec<String>) -> Said {
        let mut command = self.project.command(&self.place);
        if let Some((program, before)) = self.within.split_first() {
            let inner = command.get_program().to_owned();
            let mut outer = Command::new(program);
            outer.args(before).arg(inner).current_dir(self.project.folder()).env_clear();
            outer.envs(std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME"));
            command = outer;
        }
        command.env("SIMURGH_WAREHOUSE", &self.place.uri).env("TMPDIR", "/tmp");
        command.envs(self.variables.iter().cloned());
        let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Has the program run with no rights but its user's: one who is root has them all.
    fn without_privileges(&mut self) {
        if is_root() {
            let within = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
            self.within = within.map(str::to_owned).to_vec();
        }
    }

    /// Makes folders writable again, so that they can be removed.
    fn open(&self) {
        for folder in [self.place.folder.parent().unwrap(), &self.place.folder] {
            if folder.is_dir() {
                mode(folder, 0o755);
            }
        }
    }

    /// What is published: the history's files and every table's log, with their content.
    fn published(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let of_history = |file: &PathBuf| {
            let path = file.to_string_lossy();
            ["/runs/seq/", "/runs/current.json", "/_delta_log/"].iter().any(|p| path.contains(p))
        };
        let files = files_below(&self.place.folder).into_iter().filter(of_history);
        files.map(|file| (file.clone(), fs::read(file).unwrap_or_default())).collect()
    }

    /// The values of the exports' personal columns, in lower case; none shorter than six bytes.
    fn personal(&self) -> BTreeSet<String> {
        const PERSONAL: &[&str] =
            &["full_name", "name", "customer_name", "email", "phone", "mobile", "street", "tax_id"];
        let mut values = BTreeSet::from([CANARY.to_owned()]);
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny/in");
        for file in files_below(&original) {
            let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(file).unwrap();
            let header = reader.headers().unwrap().clone();
            for row in reader.records().map(Result::unwrap) {
                let cells = header.iter().zip(row.iter());
                let personal = cells.filter(|(name, _)| PERSONAL.contains(name));
                values.extend(personal.map(|(_, value)| value.to_lowercase()));
            }
        }
        values.retain(|value| value.len() >= 6);
        values
    }

    /// What was printed, without the names of this test's own folders.
    fn plain(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (path, word) in
            [(self.place.folder.as_path(), "WAREHOUSE"), (self.project.folder(), "PROJECT")]
        {
            for prefix in ["file://", ""] {
                text = text.replace(&format!("{prefix}{}", path.display()), word);
            }
        }
        // The ids of runs, 32 hexadecimal digits, and of their attempts.
        let id = regex::Regex::new(r"\b[0-9a-f]{32}(-[0-9a-f]+-[0-9a-f]+-[0-9]+)?\b").unwrap();
        let text = id.replace_all(&text, "RUN");
        // Which file meets a full disk, and how, depends on the machine.
        let file = regex::Regex::new(r"(writing )?\S+: (cannot create: )?no room is left").unwrap();
        file.replace_all(&text, "FILE: no room is left").into_owned()
    }

    #[track_caller]
    fn says_no_value(&self, wrong: &str, said: &Said) {
        let printed = (said.out.clone() + &said.err).to_lowercase();
        for value in self.personal() {
            assert!(
                !printed.contains(&value),
                "{wrong}: a value of the data was printed\n{printed}"
            );
        }
    }
}

/// Sets who may read and write a file.
fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap()) == 0
}

/// Runs a case, and gives its row of the table.
fn row(case: &Case) -> String {
    let wrong = case.wrong;
    let mut setup = Setup::new();
    (case.alter)(&mut setup);
    if setup.impossible {
        eprintln!("{wrong}: this machine cannot show it");
        let text =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT)).unwrap();
        let row = text.lines().find(|line| line.starts_with(&format!("| {wrong} |")));
        return row.expect("its row is in the document").to_owned();
    }
    let before = setup.published();
    let said = setup.run(setup.arguments.clone());
    setup.open();
    let plain = setup.plain(&said.err);
    let all = format!("{wrong}: {:?}\n{}\n{plain}", said.code, said.out);
    assert_eq!(said.code, Some(case.exit), "{all}");
    let answer = said.answer();
    let outcome = if case.exit == 1 { "stopped" } else { "failed" };
    assert_eq!(answer["outcome"], outcome, "{all}");
    assert_eq!(answer["exit_code"], case.exit, "{all}");
    let jsons = said.out.lines().filter(|line| line.starts_with('{')).count();
    assert_eq!(jsons, 1, "{all}");
    for name in case.names {
        assert!(plain.contains(name), "standard error does not name {name:?}: {all}");
    }
    setup.says_no_value(wrong, &said);
    assert_eq!(setup.published(), before, "something was published: {all}");
    let (what, help) = printed(&plain);
    assert!(!help.is_empty(), "no help: {all}");
    format!("| {wrong} | {} | {} | {} | {} |", code(&what), code(&help), case.exit, case.act)
}

/// The first message on standard error with its place, and its help.
fn printed(err: &str) -> (String, String) {
    let lines: Vec<&str> = err.lines().map(str::trim).collect();
    let after = |mark: &str| {
        lines.iter().find_map(|line| line.strip_prefix(mark)).unwrap_or_default().trim().to_owned()
    };
    let help = after("help:");
    match after("×") {
        what if what.is_empty() => (after("error:"), help),
        what => (format!("{what} {}", after("╭─")), help),
    }
}

/// Text as code in a cell of a Markdown table.
fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let text = text.replace('|', "\\|");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// Holds a section of the document to these rows, or writes them.
fn document(section: &str, rows: &[String]) {
    static WRITING: Mutex<()> = Mutex::new(());
    let _alone = WRITING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {section} -->\n"), format!("<!-- end of {section} -->"));
    let from = text.find(&begin).expect("the section begins") + begin.len();
    let to = from + text[from..].find(&end).expect("the section ends");
    let head: String = text[from..to].lines().take(2).map(|line| format!("{line}\n")).collect();
    let wanted = head + &rows.iter().map(|row| format!("{row}\n")).collect::<String>();
    if std::env::var_os("SIMURGH_UPDATE").is_some() {
        fs::write(&path, format!("{}{wanted}{}", &text[..from], &text[to..])).unwrap();
    } else {
        for row in rows {
            assert!(
                text[from..to].contains(row),
                "{DOCUMENT}, {section}: this row is not in it\n{row}"
            );
        }
        assert_eq!(
            text[from..to],
            wanted,
            "{DOCUMENT}: {section} has other rows; SIMURGH_UPDATE=1"
        );
    }
}

fn hold(section: &str, cases: &[Case]) {
    let names: BTreeSet<&str> = cases.iter().map(|case| case.wrong).collect();
    assert_eq!(names.len(), cases.len(), "{section}: two cases of one name");
    document(section, &rows(cases, row));
}

/// The rows of cases; all that fail are shown, not the first alone.
fn rows<C: std::panic::RefUnwindSafe>(cases: &[C], row: fn(&C) -> String) -> Vec<String> {
    let all = cases.iter().map(|case| std::panic::catch_unwind(|| row(case)));
    let (rows, failed): (Vec<_>, Vec<_>) = all.partition(Result::is_ok);
    assert!(failed.is_empty(), "{} of {} cases failed", failed.len(), cases.len());
    rows.into_iter().flatten().collect()
}

#[test]
fn usage() {
    hold("usage", usage::CASES);
}

#[test]
fn configuration() {
    hold("configuration", configuration::CASES);
}

#[test]
fn exports() {
    hold("exports", exports::CASES);
}

#[test]
fn warehouse() {
    hold("warehouse", warehouse::CASES);
}
