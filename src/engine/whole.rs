//! A store whose objects are read whole or not at all, and never past their end.
//!
//! A body may end early and say nothing: a proxy cut it and mended its length. Every read asks for
//! a range, so that the answer states the object's own size beside the body's; what is missing is
//! asked for again, from the same version of the object, and after a few times is an error. The
//! client retries bodies whose connection breaks; those that end in good order are found here.
//!
//! A file that is damaged may say that a part of it is where no file ends. A disk's reader would
//! make room for as much before it reads: ranges of a file are held against its size first.
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
    OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, Result, coalesce_ranges,
};

/// How often what is missing of one body is asked for again.
const ATTEMPTS: usize = 5;

/// The store.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    inner: Arc<dyn ObjectStore>,
    /// A disk gives what was asked for, or an error.
    disk: bool,
}

impl Whole {
    /// Over a store that answers by HTTP.
    pub(super) fn remote(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, disk: false }
    }

    /// Over a disk.
    pub(super) fn disk(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, disk: true }
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

/// A range that ends past its object.
#[derive(Debug)]
struct PastTheEnd;

impl fmt::Display for PastTheEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part of the file is said to be past its end")
    }
}

impl std::error::Error for PastTheEnd {}

/// Whether an error says that what was asked for is past an object's end: the object is damaged.
pub(super) fn is_past_the_end(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::Generic { source, .. } if source.is::<PastTheEnd>())
}

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

/// Whether a range could not be had because the object is empty: a store refuses it (416), or answers
/// with the whole of nothing.
fn is_empty_object(error: &object_store::Error) -> bool {
    const MARKS: [&str; 4] = ["416", "InvalidRange", "non-partial response", "only 0 bytes"];
    matches!(error, object_store::Error::Generic { .. })
        && MARKS.iter().any(|mark| error.to_string().contains(mark))
}

#[async_trait]
impl ObjectStore for Whole {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.head || self.disk {
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

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if !self.disk {
            let get = |range| self.get_range(location, range);
            return coalesce_ranges(ranges, get, OBJECT_STORE_COALESCE_DEFAULT).await;
        }
        let size = self.inner.head(location).await?.size;
        if ranges.iter().any(|range| range.end > size || range.start > range.end) {
            let source = Box::new(PastTheEnd);
            return Err(object_store::Error::Generic { store: "disk", source });
        }
        self.inner.get_ranges(location, ranges).await
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
