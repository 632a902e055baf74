//! The arrows of the house, held by reading what each file names: `docs/ARCHITECTURE.md`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What the files of a module may name of the crate, beside the module itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("allocator", &[]),
    ("clean", &["error", "functions", "tables"]),
    ("config", &["clean", "consent", "error", "extract", "golden", "land", "resolve", "tables"]),
    ("consent", &["error", "tables"]),
    ("contract", &["error", "tables"]),
    ("engine", &["error", "functions", "memory", "tables", "threads"]),
    ("error", &[]),
    ("extract", &["contract", "error", "limit", "memory", "tables", "threads"]),
    ("functions", &["error", "random"]),
    ("golden", &["consent", "error", "intern", "tables", "threads"]),
    ("infer", &["error", "functions"]),
    ("intern", &[]),
    ("keyed", &["error"]),
    ("land", &["engine", "error", "limit", "tables"]),
    ("limit", &[]),
    ("memory", &["allocator", "error"]),
    (
        "pipeline",
        &[
            "clean", "config", "consent", "contract", "engine", "error", "extract", "golden",
            "infer", "keyed", "land", "limit", "memory", "profile", "report", "resolve", "tables",
            "threads",
        ],
    ),
    ("profile", &["error", "random"]),
    ("random", &[]),
    ("report", &["contract", "engine", "error", "tables"]),
    (
        "resolve",
        &["error", "functions", "intern", "keyed", "memory", "random", "tables", "threads"],
    ),
    ("tables", &["error"]),
    ("threads", &["error"]),
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The modules that a text names as `crate::name`, but for its tests.
fn named(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1).map(str::to_owned).collect::<Vec<_>>())
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect())
        .filter(|name: &String| !name.is_empty())
        .collect()
}

#[test]
fn no_arrow_points_back() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&source, &mut found);
    let mut wrong = Vec::new();
    for file in found {
        let relative = file.strip_prefix(&source).unwrap().display().to_string();
        let module = relative.split(['/', '.']).next().unwrap_or_default().to_owned();
        // Only the command line and the map itself may name everything; tests see what they test.
        let free = ["cli", "lib", "main"].contains(&module.as_str());
        if free || relative.ends_with("tests.rs") || relative.contains("/tests/") {
            continue;
        }
        let allowed = ARROWS
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("src/{relative}: module `{module}` has no arrows yet"))
            .1;
        for name in named(&std::fs::read_to_string(&file).unwrap()) {
            if name != module && !allowed.contains(&name.as_str()) {
                wrong.push(format!("src/{relative} names crate::{name}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn only_the_allocator_is_beyond_the_compiler() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&source, &mut found);
    found.retain(|file| std::fs::read_to_string(file).unwrap().contains("unsafe_code"));
    assert_eq!(found, [source.join("allocator.rs")]);
}

#[test]
fn names_are_read_out_of_code_and_not_out_of_comments() {
    let text = "use crate::engine::Store;\n// crate::cli\nlet x = crate::tables::RECORDS;\n\
                #[cfg(test)]\nmod tests {\n use crate::config;\n}";
    assert_eq!(named(text), ["engine", "tables"].map(str::to_owned).into());
}
