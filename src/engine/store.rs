//! Object stores: a folder or bucket by URL, the same operations on each, and errors by reaction.
//!
//! Knows how to open a store with the cloud's own credential chain, and how to tell a write that
//! was applied though its answer was lost from one that was not. Knows nothing of what is stored.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, RetryConfig};
use url::Url;

use super::whole::{Whole, is_past_the_end};
use crate::error::{Error, Result};

/// A folder of an object store: every path is relative to it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    root: Arc<dyn ObjectStore>,
    url: Url,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.url)
    }
}

/// What a create-only write found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// The object is there with our content.
    Ours,
    /// Another content was there before us: this one.
    Theirs(Bytes),
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The path, relative to the store's folder.
    pub path: String,
    /// The size in bytes.
    pub size: u64,
}

impl Store {
    /// Opens a folder (`./warehouse`, `/data`, `file:///data`) or a URL (`s3://`, `az://`, `abfss://`,
    /// `gs://`). Credentials and end points come from the environment.
    ///
    /// # Errors
    /// A usage error where the URL cannot be understood.
    pub fn open(uri: &str) -> Result<Self> {
        let url = match Url::parse(uri) {
            // A single letter is a drive of Windows, not a scheme.
            Ok(url) if url.scheme().len() > 1 => url,
            _ => return Self::open_folder(std::path::Path::new(uri)),
        };
        let retry = RetryConfig {
            max_retries: 6,
            retry_timeout: Duration::from_secs(90),
            ..RetryConfig::default()
        };
        let client = ClientOptions::new()
            .with_timeout(Duration::from_secs(120))
            .with_connect_timeout(Duration::from_secs(10));
        let unusable = |source: object_store::Error| {
            Error::usage(format!("{url}: this store cannot be opened"))
                .help("check the URL, and the credentials and end point in the environment")
                .because(source)
        };
        let root: Arc<dyn ObjectStore> = match url.scheme() {
            "file" => {
                let folder = url
                    .to_file_path()
                    .map_err(|()| Error::usage(format!("{url}: not a path of this machine")))?;
                return Self::open_folder(&folder);
            }
            "s3" | "s3a" => {
                // A plain-HTTP end point is allowed where it is named so: it was asked for.
                let plain = std::env::var("AWS_ENDPOINT_URL")
                    .or_else(|_| std::env::var("AWS_ENDPOINT"))
                    .is_ok_and(|endpoint| endpoint.starts_with("http://"));
                Arc::new(
                    AmazonS3Builder::from_env()
                        .with_url(url.as_str())
                        .with_retry(retry)
                        .with_client_options(client.with_allow_http(plain))
                        .build()
                        .map_err(unusable)?,
                )
            }
            "az" | "azure" | "abfs" | "abfss" | "adl" => Arc::new(
                MicrosoftAzureBuilder::from_env()
                    .with_url(url.as_str())
                    .with_retry(retry)
                    .build()
                    .map_err(unusable)?,
            ),
            "gs" => Arc::new(
                GoogleCloudStorageBuilder::from_env()
                    .with_url(url.as_str())
                    .with_retry(retry)
                    .build()
                    .map_err(unusable)?,
            ),
            scheme => {
                return Err(Error::usage(format!(
                    "{url}: `{scheme}` is not a known kind of store"
                ))
                .help("give a folder, or a URL that begins with s3://, az://, abfss:// or gs://"));
            }
        };
        let root: Arc<dyn ObjectStore> = Arc::new(Whole::remote(root));
        let prefix = Path::from_url_path(url.path())
            .map_err(|source| Error::usage(format!("{url}: not a valid path")).because(source))?;
        let inner: Arc<dyn ObjectStore> = if prefix.as_ref().is_empty() {
            Arc::clone(&root)
        } else {
            Arc::new(PrefixStore::new(Arc::clone(&root), prefix))
        };
        Ok(Self { inner, root, url: with_slash(url) })
    }

