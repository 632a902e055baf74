//! gzip and Zstandard, found by their first bytes, with a bound on what comes out.
//!
//! A stream that stops early, or is followed by something else, refuses the file whole: half an
//! export is not a smaller export. gzip of several members and Zstandard of several frames are one
//! file.

use std::io::Read;

use bytes::Bytes;

use super::{Compression, Source};
use crate::error::{Error, Result};

const GZIP: [u8; 2] = [0x1F, 0x8B];
const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// The endings of compressed files' names.
const ENDINGS: [(&str, Compression); 4] = [
    (".gz", Compression::Gzip),
    (".gzip", Compression::Gzip),
    (".zst", Compression::Zstd),
    (".zstd", Compression::Zstd),
];

/// A file's name without the ending of a compression, in lower case.
pub(super) fn plain_name(path: &str) -> String {
    let name = path.to_ascii_lowercase();
    ENDINGS
        .iter()
        .find_map(|(ending, _)| name.strip_suffix(ending).map(str::to_owned))
        .unwrap_or(name)
}

/// The bytes of a file, decompressed.
///
/// # Errors
/// A data error: a stream that is torn or not what its name or the pipeline says, or more than
/// `max_bytes` bytes, found before they are in memory.
pub(super) fn decompress(path: &str, bytes: &Bytes, source: &Source) -> Result<Bytes> {
    let found = if bytes.starts_with(&GZIP) {
        Compression::Gzip
    } else if bytes.starts_with(&ZSTD) {
        Compression::Zstd
    } else {
        Compression::None
    };
    let name = path.to_ascii_lowercase();
    let named = ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, kind)| *kind);
    let (expected, by) = match source.format.compression {
        Some(compression) => (Some(compression), "format.compression says"),
        None => (named, "its name says"),
    };
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return Err(Error::data(format!("{path}: is not {} as {by}", word(expected)))
            .help("export the file again, or mend format.compression or the file's name"));
    }
    let limit = source.max_bytes;
    let out = match found {
        Compression::None => {
            return if bytes.len() as u64 > limit {
                Err(too_large(path, limit))
            } else {
                Ok(bytes.clone())
            };
        }
        Compression::Gzip => {
            bounded(flate2::read::MultiGzDecoder::new(bytes.as_ref()), limit, bytes.len())
        }
        Compression::Zstd => zstd::stream::read::Decoder::with_buffer(bytes.as_ref())
            .and_then(|decoder| bounded(decoder, limit, bytes.len())),
    };
    match out {
        Ok(Some(out)) => Ok(Bytes::from(out)),
        Ok(None) => Err(too_large(path, limit)),
        // The cause is not shown: it says nothing that this does not.
        Err(_) => {
            Err(Error::data(format!("{path}: the {} stream is torn or damaged", word(found)))
                .help("export the file again; nothing of it was read"))
        }
    }
}

fn word(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "uncompressed",
        Compression::Gzip => "gzip",
        Compression::Zstd => "Zstandard",
    }
}

fn too_large(path: &str, limit: u64) -> Error {
    Error::data(format!("{path}: more than {limit} bytes after decompression"))
        .help("raise max_bytes of the source if the export is right")
}

/// All that a decoder gives, or `None` once it gives more than `limit` bytes.
fn bounded(decoder: impl Read, limit: u64, compressed: usize) -> std::io::Result<Option<Vec<u8>>> {
    // A guess from the compressed size, so that a bomb reserves no more than what it is.
    let guess = (compressed as u64).saturating_mul(4).min(limit).min(1 << 30);
    let mut out = Vec::with_capacity(guess as usize);
    decoder.take(limit.saturating_add(1)).read_to_end(&mut out)?;
    Ok((out.len() as u64 <= limit).then_some(out))
}
