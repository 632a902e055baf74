//! OpenLineage: a run event for each stage that starts and ends, appended to a file or posted.
//!
//! Knows the events' shape (OpenLineage 2-0-2) and where they go, which the environment says as for
//! any OpenLineage client. Counts, names and places only; never a value. What cannot be sent is a
//! warning: a run does not fail because nobody listens.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector, HttpRequestBody, ReqwestConnector};
use serde_json::{Map, Value, json};
use url::Url;

use crate::error::{Error, Kind, Result};

const PRODUCER: &str = concat!("https://crates.io/crates/simurgh/", env!("CARGO_PKG_VERSION"));
const EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// The facets that are written, and the version of each one's schema.
const FACETS: &[(&str, &str)] = &[
    ("columnLineage", "1-2-0/ColumnLineageDatasetFacet"),
    ("dataQualityAssertions", "1-1-0/DataQualityAssertionsDatasetFacet"),
    ("dataQualityMetrics", "1-0-3/DataQualityMetricsInputDatasetFacet"),
    ("errorMessage", "1-0-1/ErrorMessageRunFacet"),
    ("inputStatistics", "1-0-0/InputStatisticsInputDatasetFacet"),
    ("jobType", "2-0-4/JobTypeJobFacet"),
    ("nominalTime", "1-0-1/NominalTimeRunFacet"),
    ("outputStatistics", "1-0-2/OutputStatisticsOutputDatasetFacet"),
    ("parent", "1-2-0/ParentRunFacet"),
    ("processing_engine", "1-1-1/ProcessingEngineRunFacet"),
    ("schema", "1-2-0/SchemaDatasetFacet"),
    ("version", "1-0-1/DatasetVersionDatasetFacet"),
];

/// Facets by name, each with its producer and schema.
#[derive(Debug, Clone, Default)]
pub struct Facets(Map<String, Value>);

impl Facets {
    /// Adds a facet of `FACETS`; `body` is an object.
    #[must_use]
    pub fn with(mut self, name: &str, body: Value) -> Self {
        let schema = FACETS.iter().find(|(known, _)| *known == name).map_or("", |(_, file)| file);
        let kind = schema.rsplit('/').next().unwrap_or_default();
        let mut facet = Map::new();
        facet.insert("_producer".to_owned(), PRODUCER.into());
        let schema = format!("https://openlineage.io/spec/facets/{schema}.json#/$defs/{kind}");
        facet.insert("_schemaURL".to_owned(), schema.into());
        facet.extend(body.as_object().cloned().unwrap_or_default());
        self.0.insert(name.to_owned(), facet.into());
        self
    }
}

/// A table or a source's exports, as a stage reads or writes it.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The store: `file`, or a URL without a path.
    pub namespace: String,
    /// The path in it.
    pub name: String,
    /// What it is.
    pub facets: Facets,
    /// What was read of it, or written.
    pub counts: Facets,
}

impl Dataset {
    fn json(&self, counts: &str) -> Value {
        json!({
            "namespace": self.namespace,
            "name": self.name,
            "facets": self.facets.0,
            counts: self.counts.0,
        })
    }
}

/// A stage at work.
#[derive(Debug, Clone)]
pub struct Job {
    /// The pipeline and the stage: `customer360.extract`.
    pub name: String,
    /// What no other attempt at the stage has; its hash is the event's run.
    pub attempt: String,
    /// The logical date, as a time.
    pub nominal_time: String,
}

enum Target {
    File(PathBuf),
    Http { client: HttpClient, url: Url, key: Option<String> },
}

/// Where events go, and what they have in common.
pub struct Lineage {
    target: Option<Target>,
    namespace: String,
    parent: Option<Value>,
    lost: Mutex<Vec<String>>,
}

