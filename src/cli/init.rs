//! `simurgh init DIR`: a pipeline project that runs at once.
//!
//! Knows the project's files, which stand beside this one as they will be written.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::out::say;
use super::{Done, Global};
use crate::error::{Error, Result};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The folder to write the project in; it is made where it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    let folder = &arguments.folder;
    // Nothing of the reader's is written over: all is looked at before anything is written.
    if let Some((path, _)) = files().iter().find(|(path, _)| folder.join(path).exists()) {
        return Err(Error::usage(format!("{}: there already", folder.join(path).display()))
            .help("name another folder: simurgh init writes over nothing"));
    }
    for (path, content) in files() {
        let path = folder.join(path);
        let unwritable = |source: std::io::Error| {
            Error::usage(format!("{}: cannot be written", path.display()))
                .help("name a folder that you may write to")
                .because(source)
        };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(unwritable)?;
        }
        std::fs::write(&path, content).map_err(unwritable)?;
    }
    if !global.json {
        say!("{} files are in {}. Next:\n", files().len(), folder.display());
        say!("  cd {}", folder.display());
        say!("  simurgh run --date 2026-01-05");
        say!("  simurgh run --date 2026-01-06");
        say!("  simurgh tables customers\n");
    }
    let paths: Vec<&str> = files().iter().map(|(path, _)| *path).collect();
    Ok(Done::with(json!({ "outcome": "written", "files": paths })))
}

/// The files of a new project: path within its folder, and content.
pub(crate) fn files() -> &'static [(&'static str, &'static str)] {
    &[
        ("README.md", include_str!("init/README.md")),
        ("contracts/crm.odcs.yaml", include_str!("init/contracts/crm.odcs.yaml")),
        ("contracts/shop.odcs.yaml", include_str!("init/contracts/shop.odcs.yaml")),
        (
            "inputs/crm/contacts-2026-01-05.csv",
            include_str!("init/inputs/crm/contacts-2026-01-05.csv"),
        ),
        (
            "inputs/crm/contacts-2026-01-06.csv",
            include_str!("init/inputs/crm/contacts-2026-01-06.csv"),
        ),
        (
            "inputs/shop/customers-2026-01-05.csv",
            include_str!("init/inputs/shop/customers-2026-01-05.csv"),
        ),
        (
            "inputs/shop/customers-2026-01-06.csv",
            include_str!("init/inputs/shop/customers-2026-01-06.csv"),
        ),
        ("pipeline.yaml", include_str!("init/pipeline.yaml")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Known};

    #[test]
    fn the_project_is_in_order_as_it_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, content) in files() {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, content).expect("written");
        }
        let known = Known {
            comparisons: &["date", "email", "person_name", "phone"],
            survivorship: &["most_complete", "most_recent", "source_priority"],
            ..Known::default()
        };
        let loaded = config::load(&folder.path().join("pipeline.yaml"), &[], &|_| None);
        let checked = loaded.and_then(|loaded| loaded.check(&known));
        let problems = checked.err().map(|error| format!("{error}: {:?}", error.diagnostics()));
        assert_eq!(problems, None);
    }

    #[test]
    fn files_are_sorted_and_not_empty() {
        assert!(files().windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(files().iter().all(|(_, content)| !content.is_empty()));
    }
}