    fn open_folder(folder: &std::path::Path) -> Result<Self> {
        let absolute = std::path::absolute(folder).map_err(|source| {
            Error::usage(format!("{}: not a usable path", folder.display())).because(source)
        })?;
        let url = Url::from_directory_path(&absolute)
            .map_err(|()| Error::usage(format!("{}: not a usable path", absolute.display())))?;
        let disk = Arc::new(LocalFileSystem::new());
        let root: Arc<dyn ObjectStore> = Arc::new(Whole::disk(disk));
        let prefix = Path::from_absolute_path(&absolute).map_err(|source| {
            Error::usage(format!("{}: not a usable path", absolute.display())).because(source)
        })?;
        Ok(Self { inner: Arc::new(PrefixStore::new(Arc::clone(&root), prefix)), root, url })
    }

    /// The folder's URL; it ends with a slash.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The store, its root at this folder.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.inner)
    }

    /// The store, its root at the bucket's or the file system's.
    pub fn root(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.root)
    }

    /// The URL of a path in this folder.
    pub fn url_of(&self, path: &str) -> String {
        format!("{}{}", self.url, path)
    }

    /// A folder of this folder.
    pub fn folder(&self, path: &str) -> Result<Self> {
        let inner: Arc<dyn ObjectStore> =
            Arc::new(PrefixStore::new(Arc::clone(&self.inner), Path::from(path)));
        let url = Url::parse(&format!("{}{}/", self.url, path.trim_end_matches('/')))
            .map_err(|source| Error::bug(format!("{path}: not a path")).because(source))?;
        Ok(Self { inner, root: Arc::clone(&self.root), url })
    }

    /// An object's content; an error of kind `Data` where it is absent.
    pub async fn get(&self, path: &str) -> Result<Bytes> {
        self.get_if_exists(path).await?.ok_or_else(|| {
            Error::data(format!("{}: not found", self.url_of(path)))
                .help("check the path, and that what should have written it has run")
        })
    }

    /// An object's content, or `None` where it is absent.
    pub async fn get_if_exists(&self, path: &str) -> Result<Option<Bytes>> {
        // A body that breaks off is not retried by the client: read it again, a few times.
        let mut attempt = 0;
        loop {
            let location = Path::from(path);
            let read = match self.inner.get(&location).await {
                Ok(found) => found.bytes().await,
                Err(error) => Err(error),
            };
            match read {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                Err(error) if attempt < 3 && is_transient(&error) => attempt += 1,
                Err(error) => return Err(self.failed("read", path, error)),
            }
        }
    }

    /// The size and the BLAKE3 of an object, which is never held whole.
    pub async fn hash(&self, path: &str) -> Result<(u64, blake3::Hash)> {
        let mut attempt = 0;
        loop {
            let read = async {
                let (mut size, mut hasher) = (0, blake3::Hasher::new());
                let mut stream = self.inner.get(&Path::from(path)).await?.into_stream();
                while let Some(bytes) = stream.try_next().await? {
                    size += bytes.len() as u64;
                    hasher.update(&bytes);
                }
                Ok::<_, object_store::Error>((size, hasher.finalize()))
            };
            match read.await {
                Ok(found) => return Ok(found),
                Err(error) if attempt < 3 && is_transient(&error) => attempt += 1,
                Err(error) => return Err(self.failed("read", path, error)),
            }
        }
    }

    /// Writes an object, in place of any before it.
    pub async fn put(&self, path: &str, content: impl Into<Bytes>) -> Result<()> {
        let content: Bytes = content.into();
        self.inner
            .put(&Path::from(path), content.into())
            .await
            .map(drop)
            .map_err(|error| self.failed("write", path, error))
    }

    /// Writes an object only if there is none. An answer that was lost is found out by reading
    /// back: content equal to ours is ours, whoever's request put it there.
    pub async fn create(&self, path: &str, content: impl Into<Bytes>) -> Result<Created> {
        let content: Bytes = content.into();
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let mut attempt = 0;
        loop {
            let location = Path::from(path);
            let put = self.inner.put_opts(&location, content.clone().into(), options.clone());
            let Err(error) = put.await else { return Ok(Created::Ours) };
            match self.get_if_exists(path).await? {
                Some(there) if there == content => return Ok(Created::Ours),
                Some(there) => return Ok(Created::Theirs(there)),
                None if attempt < 3 && is_transient(&error) => attempt += 1,
                None => return Err(self.failed("create", path, error)),
            }
        }
    }

    /// Removes an object; one that is absent is removed already.
    pub async fn delete(&self, path: &str) -> Result<()> {
        match self.inner.delete(&Path::from(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("delete", path, error)),
        }
    }

    /// Copies an object within the store, in place of any before it.
    pub async fn copy(&self, from: &str, to: &str) -> Result<()> {
        self.inner
            .copy(&Path::from(from), &Path::from(to))
            .await
            .map_err(|error| self.failed("copy", from, error))
    }

    /// All objects under a folder, sorted by path.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let prefix_path = (!prefix.is_empty()).then(|| Path::from(prefix));
        let mut found: Vec<Listed> = self
            .inner
            .list(prefix_path.as_ref())
            .map_ok(|meta| Listed { path: meta.location.to_string(), size: meta.size })
            .try_collect()
            .await
            .or_else(|error| match error {
                object_store::Error::NotFound { .. } => Ok(Vec::new()),
                error => Err(self.failed("list", prefix, error)),
            })?;
        found.sort();
        Ok(found)
    }

    /// All objects under a folder, each with how long ago it was written, by this machine's clock.
    pub async fn ages(&self, prefix: &str) -> Result<Vec<(String, Duration)>> {
        let now = std::time::SystemTime::now();
        self.inner
            .list(Some(&Path::from(prefix)))
            .map_ok(|meta| {
                let written = std::time::SystemTime::from(meta.last_modified);
                let age = now.duration_since(written).unwrap_or_default();
                (meta.location.to_string(), age)
            })
            .try_collect()
            .await
            .or_else(|error| match error {
                object_store::Error::NotFound { .. } => Ok(Vec::new()),
                error => Err(self.failed("list", prefix, error)),
            })
    }

    /// Removes all objects under a folder.
    pub async fn delete_folder(&self, prefix: &str) -> Result<()> {
        for listed in self.list(prefix).await? {
            self.delete(&listed.path).await?;
        }
        if self.url.scheme() == "file" {
            // Object stores have no folders; a disk keeps them, empty. Best effort.
            if let Ok(mut path) = self.url.to_file_path() {
                path.push(prefix);
                let _ = remove_empty_folders(&path);
            }
        }
        Ok(())
    }

    fn failed(&self, doing: &str, path: &str, error: object_store::Error) -> Error {
        store_error(&format!("{}: cannot {doing}", self.url_of(path)), &error)
    }
}

