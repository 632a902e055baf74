//! Where a warehouse can stand: a folder on disk, or a bucket of the S3 server in this process.
//! Either way its files can be read below a local folder, since that server keeps objects as
//! files: so one reader serves every store, and shares no code with the program's own.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::program::copy_folder;
use crate::s3::S3Server;

/// A store with room for any number of warehouses.
pub(crate) struct Store {
    server: Option<S3Server>,
    folder: TempDir,
    places: Cell<u32>,
}

/// One warehouse: its address for the program, and its files for the test.
#[derive(Clone)]
pub(crate) struct Place {
    /// What `--warehouse` is given.
    pub(crate) uri: String,
    /// What the program finds in its environment.
    pub(crate) environment: Vec<(String, String)>,
    /// Where the warehouse's files are.
    pub(crate) folder: PathBuf,
}

impl Store {
    /// A local disk.
    pub(crate) fn disk() -> Self {
        Self { server: None, folder: TempDir::new().unwrap(), places: Cell::new(0) }
    }

    /// An S3 server of its own.
    pub(crate) fn s3() -> Self {
        let folder = TempDir::new().unwrap();
        let server = Some(S3Server::start(folder.path()));
        Self { server, folder, places: Cell::new(0) }
    }

    /// The S3 server's address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.as_ref().expect("a store made by s3()").address()
    }

    /// A place for a new warehouse. On S3 each has its own bucket: the server walks a whole
    /// bucket to list a part of it.
    pub(crate) fn place(&self) -> Place {
        self.places.set(self.places.get() + 1);
        let name = format!("w{:03}", self.places.get());
        let folder = self.folder.path().join(&name);
        match &self.server {
            None => Place { uri: folder.display().to_string(), environment: Vec::new(), folder },
            Some(server) => {
                std::fs::create_dir(&folder).unwrap();
                let environment = server.environment();
                Place { uri: format!("s3://{name}/wh"), environment, folder: folder.join("wh") }
            }
        }
    }

    /// A place that begins as a copy of a warehouse of this store.
    pub(crate) fn place_like(&self, other: &Place) -> Place {
        let place = self.place();
        copy_folder(&other.folder, &place.folder);
        place
    }
}

impl Place {
    /// The same warehouse, reached through another address.
    pub(crate) fn through(&self, address: SocketAddr) -> Self {
        let mut place = self.clone();
        place.set("AWS_ENDPOINT_URL", &format!("http://{address}"));
        place
    }

    /// The same warehouse, with another value of an environment variable.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut place = self.clone();
        place.set(name, value);
        place
    }

    /// Removes the warehouse's files: long walks would fill the disk.
    pub(crate) fn remove(self) {
        std::fs::remove_dir_all(self.folder).unwrap();
    }

    fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }
}
