//! Secrets stay in the environment: not in arguments, logs, results, the warehouse or a core dump.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::fault::Proxy;
use crate::program::{Project, files_below};
use crate::store::Store;

const SECRETS: [(&str, &str); 2] =
    [("AWS_SESSION_TOKEN", "canary-session-token"), ("OPENLINEAGE_API_KEY", "canary-api-key")];

/// The S3 server's own.
const OF_THE_STORE: [&str; 2] = ["test-secret-key", "test-access-key"];

fn secrets() -> impl Iterator<Item = &'static str> {
    SECRETS.iter().map(|(_, value)| *value).chain(OF_THE_STORE)
}

#[test]
fn no_secret_is_said_or_written() {
    let project = Project::tiny();
    let store = Store::s3();
    let mut place = store.place();
    // A listener that is not there, so that its failure is told.
    place = place.with(SECRETS[1].0, SECRETS[1].1).with("OPENLINEAGE_URL", "http://127.0.0.1:9");
    let calm = project.run(&place, &project.dates()[0], &["-vvv"]).expect(0, "published");
    // A token that the server does not know: an error, with the request that failed.
    let refused =
        place.with(SECRETS[0].0, SECRETS[0].1).with("AWS_SECRET_ACCESS_KEY", "canary-wrong");
    let failed = project.run(&refused, &project.dates()[1], &["-vvv"]);
    assert_ne!(failed.code, Some(0), "{}", failed.answer);
    for ran in [&calm, &failed] {
        let whole = format!("{}{}", ran.said, ran.answer);
        for secret in secrets().chain(["canary-wrong"]) {
            assert!(!whole.contains(secret), "{secret}: {whole}");
        }
    }
    let files = files_below(&place.folder);
    assert!(files.len() > 30, "{} files", files.len());
    for file in files {
        let bytes = fs::read(&file).unwrap();
        for secret in secrets() {
            let found = bytes.windows(secret.len()).any(|own| own == secret.as_bytes());
            assert!(!found, "{secret} in {}", file.display());
        }
    }
}

/// Looked at while it works: what any user sees of it, and what a core dump would hold.
#[cfg(target_os = "linux")]
#[test]
fn a_process_at_work_shows_no_secret_and_would_dump_none() {
    let project = Project::tiny();
    let store = Store::s3();
    let proxy = Proxy::start(store.address());
    proxy.delay(Duration::from_millis(100));
    let place = store.place().through(proxy.address());
    let mut child = project
        .command(&place)
        .args(["run", "pipelines/tiny.yaml", "--date", &project.dates()[0]])
        .args(["--warehouse", &place.uri])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1000));
    let of = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap();
    let (arguments, dumped) = (of("cmdline"), of("coredump_filter"));
    assert!(child.try_wait().unwrap().is_none(), "it ended before it was looked at");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(arguments.contains("tiny.yaml"), "{arguments}");
    for secret in secrets() {
        assert!(!arguments.contains(secret), "{arguments}");
    }
    // No memory of the process's own, shared or not: stacks and environment are such too.
    assert_eq!(dumped.trim().trim_start_matches('0'), "");
}