impl Lineage {
    /// What the environment says: `OPENLINEAGE_URL` (a server, or `file:///events.jsonl`),
    /// `OPENLINEAGE_ENDPOINT`, `OPENLINEAGE_API_KEY`, `OPENLINEAGE_NAMESPACE`,
    /// `OPENLINEAGE_DISABLED`, `OPENLINEAGE_PARENT_ID`, `OPENLINEAGE_ROOT_PARENT_ID`.
    ///
    /// # Errors
    /// A usage error where the URL or an id cannot be understood.
    pub fn open(environment: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let given = |name: &str| environment(name).filter(|value| !value.is_empty());
        let disabled = given("OPENLINEAGE_DISABLED")
            .is_some_and(|value| ["true", "1"].contains(&value.to_ascii_lowercase().as_str()));
        let namespace = given("OPENLINEAGE_NAMESPACE").unwrap_or_else(|| "simurgh".to_owned());
        let url = given("OPENLINEAGE_URL").filter(|_| !disabled);
        let Some(url) = url else {
            return Ok(Self { target: None, namespace, parent: None, lost: Mutex::default() });
        };
        let endpoint = given("OPENLINEAGE_ENDPOINT");
        let endpoint = endpoint.as_deref().unwrap_or("api/v1/lineage");
        let target = target(&url, endpoint, given("OPENLINEAGE_API_KEY"))?;
        let root = given("OPENLINEAGE_ROOT_PARENT_ID")
            .map(|id| run_of("OPENLINEAGE_ROOT_PARENT_ID", &id))
            .transpose()?;
        let parent = given("OPENLINEAGE_PARENT_ID")
            .map(|id| run_of("OPENLINEAGE_PARENT_ID", &id))
            .transpose()?
            .map(|mut parent| {
                parent["root"] = root.unwrap_or_else(|| parent.clone());
                parent
            });
        Ok(Self { target: Some(target), namespace, parent, lost: Mutex::default() })
    }

    /// Whether anybody listens.
    pub fn is_on(&self) -> bool {
        self.target.is_some()
    }

    /// What could not be sent, said once for all events.
    pub fn warnings(&self) -> Vec<String> {
        let lost = self.lost.lock().map(|lost| lost.clone()).unwrap_or_default();
        let Some(why) = lost.first() else { return Vec::new() };
        vec![format!("lineage: {} events could not be sent: {why}", lost.len())]
    }

    /// A stage begins.
    pub async fn start(&self, job: &Job, inputs: &[Dataset]) {
        self.send(job, "START", Facets::default(), inputs, &[]).await;
    }

    /// A stage is done.
    pub async fn complete(&self, job: &Job, inputs: &[Dataset], outputs: &[Dataset]) {
        self.send(job, "COMPLETE", Facets::default(), inputs, outputs).await;
    }

    /// A stage ended otherwise: `ABORT` where the same command may succeed later, else `FAIL`.
    pub async fn end(&self, job: &Job, inputs: &[Dataset], error: &Error) {
        let state = if error.kind() == Kind::Retry { "ABORT" } else { "FAIL" };
        let message = json!({ "message": error.to_string(), "programmingLanguage": "RUST" });
        let facets = Facets::default().with("errorMessage", message);
        self.send(job, state, facets, inputs, &[]).await;
    }

    async fn send(
        &self,
        job: &Job,
        state: &str,
        facets: Facets,
        inputs: &[Dataset],
        outputs: &[Dataset],
    ) {
        let Some(target) = &self.target else { return };
        let engine = json!({ "name": "simurgh", "version": env!("CARGO_PKG_VERSION") });
        let mut run = facets
            .with("nominalTime", json!({ "nominalStartTime": job.nominal_time }))
            .with("processing_engine", engine);
        if let Some(parent) = &self.parent {
            run = run.with("parent", parent.clone());
        }
        let kind =
            json!({ "processingType": "BATCH", "integration": "SIMURGH", "jobType": "TASK" });
        let event = json!({
            "eventTime": jiff::Timestamp::now().to_string(),
            "eventType": state,
            "producer": PRODUCER,
            "schemaURL": EVENT,
            "run": { "runId": uuid(&job.attempt), "facets": run.0 },
            "job": {
                "namespace": self.namespace,
                "name": job.name,
                "facets": Facets::default().with("jobType", kind).0,
            },
            "inputs": inputs.iter().map(|set| set.json("inputFacets")).collect::<Vec<_>>(),
            "outputs": outputs.iter().map(|set| set.json("outputFacets")).collect::<Vec<_>>(),
        });
        if let Err(why) = target.send(&event).await {
            tracing::warn!("lineage: an event could not be sent: {why}");
            if let Ok(mut lost) = self.lost.lock() {
                lost.push(why);
            }
        }
    }
}

impl Target {
    async fn send(&self, event: &Value) -> std::result::Result<(), String> {
        match self {
            Target::File(path) => {
                let mut options = std::fs::OpenOptions::new();
                let file = options.append(true).create(true).open(path);
                // One write, so that lines of several processes stay whole.
                file.and_then(|mut file| file.write_all(format!("{event}\n").as_bytes()))
                    .map_err(|error| format!("{}: {}", path.display(), error.kind()))
            }
            Target::Http { client, url, key } => {
                let failed = |what: &str| format!("{}: {what}", place(url));
                let mut request =
                    hyper::Request::post(url.as_str()).header("content-type", "application/json");
                if let Some(key) = key {
                    request = request.header("authorization", format!("Bearer {key}"));
                }
                let request = request
                    .body(HttpRequestBody::from(event.to_string()))
                    .map_err(|_| failed("no request can be made of the URL and the key"))?;
                let answer =
                    client.execute(request).await.map_err(|_| failed("it does not answer"))?;
                match answer.status() {
                    status if status.is_success() => Ok(()),
                    status => Err(failed(&format!("it answered {}", status.as_u16()))),
                }
            }
        }
    }
}

