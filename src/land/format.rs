//! The version of the warehouse's layout: `format.json`.
//!
//! | layout | what it added |
//! |---|---|
//! | 1 | Delta tables and `runs/seq` |
//! | 2 | the chain of manifests holds the files of Delta's logs |
//! | 3 | commands are runs of the chain; what a run removed is named in it; Delta's checkpoints |
//!
//! Knows which layouts this program reads and how an older one becomes this one; refuses to know
//! what is in a table.

use crate::engine::{Created, Store};
use crate::error::{Error, Result};

use super::publish::pretty;

/// The version of the warehouse's layout.
const FORMAT: u64 = 3;

/// The oldest that can be made this one.
const OLDEST: u64 = 2;

/// Makes sure that the warehouse's layout is one that this program knows.
///
/// # Errors
/// Another layout.
pub async fn check_format(warehouse: &Store) -> Result<()> {
    match warehouse.get_if_exists("format.json").await? {
        Some(found) => known(warehouse, &found),
        None => match warehouse.create("format.json", format_document()?).await? {
            Created::Ours => Ok(()),
            Created::Theirs(found) => known(warehouse, &found),
        },
    }
}

/// [`check_format`] before anything else of the warehouse is read, and without writing to it.
///
/// # Errors
/// Another layout.
pub async fn refuse_other_formats(warehouse: &Store) -> Result<()> {
    match warehouse.get_if_exists("format.json").await? {
        Some(found) => known(warehouse, &found),
        None => Ok(()),
    }
}

/// Makes a warehouse of an older layout one of this layout, and tells which it was of. All that
/// changes is `format.json`: every file of layout 2 says in layout 3 what it said before, and a
/// program that knows only layout 2 is kept from reading what it would take wrongly.
///
/// # Errors
/// A layout that cannot be migrated.
pub async fn migrate(warehouse: &Store) -> Result<Option<u64>> {
    let Some(found) = warehouse.get_if_exists("format.json").await? else { return Ok(None) };
    match layout(&found) {
        Some(older) if (OLDEST..FORMAT).contains(&older) => {
            // A run of an older program that was being published is finished by that program's
            // rules, which are this one's too.
            super::recover(warehouse).await?;
            warehouse.put("format.json", format_document()?).await?;
            Ok(Some(older))
        }
        _ => known(warehouse, &found).map(|()| None),
    }
}

/// What `format.json` holds.
pub(super) fn format_document() -> Result<Vec<u8>> {
    pretty(&serde_json::json!({ "format": FORMAT, "program": "simurgh" }))
}

fn layout(found: &[u8]) -> Option<u64> {
    serde_json::from_slice::<serde_json::Value>(found).ok()?["format"].as_u64()
}

fn known(warehouse: &Store, found: &[u8]) -> Result<()> {
    let other = match layout(found) {
        Some(FORMAT) => return Ok(()),
        Some(other) => other,
        None => {
            return Err(Error::data(format!("{}: damaged", warehouse.url_of("format.json")))
                .help("restore the file from a copy, or choose another --warehouse"));
        }
    };
    let what = format!(
        "{}: a warehouse of layout {other}; this program knows layout {FORMAT}",
        warehouse.url()
    );
    Err(Error::data(what).help(if other > FORMAT {
        "use the version of simurgh that wrote it, or a newer one"
    } else if other >= OLDEST {
        "make it one of this layout, once: simurgh maintain PIPELINE --warehouse URI"
    } else {
        "its chain names too little to go on: begin a new warehouse from the exports"
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_older_layout_is_refused_with_the_command_that_migrates_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        assert_eq!(migrate(&store).await.unwrap(), None);
        let of = |layout: u64| format!("{{\"format\":{layout}}}");
        store.put("format.json", of(2)).await.unwrap();
        let refused = refuse_other_formats(&store).await.unwrap_err();
        assert!(refused.advice().unwrap().contains("simurgh maintain"), "{refused}");
        assert_eq!(migrate(&store).await.unwrap(), Some(2));
        assert_eq!(migrate(&store).await.unwrap(), None);
        check_format(&store).await.unwrap();
        for (other, advice) in [(1, "new warehouse"), (4, "newer")] {
            store.put("format.json", of(other)).await.unwrap();
            let refused = migrate(&store).await.unwrap_err();
            assert!(refused.advice().unwrap().contains(advice), "{refused}");
        }
    }
}
