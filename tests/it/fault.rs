//! A proxy before the S3 server that breaks one request, or many, and the walk: a run for every
//! request that changes something and every way to break it, each of which must end in the same
//! tables. `storm` has the runs that meet broken answers all the way.
//!
//! The proxy forwards the `Host` header as it came, so that the client's signature stays valid.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1 as client;
use hyper::header::{CONTENT_LENGTH, HeaderMap};
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::program::{Project, Seeded, UP_TO_LAND};
use crate::s3::{S3Server, listen, mutates};
use crate::store::{Place, Store};
use crate::warehouse::Warehouse;

/// How one request is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The store applies it; the connection breaks before the answer.
    AppliedThenCut,
    /// The store applies it; the answer is an error that clients retry.
    AppliedThen500,
    /// Something on the way sends it twice; the second answer comes back (412 for a put that
    /// creates only if absent).
    AppliedTwice,
    /// The connection breaks before the store sees it.
    CutBefore,
    /// The store refuses it for now.
    Refused503,
    /// The store never sees it, and no answer comes.
    Held,
    /// The store applies it, and no answer comes.
    AppliedThenHeld,
}

/// What is wrong with many requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weather {
    /// One in five is refused with 503.
    Busy,
    /// One in five loses its connection, before or after the store applies it.
    Resets,
    /// Answers come at 1 KB a second.
    Slow,
    /// One answer in five states its length, and breaks off half-way.
    Torn,
    /// One answer in five is half of it, ends in good order and states the half's length.
    Short,
    /// A list is given as it was when it was first asked for.
    StaleLists,
    /// After so many requests the credentials have expired.
    Expired(u64),
}

/// Every fault that ends.
const FAULTS: [Fault; 5] = [
    Fault::AppliedThenCut,
    Fault::AppliedThen500,
    Fault::AppliedTwice,
    Fault::CutBefore,
    Fault::Refused503,
];

/// The proxy; it stops when dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _runtime: Runtime,
}

struct State {
    mutations: u64,
    armed: Option<(u64, Fault)>,
    /// The request that is held.
    held: Option<String>,
    delay: Duration,
    weather: Option<Weather>,
    /// All requests since the weather changed, and those of them that met it.
    requests: u64,
    broken: u64,
    seeded: Seeded,
    /// The first answer to each list, by what was asked.
    lists: BTreeMap<String, (StatusCode, HeaderMap, Bytes)>,
    seen: Vec<Seen>,
}

/// A request that changes something.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// The path and what is asked of it.
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Default for State {
    fn default() -> Self {
        Self {
            mutations: 0,
            armed: None,
            held: None,
            delay: Duration::ZERO,
            weather: None,
            requests: 0,
            broken: 0,
            seeded: Seeded(20_261_125),
            lists: BTreeMap::new(),
            seen: Vec::new(),
        }
    }
}

impl Proxy {
    /// A proxy before the server at `upstream`.
    pub(crate) fn start(upstream: SocketAddr) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (runtime, listener, address) = listen();
        runtime.spawn(accept(listener, upstream, Arc::clone(&state)));
        Self { address, state, _runtime: runtime }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts from nothing again; breaks the n-th request from here that changes something.
    pub(crate) fn arm(&self, armed: Option<(u64, Fault)>) {
        let mut state = self.state.lock().unwrap();
        state.mutations = 0;
        state.armed = armed;
        state.held = None;
    }

    /// Holds every request back for this long.
    pub(crate) fn delay(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }

    /// Breaks many requests from here on, or none.
    pub(crate) fn weather(&self, weather: Option<Weather>, seed: u64) {
        let mut state = self.state.lock().unwrap();
        let armed = state.armed;
        *state = State { weather, armed, seeded: Seeded(seed), ..State::default() };
    }

    /// How many requests came since the weather changed, and how many of them met it.
    pub(crate) fn met(&self) -> (u64, u64) {
        let state = self.state.lock().unwrap();
        (state.requests, state.broken)
    }

    /// Every request that changed something since the weather did.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// How many requests that change something came since `arm`.
    pub(crate) fn mutations(&self) -> u64 {
        self.state.lock().unwrap().mutations
    }