/// A URL without what may be secret in it.
fn place(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

fn target(url: &str, endpoint: &str, key: Option<String>) -> Result<Target> {
    let help = "give a server, such as http://localhost:5000, or file:///var/log/lineage.jsonl";
    let wrong = || Error::usage("OPENLINEAGE_URL is not a URL of events' receiver").help(help);
    let url = Url::parse(url).map_err(|_| wrong())?;
    match url.scheme() {
        "file" => Ok(Target::File(url.to_file_path().map_err(|()| wrong())?)),
        "http" | "https" => {
            // A run waits for a listener that hangs this long, for each event, and goes on.
            let options = ClientOptions::new()
                .with_allow_http(true)
                .with_timeout(Duration::from_secs(5))
                .with_connect_timeout(Duration::from_secs(2));
            let client = ReqwestConnector::default().connect(&options).map_err(|_| wrong())?;
            let base = format!("{}/", url.as_str().trim_end_matches('/'));
            let url = Url::parse(&base).and_then(|base| base.join(endpoint));
            Ok(Target::Http { client, url: url.map_err(|_| wrong())?, key })
        }
        _ => Err(wrong()),
    }
}

/// The run and job of `namespace/name/run`, as schedulers pass it on.
fn run_of(variable: &str, id: &str) -> Result<Value> {
    let parts = id.rsplit_once('/').and_then(|(rest, run)| {
        rest.rsplit_once('/').map(|(namespace, name)| (namespace, name, run))
    });
    match parts {
        Some((namespace, name, run)) if is_uuid(run) => Ok(json!({
            "run": { "runId": run },
            "job": { "namespace": namespace, "name": name },
        })),
        _ => Err(Error::usage(format!("{variable} is not `namespace/job/run`"))
            .help("its run is a UUID; Airflow's macro lineage_parent_id gives it")),
    }
}

fn is_uuid(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// A UUID (version 8: of our own making) that is the same for the same text.
fn uuid(text: &str) -> String {
    let hash = blake3::hash(text.as_bytes()).to_hex();
    let variant =
        ["8", "9", "a", "b"][usize::from(blake3::hash(text.as_bytes()).as_bytes()[9] & 3)];
    format!(
        "{}-{}-8{}-{variant}{}-{}",
        &hash[..8],
        &hash[8..12],
        &hash[13..16],
        &hash[17..20],
        &hash[20..32]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(pairs: &[(&str, &str)]) -> Result<Lineage> {
        let of =
            |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned());
        Lineage::open(&of)
    }

    #[test]
    fn the_environment_decides_as_for_any_client() {
        assert!(!open(&[]).unwrap().is_on());
        let url = ("OPENLINEAGE_URL", "http://localhost:5000");
        assert!(open(&[url]).unwrap().is_on());
        assert!(!open(&[url, ("OPENLINEAGE_DISABLED", "true")]).unwrap().is_on());
        for wrong in [
            vec![("OPENLINEAGE_URL", "localhost")],
            vec![("OPENLINEAGE_URL", "ftp://there")],
            vec![url, ("OPENLINEAGE_PARENT_ID", "default/dag.task")],
            vec![url, ("OPENLINEAGE_PARENT_ID", "default/dag.task/manual__2026")],
        ] {
            let error = open(&wrong).err().unwrap();
            assert_eq!(error.kind(), Kind::Usage, "{wrong:?}");
        }
    }

    #[test]
    fn runs_are_uuids_and_parents_may_have_slashes_in_their_namespace() {
        assert!(is_uuid(&uuid("abc")) && uuid("abc") == uuid("abc") && uuid("abc") != uuid("abd"));
        let id = format!("a/b/dag.task/{}", uuid("abc"));
        let parent = run_of("it", &id).unwrap();
        assert_eq!(parent["job"], json!({ "namespace": "a/b", "name": "dag.task" }));
    }

    #[test]
    fn a_key_in_the_url_is_not_shown() {
        let url = Url::parse("https://user:secret@host/api?key=secret").unwrap();
        assert!(!place(&url).contains("secret"));
    }
}
