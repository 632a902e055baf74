//! An S3 server in this process: path-style addresses, signatures checked, objects kept as files.
//!
//! `s3s-fs` honours `If-None-Match: *` but looks and writes in two steps, so that of several
//! writers more than one can win; here requests that change something go one after the other.
//! Names of objects are bounded by the file names that `s3s-fs` makes of them: about 165 bytes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, RetryConfig};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

const ACCESS_KEY: &str = "test-access-key";
const SECRET_KEY: &str = "test-secret-key";

/// The server; it stops when dropped.
pub(crate) struct S3Server {
    address: SocketAddr,
    _runtime: Runtime,
}

impl S3Server {
    /// Serves the folders of `root` as buckets, on a free port of the loopback.
    pub(crate) fn start(root: &Path) -> Self {
        let mut builder = S3ServiceBuilder::new(FileSystem::new(root).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let changes = Arc::new(Mutex::new(()));
        let (runtime, listener, address) = listen();
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, service.clone(), Arc::clone(&changes)));
            }
        });
        Self { address, _runtime: runtime }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client needs in its environment.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        environment(self.address)
    }
}

fn environment(address: SocketAddr) -> Vec<(String, String)> {
    [
        ("AWS_ENDPOINT_URL", format!("http://{address}").as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_REGION", "us-east-1"),
        ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "false"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

async fn serve(socket: TcpStream, service: S3Service, changes: Arc<Mutex<()>>) {
    let one = service_fn(move |request: Request<Incoming>| {
        let (service, changes) = (service.clone(), Arc::clone(&changes));
        async move {
            let _alone = if mutates(request.method()) { Some(changes.lock().await) } else { None };
            service.call(request.map(s3s::Body::from)).await
        }
    });
    // A client that is killed breaks its connections: nothing to report.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), one).await;
}

/// A runtime of its own for a server, and a free port of the loopback.
pub(crate) fn listen() -> (Runtime, TcpListener, SocketAddr) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
    let address = listener.local_addr().unwrap();
    (runtime, listener, address)
}

/// True if a request of this method may change what is stored.
pub(crate) fn mutates(method: &Method) -> bool {
    matches!(*method, Method::PUT | Method::POST | Method::DELETE)
}

/// A client of a bucket, reached at an address; it retries a little, as the program's does.
pub(crate) fn client(address: SocketAddr, bucket: &str, secret: Option<&str>) -> AmazonS3 {
    let builder = environment(address).into_iter().fold(
        AmazonS3Builder::new().with_bucket_name(bucket),
        |builder, (name, value)| {
            builder.with_config(name.to_ascii_lowercase().parse().unwrap(), value)
        },
    );
    let retry = RetryConfig { max_retries: 3, ..RetryConfig::default() };
    let secret = secret.unwrap_or(SECRET_KEY);
    builder.with_secret_access_key(secret).with_retry(retry).build().unwrap()
}

#[test]
fn of_racing_writers_of_one_key_one_wins() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("bucket")).unwrap();
    let server = S3Server::start(folder.path());
    let client = client(server.address(), "bucket", None);
    Runtime::new().unwrap().block_on(async {
        for round in 0..10 {
            let key = Key::from(format!("seq/{round}.json"));
            let writers = (0..6).map(|writer| {
                let (client, key) = (client.clone(), key.clone());
                tokio::spawn(async move {
                    let body = format!("{writer}").into();
                    client.put_opts(&key, body, PutMode::Create.into()).await.is_ok()
                })
            });
            let mut winners = Vec::new();
            for (writer, task) in writers.collect::<Vec<_>>().into_iter().enumerate() {
                if task.await.unwrap() {
                    winners.push(writer.to_string());
                }
            }
            let kept = client.get(&key).await.unwrap().bytes().await.unwrap();
            assert_eq!(winners, [String::from_utf8(kept.to_vec()).unwrap()]);
        }
    });
}

#[test]
fn a_wrong_secret_is_refused() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("bucket")).unwrap();
    let server = S3Server::start(folder.path());
    let client = client(server.address(), "bucket", Some("wrong"));
    let key = Key::from("a");
    let put = client.put(&key, "b".into());
    let refused = Runtime::new().unwrap().block_on(put).unwrap_err();
    assert!(matches!(refused, object_store::Error::PermissionDenied { .. }), "{refused}");
}