    /// The request that is held, once it is.
    pub(crate) fn held(&self) -> Option<String> {
        self.state.lock().unwrap().held.clone()
    }

    /// True if the armed fault has happened.
    pub(crate) fn has_fired(&self) -> bool {
        self.state.lock().unwrap().armed.is_none()
    }
}

impl State {
    /// Counts a request; the fault it meets, once.
    fn meet(&mut self, request: &Request<Incoming>) -> Option<Fault> {
        if !mutates(request.method()) {
            return None;
        }
        self.mutations += 1;
        let due = self.armed.is_some_and(|(n, _)| n == self.mutations);
        if due { self.armed.take().map(|(_, fault)| fault) } else { None }
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, Cut>>;

/// An error given to hyper breaks the connection without an answer.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is cut on purpose")
    }
}

impl std::error::Error for Cut {}

async fn accept(listener: TcpListener, upstream: SocketAddr, state: Arc<Mutex<State>>) {
    while let Ok((socket, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        // A connection that this side closes early is reset, not ended: clients retry a
        // connection that ends, but do not retry one that is reset in a conditional put.
        socket.set_zero_linger().unwrap();
        tokio::spawn(async move {
            let one = service_fn(|request| answer(request, upstream, &state));
            let _ = server::Builder::new().serve_connection(TokioIo::new(socket), one).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    upstream: SocketAddr,
    state: &Mutex<State>,
) -> Result<Answer, Cut> {
    let (fault, delay) = {
        let mut state = state.lock().unwrap();
        (state.meet(&request), state.delay)
    };
    tokio::time::sleep(delay).await;
    // The whole request is read first: a client that is killed while it sends changes nothing.
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let forward = || forward(Request::from_parts(head.clone(), body.clone()), upstream);
    match fault {
        None => weathered(&head, &body, state, forward).await,
        Some(Fault::AppliedThenCut) => drained(forward().await?).await.and(Err(Cut)),
        Some(Fault::AppliedThen500) => {
            drained(forward().await?).await?;
            Ok(error(StatusCode::INTERNAL_SERVER_ERROR))
        }
        Some(Fault::AppliedTwice) => {
            drained(forward().await?).await?;
            forward().await
        }
        Some(Fault::CutBefore) => Err(Cut),
        Some(Fault::Refused503) => Ok(error(StatusCode::SERVICE_UNAVAILABLE)),
        Some(held @ (Fault::Held | Fault::AppliedThenHeld)) => {
            if held == Fault::AppliedThenHeld {
                drained(forward().await?).await?;
            }
            state.lock().unwrap().held = Some(format!("{} {}", head.method, head.uri));
            std::future::pending().await
        }
    }
}

async fn forward(request: Request<Bytes>, upstream: SocketAddr) -> Result<Answer, Cut> {
    let socket = TcpStream::connect(upstream).await.map_err(|_| Cut)?;
    let (mut sender, connection) =
        client::handshake(TokioIo::new(socket)).await.map_err(|_| Cut)?;
    tokio::spawn(connection);
    let answer = sender.send_request(request.map(Full::new)).await.map_err(|_| Cut)?;
    Ok(answer.map(|body| body.map_err(|_| Cut).boxed_unsync()))
}

/// Forwards a request through the weather.
async fn weathered<F: Future<Output = Result<Answer, Cut>>>(
    head: &hyper::http::request::Parts,
    body: &Bytes,
    state: &Mutex<State>,
    forward: impl Fn() -> F,
) -> Result<Answer, Cut> {
    let query = head.uri.query().unwrap_or_default();
    let list =
        (head.method == Method::GET && query.contains("list-type")).then(|| head.uri.to_string());
    let (met, after) = {
        let mut state = state.lock().unwrap();
        state.requests += 1;
        if mutates(&head.method) {
            let (method, headers) = (head.method.clone(), head.headers.clone());
            let uri = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
            state.seen.push(Seen { method, uri, headers, body: body.clone() });
        }
        let one_in_five = state.seeded.below(5) == 0;
        let met = state.weather.filter(|weather| match weather {
            Weather::Busy | Weather::Resets => one_in_five,
            Weather::Torn | Weather::Short => one_in_five && head.method == Method::GET,
            Weather::Slow => true,
            Weather::StaleLists => list.is_some(),
            Weather::Expired(after) => state.requests > *after,
        });
        state.broken += u64::from(met.is_some());
        (met, state.seeded.below(2) == 0)
    };
    match met {
        None => forward().await,
        Some(Weather::Busy) => Ok(error(StatusCode::SERVICE_UNAVAILABLE)),
        Some(Weather::Resets) if after => drained(forward().await?).await.and(Err(Cut)),
        Some(Weather::Resets) => Err(Cut),
        Some(Weather::Expired(_)) => {
            let text = "<?xml version=\"1.0\"?><Error><Code>ExpiredToken</Code>\
                        <Message>The provided token has expired.</Message></Error>";
            let mut answer = Response::new(whole(text.into()));
            *answer.status_mut() = StatusCode::BAD_REQUEST;
            Ok(answer)
        }
        Some(Weather::StaleLists) => {
            let asked = list.unwrap_or_default();
            let known = state.lock().unwrap().lists.get(&asked).cloned();
            let (status, headers, body) = match known {
                Some(known) => known,
                None => {
                    let (parts, body) = collected(forward().await?).await?;
                    let fresh = (parts.status, parts.headers, body);
                    state.lock().unwrap().lists.insert(asked, fresh.clone());
                    fresh
                }
            };
            let mut answer = Response::new(whole(body));
            (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
            Ok(answer)
        }
        Some(weather) => {
            let (mut parts, body) = collected(forward().await?).await?;
            let half = body.slice(..body.len() / 2);
            let body = match weather {
                _ if body.len() < 2 => whole(body),
                Weather::Short => {
                    parts.headers.insert(CONTENT_LENGTH, half.len().into());
                    whole(half)
                }
                Weather::Torn => {
                    parts.headers.insert(CONTENT_LENGTH, body.len().into());
                    let parts = [Ok(Frame::data(half)), Err(Cut)];
                    BodyExt::boxed_unsync(StreamBody::new(futures::stream::iter(parts)))
                }
                _ => slow(body),
            };
            Ok(Response::from_parts(parts, body))
        }
    }
}

fn whole(body: Bytes) -> UnsyncBoxBody<Bytes, Cut> {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

/// A body at 1 KB a second.
fn slow(body: Bytes) -> UnsyncBoxBody<Bytes, Cut> {
    let frames = futures::stream::unfold(body, |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let part = rest.split_to(rest.len().min(102));
        Some((Ok(Frame::data(part)), rest))
    });
    BodyExt::boxed_unsync(StreamBody::new(Box::pin(frames)))
}

async fn collected(answer: Answer) -> Result<(hyper::http::response::Parts, Bytes), Cut> {
    let (parts, body) = answer.into_parts();
    Ok((parts, body.collect().await?.to_bytes()))
}

async fn drained(answer: Answer) -> Result<(), Cut> {
    answer.into_body().collect().await.map(drop).map_err(|_| Cut)
}

fn error(status: StatusCode) -> Answer {
    let mut answer = Response::new(whole(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

/// The bound of each walk, unless `SIMURGH_FULL=1`.
const BUDGET: Duration = Duration::from_secs(120);

#[test]
fn a_whole_run_survives_every_fault() {
    let project = Project::tiny();
    let store = Store::s3();
    walk(&project, &store, &store.place(), &project.dates()[0]);
}

/// All that can be torn is in the last stage: here the others are done before.
#[test]
fn publishing_survives_every_fault() {
    let project = Project::tiny();
    let date = &project.dates()[0];
    let store = Store::s3();
    let before = store.place();
    project.run(&before, date, UP_TO_LAND).expect(0, "staged");
    walk(&project, &store, &before, date);
}

#[test]
fn publishing_after_an_earlier_run_survives_every_fault() {
    let project = Project::tiny();
    let dates = project.dates();
    let store = Store::s3();
    let before = store.place();
    project.run(&before, &dates[0], &[]).expect(0, "published");
    project.run(&before, &dates[1], UP_TO_LAND).expect(0, "staged");
    walk(&project, &store, &before, &dates[1]);
}

/// Runs a date over copies of a warehouse, with another fault each time.
fn walk(project: &Project, store: &Store, before: &Place, date: &str) {
    let proxy = Proxy::start(store.address());
    let place = store.place_like(before).through(proxy.address());
    let calm = project.run(&place, date, &[]).expect(0, "published");
    let mutations = proxy.mutations();
    let expected = Warehouse::at(&place).state(&[]);

    let every: Vec<(u64, Fault)> =
        (1..=mutations).flat_map(|n| FAULTS.map(|fault| (n, fault))).collect();
    let stride = stride(every.len(), calm.took);
    let mut ends: BTreeMap<(Fault, Option<i32>), usize> = BTreeMap::new();
    for &(n, fault) in every.iter().step_by(stride) {
        let place = store.place_like(before).through(proxy.address());
        proxy.arm(Some((n, fault)));
        let ran = project.run(&place, date, &[]);
        assert!(proxy.has_fired(), "{fault:?} at {n} of {mutations}: never met");
        assert!(
            matches!(ran.code, Some(0 | 75)),
            "{fault:?} at {n} of {mutations}: {:?} {}\n{}",
            ran.code,
            ran.answer,
            ran.said
        );
        *ends.entry((fault, ran.code)).or_default() += 1;
        let again = project.run(&place, date, &[]);
        let outcome = if ran.code == Some(0) { "unchanged" } else { "" };
        let again = again.expect(0, outcome);
        assert_eq!(again.run_id(), calm.run_id());
        let state = Warehouse::at(&place).state(&[]);
        assert_eq!(state, expected, "{fault:?} at {n} of {mutations}, ended {:?}", ran.code);
        place.remove();
    }
    eprintln!("{mutations} requests, every {stride}. of {} faults: {ends:?}", every.len());
}

/// Every how many-eth case fits the time; never a multiple of the number of faults, so that
/// every fault has its turn.
fn stride(cases: usize, took: Duration) -> usize {
    if std::env::var("SIMURGH_FULL").is_ok_and(|full| full == "1") {
        return 1;
    }
    // A case is a run that is disturbed, one after it that finds little to do, and the reading.
    let whole = took.as_secs_f64() * 1.5 * cases as f64;
    let stride = (whole / BUDGET.as_secs_f64()).ceil().max(1.0) as usize;
    stride + usize::from(stride.is_multiple_of(FAULTS.len()))
}

#[test]
fn each_fault_is_what_it_says() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("bucket")).unwrap();
    let origin = S3Server::start(folder.path());
    let proxy = Proxy::start(origin.address());
    let store = crate::s3::client(proxy.address(), "bucket", None);
    let runtime = Runtime::new().unwrap();
    for fault in FAULTS {
        let put = |key: String| {
            let (key, mode) = (Key::from(key), PutMode::Create.into());
            runtime.block_on(store.put_opts(&key, "x".into(), mode)).map(drop)
        };
        proxy.arm(Some((2, fault)));
        put(format!("{fault:?}/first")).unwrap();
        assert!(!proxy.has_fired());
        let second = put(format!("{fault:?}/second"));
        assert!(proxy.has_fired());
        let there = folder.path().join(format!("bucket/{fault:?}/second")).exists();
        let exists = matches!(second, Err(object_store::Error::AlreadyExists { .. }));
        // What the client sees, whether the object is there, and how often it asked.
        let seen = (second.is_ok(), exists, there, proxy.mutations());
        let expected = match fault {
            Fault::AppliedThenCut => (false, false, true, 2),
            Fault::AppliedThen500 => (false, true, true, 3),
            Fault::AppliedTwice => (false, true, true, 2),
            Fault::CutBefore => (false, false, false, 2),
            Fault::Refused503 => (true, false, true, 3),
            Fault::Held | Fault::AppliedThenHeld => unreachable!("not one that ends"),
        };
        assert_eq!(seen, expected, "{fault:?}");
        put(format!("{fault:?}/third")).unwrap();
    }
    let first = Key::from(format!("{:?}/first", FAULTS[0]));
    let read = runtime.block_on(async { store.get(&first).await.unwrap().bytes().await.unwrap() });
    assert_eq!(&read[..], b"x");
}
