//! Which model each kind is resolved by: one that is given, the predecessor's, or a new one.
//!
//! A model that drifts from run to run would merge and split customers for no reason in the data.
//! So a run uses its predecessor's model, term frequencies included, for as long as what shapes a
//! model is the same: the manifest names each kind's model with a fingerprint of its settings.

use serde::{Deserialize, Serialize};

use super::run::Run;
use crate::config::Loaded;
use crate::engine::Store;
use crate::error::{Error, Result};
use crate::land::Published;
use crate::resolve::{Model, Resolve, Resolved, Retrain};

/// A kind's model as the manifest names it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The kind of record.
    pub kind: String,
    /// Where the model is, in the warehouse.
    pub path: String,
    /// BLAKE3 of the file.
    pub blake3: String,
    /// What shaped the model.
    #[serde(default)]
    pub fingerprint: String,
    /// What decided the kind's pairs and clusters, beside the records: see `incremental`.
    #[serde(default)]
    pub resolution: String,
    /// `trained`, `reused` or `given`.
    #[serde(default)]
    pub origin: String,
    /// Why.
    #[serde(default)]
    pub why: String,
    /// The match probability from which pairs were merged; 0 where an earlier version wrote it.
    #[serde(default)]
    pub merge_threshold: f64,
    /// The kind's `resolve` settings, with their defaults: an auditor can score any pair again
    /// without the pipeline file. Null where an earlier version wrote it.
    #[serde(default)]
    pub settings: serde_json::Value,
}

/// Where a kind's model comes from.
pub(super) struct Choice {
    /// The model; none where one is to be trained.
    pub model: Option<Model>,
    /// `trained`, `reused` or `given`.
    pub origin: &'static str,
    /// Why.
    pub why: &'static str,
}

/// A record more or less than so many times as many as a model was trained on: it should be
/// trained again.
const GROWN: u64 = 4;

impl Choice {
    /// What a person should know of it, with the records at hand.
    pub(super) fn warning(&self, records: u64) -> Option<String> {
        let trained = self.model.as_ref().filter(|_| self.origin == "reused")?.training.records;
        let grown = records / GROWN > trained || trained / GROWN > records;
        grown.then(|| {
            format!(
                "the model was trained on {trained} records, and there are {records} now; train it \
                 again with --set resolve.KIND.training.retrain=always"
            )
        })
    }
}

/// The text of a model that the settings name.
pub(super) fn text(loaded: &Loaded, path: &str) -> Result<String> {
    let path = loaded.directory.join(path);
    std::fs::read_to_string(&path).map_err(|cause| {
        Error::configuration(format!("{}: the model cannot be read", path.display())).because(cause)
    })
}

/// The models that the predecessor's manifest names; none where it names none.
pub(super) async fn earlier(run: &Run) -> Result<Vec<Entry>> {
    match &run.predecessor {
        Some(predecessor) => of_entry(&run.warehouse, predecessor).await,
        None => Ok(Vec::new()),
    }
}

/// The models that an entry's manifest names; none where it names none.
pub(super) async fn of_entry(warehouse: &Store, entry: &Published) -> Result<Vec<Entry>> {
    #[derive(Deserialize)]
    struct Manifest {
        #[serde(default)]
        models: Vec<Entry>,
    }
    let bytes = warehouse.get(&entry.manifest).await?;
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|_| {
        Error::data(format!("{}: damaged", warehouse.url_of(&entry.manifest)))
            .help("restore the file from a copy")
    })?;
    Ok(manifest.models)
}

/// A model that a manifest names.
///
/// # Errors
/// Where it is not the one that was published.
pub(super) async fn read(warehouse: &Store, entry: &Entry) -> Result<Model> {
    let damaged = || {
        Error::data(format!("{}: not the model that was published", warehouse.url_of(&entry.path)))
            .help("restore the file from a copy, or train anew with training.retrain=always")
    };
    let bytes = warehouse.get(&entry.path).await?;
    if blake3::hash(&bytes).to_hex().as_str() != entry.blake3 {
        return Err(damaged());
    }
    Model::from_json(&String::from_utf8(bytes.to_vec()).map_err(|_| damaged())?)
}

/// Chooses a kind's model.
pub(super) async fn choose(
    run: &Run,
    kind: &str,
    settings: &Resolve,
    earlier: &[Entry],
) -> Result<Choice> {
    let trained = |why| Ok(Choice { model: None, origin: "trained", why });
    if let Some(path) = &settings.training.model {
        let model = Some(Model::from_json(&text(&run.loaded, path)?)?);
        return Ok(Choice { model, origin: "given", why: "the settings name it" });
    }
    if settings.training.retrain == Retrain::Always {
        return trained("the settings ask for it in every run");
    }
    let Some(entry) = earlier.iter().find(|entry| entry.kind == kind) else {
        return trained("no earlier run has one");
    };
    if entry.fingerprint != settings.fingerprint() {
        return trained("the settings that shape it changed");
    }
    Ok(Choice {
        model: Some(read(&run.warehouse, entry).await?),
        origin: "reused",
        why: "the settings that shape it are the same",
    })
}

/// Puts the model that scored into the warehouse, and names it. Named by its content, it can be
/// written at once: nothing refers to it until the run is published.
pub(super) async fn keep(
    run: &Run,
    kind: &str,
    settings: &Resolve,
    choice: &Choice,
    resolved: &Resolved,
) -> Result<Entry> {
    let model = &resolved.model;
    let text = model.to_json()?;
    let entry = Entry {
        kind: kind.to_owned(),
        path: format!("models/{}.json", model.hash()?),
        blake3: blake3::hash(text.as_bytes()).to_hex().to_string(),
        fingerprint: settings.fingerprint(),
        resolution: String::new(),
        origin: choice.origin.to_owned(),
        why: choice.why.to_owned(),
        merge_threshold: resolved.merge_threshold,
        settings: run.loaded.hash_material["resolve"][kind].clone(),
    };
    if choice.origin != "reused" {
        // Where the run stages: a plan stages elsewhere, and leaves the warehouse as it is.
        run.staging.store().put(&entry.path, text).await?;
    }
    Ok(entry)
}
