//! The columns of a file held against those of its contract, before any row is read.
//!
//! Names are case-sensitive. A file without a header line has a customer in its first line: names
//! are quoted in messages only where most of the line is known to be a header.

use super::{ExtraColumns, Input};
use crate::contract::Contract;
use crate::error::Result;

/// Two names this alike (Jaro-Winkler) may be one column renamed.
const ALIKE: f64 = 0.8;

/// Where each contract column stands in the file, in the contract's order.
///
/// # Errors
/// A data error that names each missing, unknown and repeated column, and the nearest name.
pub(super) fn places(
    names: &[String],
    input: &Input<'_>,
    warnings: &mut Vec<String>,
) -> Result<Vec<usize>> {
    let contract = input.contract;
    let known = |name: &String| contract.columns.iter().any(|c| c.export_name() == name);
    let matched = names.iter().filter(|name| known(name)).count();
    if matched == 0 {
        return Err(input
            .data(format!("the header names no column of contract {}", contract.name))
            .help("the first line of an export holds the column names; check the header, the delimiter and the encoding"));
    }
    let may_quote = matched * 2 >= names.len();
    let mut faults = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if known(name) && names[..index].contains(name) {
            faults.push(format!("column `{name}` is there twice"));
        }
    }
    let missing: Vec<&str> = contract
        .columns
        .iter()
        .map(|column| column.export_name())
        .filter(|name| !names.iter().any(|there| there == name))
        .collect();
    let mut unknown = Vec::new();
    for (index, name) in names.iter().enumerate().filter(|(_, name)| !known(name)) {
        let shown = if name.is_empty() {
            format!("column {} (without a name)", index + 1)
        } else if may_quote && looks_like_a_name(name) {
            format!("column `{name}`")
        } else {
            format!("column {}", index + 1)
        };
        let renamed = nearest(name, missing.iter().copied());
        match (input.source.extra_columns, renamed) {
            (_, Some(nearest)) => faults.push(format!(
                "{shown} is not in contract {}; `{nearest}` is missing: was it renamed?",
                contract.name
            )),
            (ExtraColumns::Refuse, None) => {
                faults.push(format!("{shown} is not in contract {}", contract.name));
            }
            (ExtraColumns::Ignore, None) => unknown.push(shown),
        }
    }
    for name in &missing {
        let explained = names
            .iter()
            .filter(|name| !known(name))
            .any(|there| nearest(there, missing.iter().copied()) == Some(name));
        if !explained {
            faults.push(format!("column `{name}` of contract {} is missing", contract.name));
        }
    }
    if !faults.is_empty() {
        return Err(input.data(faults.join("; ")).help(
            "mend the export, or change the contract with it; `extra_columns: ignore` reads past columns the contract does not name",
        ));
    }
    warnings.extend(unknown.into_iter().map(|shown| {
        format!("{}: {shown} is not in contract {} and was not read", input.path, contract.name)
    }));
    Ok(places_of(contract, names))
}

fn places_of(contract: &Contract, names: &[String]) -> Vec<usize> {
    contract
        .columns
        .iter()
        .filter_map(|column| names.iter().position(|name| name == column.export_name()))
        .collect()
}

/// Letters, digits and the punctuation of column names, with few digits: no address, no number.
fn looks_like_a_name(name: &str) -> bool {
    name.chars().count() <= 60
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '.'))
        && name.chars().filter(|c| c.is_numeric()).count() <= 3
}

/// Whether two names may be one column renamed.
pub(super) fn alike(a: &str, b: &str) -> bool {
    nearest(a, std::iter::once(b)).is_some()
}

fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let wanted = plain(name);
    candidates
        .map(|candidate| (strsim::jaro_winkler(&wanted, &plain(candidate)), candidate))
        .filter(|(alike, _)| *alike >= ALIKE)
        // The first of equals, so that the message does not depend on the order of comparison.
        .fold(None, |best: Option<(f64, &str)>, next| match best {
            Some(best) if best.0 >= next.0 => Some(best),
            _ => Some(next),
        })
        .map(|(_, candidate)| candidate)
}