/// What S3 calls credentials that were right and are no longer: those of a role, after its hours.
const EXPIRED: [&str; 5] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "TokenRefreshRequired",
    "ExpiredAuthenticationToken",
];

/// The object store's error that another one was made of.
pub(super) fn store_cause<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a object_store::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // An I/O error passes over what it was made of.
        cause = match error.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as _),
            None => match error.downcast_ref::<object_store::Error>() {
                Some(found) => return Some(found),
                None => error.source(),
            },
        };
    }
    None
}

/// An object store's error, by what the reader does next. Its text names paths and statuses only.
pub(super) fn store_error(what: &str, error: &object_store::Error) -> Error {
    use object_store::Error as E;
    if let Some(refused) = refused_by_disk(what, error) {
        return refused;
    }
    if is_past_the_end(error) {
        return Error::data(format!("{what}: a file is damaged"))
            .help("restore it from a copy, or begin a new warehouse from the exports");
    }
    let transient = is_transient(error);
    if EXPIRED.iter().any(|code| answer(error).contains(code)) {
        return Error::retry(format!("{what}: the credentials have expired"))
            .help("renew them and run the same command again: it goes on where it stopped");
    }
    match error {
        E::NotFound { .. } => Error::data(format!("{what}: not found")),
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            Error::data(format!("{what}: access denied"))
                .help("check the credentials and the rights that docs/configuration.md asks for")
        }
        error => {
            let answer = answer(error);
            let what = format!("{what}: {answer}");
            if answer.contains("404") || answer.contains("NoSuchBucket") {
                // An object that is absent is `NotFound`: this is the bucket itself.
                Error::data(what).help("check the bucket's name, region and end point")
            } else if transient {
                Error::retry(what)
                    .help("the store did not answer as it should; run the same command again")
            } else {
                Error::data(what)
            }
        }
    }
}

