//! OpenLineage events as a listener receives them, against the project's own published schemas.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::program::Project;
use crate::s3::listen;
use crate::store::{Place, Store};

const PARENT: &str = "default/customer360.land/01a20dfc-ab2d-7fc3-b09c-da5687fdcb9b";

/// A request: its path, its key, and the event.
type Received = Arc<Mutex<Vec<(String, String, Value)>>>;

/// A listener that keeps what it receives and answers with a status.
fn listener(status: u16) -> (Runtime, String, Received) {
    let (runtime, socket, address) = listen();
    let received = Received::default();
    let kept = Arc::clone(&received);
    runtime.spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            let kept = Arc::clone(&kept);
            let answer = service_fn(move |request: Request<Incoming>| {
                let kept = Arc::clone(&kept);
                async move {
                    let path = request.uri().path().to_owned();
                    let key = request.headers().get("authorization");
                    let key = key.map_or("", |key| key.to_str().unwrap()).to_owned();
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    kept.lock().unwrap().push((path, key, serde_json::from_slice(&body).unwrap()));
                    let response = Response::builder().status(status);
                    Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    (runtime, format!("http://{address}"), received)
}

fn with(mut place: Place, settings: &[(&str, &str)]) -> Place {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    place.environment.extend(settings);
    place
}

/// Every definition of the schemas, in one document whose references stay in it.
fn schemas() -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/openlineage");
    let mut files = vec![folder.join("OpenLineage.json")];
    let facets = std::fs::read_dir(folder.join("facets")).unwrap();
    files.extend(facets.map(|entry| entry.unwrap().path()));
    let mut definitions = serde_json::Map::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let text = text.replace("https://openlineage.io/spec/2-0-2/OpenLineage.json#", "#");
        let schema: Value = serde_json::from_str(&text).unwrap();
        definitions.extend(schema["$defs"].as_object().unwrap().clone());
    }
    definitions.into()
}

/// Holds an event, and each of its facets, against the schema that it names.
fn validate(event: &Value, definitions: &Value) -> usize {
    let judge = |name: &str, value: &Value| {
        assert!(definitions.get(name).is_some(), "no schema of {name}");
        let schema = json!({ "$ref": format!("#/$defs/{name}"), "$defs": definitions });
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let wrong: Vec<String> = validator.iter_errors(value).map(|e| e.to_string()).collect();
        assert!(wrong.is_empty(), "{name}: {wrong:?}\n{value:#}");
    };
    judge("RunEvent", event);
    let mut facets = 0;
    let mut below = vec![event];
    while let Some(value) = below.pop() {
        if let Some(url) = value.get("_schemaURL").and_then(Value::as_str) {
            judge(url.rsplit('/').next().unwrap(), value);
            facets += 1;
        }
        below.extend(value.as_object().into_iter().flat_map(|map| map.values()));
        below.extend(value.as_array().into_iter().flatten());
    }
    facets
}

fn shown(event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    format!("{} {}", text(&event["job"]["name"]), text(&event["eventType"]))
}

#[test]
fn a_listener_receives_each_stage_as_the_schemas_say() {
    let (_runtime, url, received) = listener(201);
    let project = Project::tiny();
    let store = Store::disk();
    let settings = [
        ("OPENLINEAGE_URL", &*url),
        ("OPENLINEAGE_API_KEY", "k-77"),
        ("OPENLINEAGE_PARENT_ID", PARENT),
    ];
    let place = with(store.place(), &settings);
    let ran = project.run(&place, &project.dates()[0], &[]).expect(0, "published");
    assert_eq!(ran.answer["warnings"], json!([]));
    let received = received.lock().unwrap();
    let expected: Vec<String> = simurgh::pipeline::STAGES
        .iter()
        .flat_map(|stage| ["START", "COMPLETE"].map(|state| format!("tiny.{stage} {state}")))
        .collect();
    assert_eq!(received.iter().map(|(_, _, event)| shown(event)).collect::<Vec<_>>(), expected);

    let definitions = schemas();
    let mut facets = 0;
    for (path, key, event) in received.iter() {
        assert_eq!((path.as_str(), key.as_str()), ("/api/v1/lineage", "Bearer k-77"));
        facets += validate(event, &definitions);
        let parent = &event["run"]["facets"]["parent"];
        assert_eq!(parent["run"]["runId"], "01a20dfc-ab2d-7fc3-b09c-da5687fdcb9b");
        assert_eq!(parent["job"]["name"], "customer360.land");
    }
    assert!(facets > 100, "{facets} facets");
    // The start and the end of a stage are one run; two stages are two.
    let run = |index: usize| received[index].2["run"]["runId"].clone();
    assert!(run(0) == run(1) && run(1) != run(2));

    let of = |name: &str| {
        let found = received.iter().find(|(_, _, event)| shown(event) == format!("tiny.{name}"));
        found.unwrap().2.clone()
    };
    let extract = of("extract COMPLETE");
    let sources = extract["inputs"].as_array().unwrap();
    let read: u64 = sources
        .iter()
        .map(|set| set["inputFacets"]["dataQualityMetrics"]["rowCount"].as_u64().unwrap())
        .sum();
    assert_eq!(json!(read), ran.answer["rows_read"]);
    assert!(sources[0]["name"].as_str().unwrap().ends_with("-{date}.csv"));

    let clean = of("clean COMPLETE");
    let records = &clean["outputs"][0];
    let email = &records["facets"]["columnLineage"]["fields"]["email"]["inputFields"];
    let fields: Vec<&str> = email
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["name"].as_str().unwrap().rsplit('/').next().unwrap())
        .collect();
    assert_eq!(fields, ["raw_accounting_customers", "raw_crm_contacts", "raw_pos_sales"]);

    let land = of("land COMPLETE");
    let customers = land["outputs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|set| set["name"].as_str().unwrap().ends_with("/tables/customers"));
    let customers = customers.unwrap();
    assert_eq!(customers["facets"]["version"]["datasetVersion"], "0");
    assert_eq!(customers["outputFacets"]["outputStatistics"]["rowCount"], ran.answer["entities"]);
}

#[test]
fn a_stage_that_fails_says_so_without_a_value() {
    let project = Project::tiny();
    let store = Store::disk();
    let events = project.folder().join("events.jsonl");
    let url = format!("file://{}", events.display());
    let place = with(store.place(), &[("OPENLINEAGE_URL", &url)]);
    let date = &project.dates()[0];
    let export = project.folder().join(format!("fixtures/tiny/in/crm_contacts-{date}.csv"));
    std::fs::write(&export, "another,header\ncanary-77,x\n").unwrap();
    project.run(&place, date, &[]).expect(1, "stopped");
    let text = std::fs::read_to_string(&events).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let states: Vec<String> = events.iter().map(shown).collect();
    assert_eq!(states, ["tiny.extract START", "tiny.extract FAIL"]);
    let definitions = schemas();
    events.iter().for_each(|event| assert!(validate(event, &definitions) > 0));
    assert!(events[1]["run"]["facets"]["errorMessage"]["message"].is_string());
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn a_listener_that_is_down_or_refuses_is_a_warning() {
    let project = Project::tiny();
    let store = Store::disk();
    let (_runtime, refusing, _) = listener(500);
    // Nobody listens on the port of a listener that is gone.
    let (gone, silent, _) = listener(200);
    drop(gone);
    for url in [refusing, silent] {
        let place = with(store.place(), &[("OPENLINEAGE_URL", &url)]);
        let ran = project.run(&place, &project.dates()[0], &[]).expect(0, "published");
        let warnings = ran.answer["warnings"].to_string();
        assert!(warnings.contains("lineage: 14 events could not be sent"), "{warnings}");
    }
}
