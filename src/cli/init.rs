//! `simurgh init DIR`: a pipeline project that runs at once.
//!
//! Knows the project's files, which stand beside this one as they will be written.

/// The files of a new project: path within its folder, and content.
pub fn files() -> &'static [(&'static str, &'static str)] {
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