/// What the store answered, without the document around it: the innermost cause's first words.
fn answer(error: &object_store::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    let status = text.split(['<', '\n']).next().unwrap_or_default();
    let code = text.split("<Code>").nth(1).and_then(|rest| rest.split('<').next());
    let status = status.trim_end_matches([':', ' ']).to_owned();
    match code {
        Some(code) => format!("{status} ({code})"),
        None => status,
    }
}

/// What a disk refused for a reason that stays until somebody removes it, if the error is of that
/// kind: rights, a full disk, a file where a folder must be. Its text names no path of its own.
pub fn refused_by_disk(what: &str, error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    use std::io::ErrorKind as K;
    let (mut cause, mut kind) = (Some(error), None);
    while let Some(error) = cause {
        cause = match error.downcast_ref::<std::io::Error>() {
            Some(io) => {
                kind = Some(io.kind());
                // One I/O error may be wrapped in another, whose `source` passes over it.
                io.get_ref().map(|inner| inner as _)
            }
            None => error.source(),
        };
    }
    match kind? {
        K::PermissionDenied => Some(
            Error::data(format!("{what}: permission denied"))
                .help("give the user that simurgh runs as the right to it, or name another place"),
        ),
        K::ReadOnlyFilesystem => Some(
            Error::data(format!("{what}: the file system is read-only"))
                .help("name another place, or mount it for writing"),
        ),
        K::NotADirectory | K::IsADirectory => Some(
            Error::data(format!(
                "{what}: there is a file where a folder must be, or a folder where a file must be"
            ))
            .help("name another place, or move what is in the way"),
        ),
        K::StorageFull | K::QuotaExceeded | K::FileTooLarge => Some(
            Error::retry(format!("{what}: no room is left"))
                .help("make room and run the same command again: it goes on where it stopped"),
        ),
        _ => None,
    }
}

fn is_transient(error: &object_store::Error) -> bool {
    use object_store::Error as E;
    if refused_by_disk("", error).is_some() {
        return false;
    }
    !matches!(
        error,
        E::NotFound { .. }
            | E::PermissionDenied { .. }
            | E::Unauthenticated { .. }
            | E::InvalidPath { .. }
            | E::NotSupported { .. }
            | E::NotImplemented { .. }
            | E::UnknownConfigurationKey { .. }
    )
}

fn with_slash(mut url: Url) -> Url {
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url
}

fn remove_empty_folders(path: &std::path::Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_empty_folders(&entry.path())?;
        }
    }
    std::fs::remove_dir(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn create_tells_ours_from_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        assert_eq!(store.create("a/b.json", "1").await.unwrap(), Created::Ours);
        assert_eq!(store.create("a/b.json", "1").await.unwrap(), Created::Ours);
        assert_eq!(
            store.create("a/b.json", "2").await.unwrap(),
            Created::Theirs(Bytes::from_static(b"1"))
        );
        assert_eq!(store.list("a").await.unwrap().len(), 1);
        assert_eq!(store.list("").await.unwrap()[0].path, "a/b.json");
        store.delete_folder("a").await.unwrap();
        assert_eq!(store.list("").await.unwrap(), vec![]);
        assert!(store.get_if_exists("a/b.json").await.unwrap().is_none());
    }

    #[test]
    fn unknown_schemes_are_refused_by_name() {
        let error = Store::open("ftp://host/folder").unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Usage);
        assert!(error.to_string().contains("ftp"));
    }
}
