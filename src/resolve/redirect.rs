//! Redirections of golden ids: where each id out of use leads today, and where it led before.
//!
//! Knows ids and dates; refuses to know records. An id out of use has at most one open row, and it
//! leads to an id in use: chains are drawn together. Nothing is deleted; a row that no longer holds
//! is closed with the date.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

/// A row of `id_redirects`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redirect {
    /// The id out of use.
    pub(crate) old: String,
    /// The id it leads to.
    pub(crate) new: String,
    /// Since which date.
    pub(crate) from: i32,
    /// Until which date; `None` while it holds.
    pub(crate) to: Option<i32>,
    /// The run that opened it.
    pub(crate) run_id: String,
}

/// Carries redirections to this run. `merged` leads from ids that went this run to ids in use.
pub(crate) fn redirects(
    before: &[Redirect],
    live: &FxHashSet<&str>,
    merged: &BTreeMap<&str, &str>,
    date: i32,
    run_id: &str,
) -> Vec<Redirect> {
    let mut rows = before.to_vec();
    let mut leads: BTreeMap<String, String> = BTreeMap::new();
    // The latest row of an id tells where it would lead if its target came back into use.
    let mut latest: BTreeMap<&str, (Option<i32>, i32, usize)> = BTreeMap::new();
    for (place, row) in before.iter().enumerate() {
        // An open row is later than every closed one.
        let own = (Some(row.to.unwrap_or(i32::MAX)), row.from, place);
        let last = latest.entry(row.old.as_str()).or_insert(own);
        *last = (*last).max(own);
    }
    for (old, (.., place)) in latest {
        let target = before[place].new.as_str();
        if live.contains(old) || merged.contains_key(old) {
            continue;
        }
        if live.contains(target) {
            leads.insert(old.to_owned(), target.to_owned());
        } else if let Some(heir) = merged.get(target) {
            leads.insert(old.to_owned(), (*heir).to_owned());
        }
    }
    for (old, new) in merged {
        leads.insert((*old).to_owned(), (*new).to_owned());
    }
    for row in rows.iter_mut().filter(|row| row.to.is_none()) {
        if leads.get(&row.old) == Some(&row.new) {
            leads.remove(&row.old);
        } else {
            row.to = Some(date);
        }
    }
    // Two runs of one date must not leave two rows of one key: the closed one is opened again.
    for (old, new) in leads {
        let same = rows.iter_mut().find(|row| row.old == old && row.new == new && row.from == date);
        match same {
            Some(row) => row.to = None,
            None => {
                rows.push(Redirect { old, new, from: date, to: None, run_id: run_id.to_owned() })
            }
        }
    }
    rows.sort_unstable_by(|a, b| (&a.old, a.from, &a.new).cmp(&(&b.old, b.from, &b.new)));
    rows
}
