//! A remote store whose objects are read whole or not at all.
//!
//! A body may end early and say nothing: a proxy cut it and mended its length. Every read asks for
//! a range, so that the answer states the object's own size beside the body's; what is missing is
//! asked for again, from the same version of the object, and after a few times is an error. The
//! client retries bodies whose connection breaks; those that end in good order are found here.
//!
//! Knows sizes and ranges; refuses to know what is read.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result,
};

/// How often what is missing of one body is asked for again.
const ATTEMPTS: usize = 5;

/// The store.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    inner: Arc<dyn ObjectStore>,
}

impl Whole {
    pub(super) fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner }
    }
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// A body that ended before its object did.
#[derive(Debug)]
struct Short {
    missing: u64,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer ends {} bytes early", self.missing)
    }
}

impl std::error::Error for Short {}

/// A body that is being read: what of the object is still to come, and where from.
struct Body {
    inner: Arc<dyn ObjectStore>,
    location: Path,
    options: GetOptions,
    range: Range<u64>,
    stream: BoxStream<'static, Result<Bytes>>,
    attempts: usize,
}

impl Body {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        loop {
            if let Some(read) = self.stream.next().await {
                let bytes = read?;
                self.range.start += bytes.len() as u64;
                return Ok(Some((bytes, self)));
            }
            let missing = self.range.end.saturating_sub(self.range.start);
            if missing == 0 {
                return Ok(None);
            }
            if self.attempts == ATTEMPTS {
                let source = Box::new(Short { missing });
                return Err(object_store::Error::Generic { store: "remote", source });
            }
            self.attempts += 1;
            let range = Some(GetRange::Bounded(self.range.clone()));
            let options = GetOptions { range, ..self.options.clone() };
            self.stream = self.inner.get_opts(&self.location, options).await?.into_stream();
        }
    }
}

/// Whether a store refused a range because the object is empty (416).
fn is_empty_object(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::Generic { .. })
        && ["416", "InvalidRange"].iter().any(|mark| error.to_string().contains(mark))
}

#[async_trait]
impl ObjectStore for Whole {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.head {
            return self.inner.get_opts(location, options).await;
        }
        let asked = options.range.is_some();
        let ranged = GetOptions {
            range: options.range.clone().or(Some(GetRange::Offset(0))),
            ..options.clone()
        };
        let mut found = match self.inner.get_opts(location, ranged).await {
            Err(error) if !asked && is_empty_object(&error) => {
                self.inner.get_opts(location, options.clone()).await?
            }
            found => found?,
        };
        if let GetResultPayload::Stream(stream) = found.payload {
            let body = Body {
                inner: Arc::clone(&self.inner),
                location: location.clone(),
                // Of the same version: two halves of two objects would be none.
                options: GetOptions { if_match: found.meta.e_tag.clone(), ..options },
                range: found.range.clone(),
                stream,
                attempts: 0,
            };
            found.payload = GetResultPayload::Stream(stream::try_unfold(body, Body::next).boxed());
        }
        Ok(found)
    }

    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}
