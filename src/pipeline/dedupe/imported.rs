//! Settings that Splink saved, as a plan over the files' own columns, and as settings of ours to
//! keep.
//!
//! Knows how the two are put together; refuses to know Splink's SQL, which is `config::splink`'s.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use crate::config::splink::{self, Imported};
use crate::error::{Error, Result};
use crate::resolve::Resolve;

/// Reads a settings file of Splink. Its prior is the model's, as its m and u are.
///
/// # Errors
/// A file that cannot be read, or says what has no counterpart here, by its name.
pub(super) fn read(path: &Path) -> Result<Imported> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::usage(format!("{}: cannot be read", path.display()))
            .help("name the JSON file that `linker.misc.save_model_to_json` writes (Splink 4 or 5)")
            .because(error)
    })?;
    let mut imported = splink::read(&text)?;
    imported.resolve.training.prior = imported.prior;
    Ok(imported)
}

/// The settings as a file with a `resolve` section, for `--settings` or a pipeline.
pub(super) fn settings(kind: &str, resolve: &Resolve) -> Result<String> {
    let value = serde_json::to_value(resolve)
        .map_err(|error| Error::bug("settings cannot be written").because(error))?;
    let mut out = format!(
        "# Splink's settings as simurgh's. With the same files: simurgh dedupe FILE... --settings \
         settings.yaml --out DIR\nresolve:\n  {kind}:\n"
    );
    let Value::Object(keys) = value else { return Err(Error::bug("settings are no object")) };
    for (key, value) in keys {
        // JSON is YAML, but for what begins a variable.
        let plain = |value: &Value| value.to_string().replace('$', "$$");
        match &value {
            Value::Array(list) if !list.is_empty() => {
                let items: String =
                    list.iter().map(|own| format!("      - {}\n", plain(own))).collect();
                // Writing to a String cannot fail.
                let _ = write!(out, "    {key}:\n{items}");
            }
            other => {
                let _ = writeln!(out, "    {key}: {}", plain(other));
            }
        }
    }
    Ok(out)
}
