//! An audit bundle as a file: a zip of Parquet and JSON, each member hashed.
//!
//! Knows how a bundle is packed, unpacked and held against its own hashes; refuses to know what
//! the tables mean.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zip::write::SimpleFileOptions;

use crate::error::{Error, Result};

/// The layout of a bundle.
const FORMAT: u32 = 1;

/// The most that a member may unpack to: a bundle is of one customer, or of a run.
const MAX_MEMBER: u64 = 4 << 30;

/// `bundle.json`: what a bundle is of, and what it holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Cover {
    /// The layout.
    pub format: u32,
    /// The program that wrote it.
    pub program: String,
    /// The pipeline.
    pub pipeline: String,
    /// The run whose decisions it holds.
    pub run_id: String,
    /// Its logical date.
    pub logical_date: String,
    /// The head of the chain of manifests at that run.
    pub head: String,
    /// The customers that are told whole; others are here as the other side of a pair.
    pub golden_ids: Vec<String>,
    /// The pipeline's settings of resolution and of golden records.
    pub settings: Value,
    /// BLAKE3 of every other member.
    pub members: BTreeMap<String, String>,
}

impl Cover {
    pub(super) fn new(pipeline: &str, run_id: &str, logical_date: &str, head: &str) -> Self {
        Self {
            format: FORMAT,
            program: format!("simurgh {}", env!("CARGO_PKG_VERSION")),
            pipeline: pipeline.to_owned(),
            run_id: run_id.to_owned(),
            logical_date: logical_date.to_owned(),
            head: head.to_owned(),
            golden_ids: Vec::new(),
            settings: Value::Null,
            members: BTreeMap::new(),
        }
    }
}

/// A bundle in memory.
pub(super) struct Bundle {
    pub cover: Cover,
    members: BTreeMap<String, Bytes>,
}

fn unwritable(_: impl std::error::Error) -> Error {
    Error::bug("a bundle cannot be written")
}

impl Bundle {
    pub(super) fn new(cover: Cover) -> Self {
        Self { cover, members: BTreeMap::new() }
    }

    /// Adds a member.
    pub(super) fn put(&mut self, name: &str, content: impl Into<Bytes>) {
        let content: Bytes = content.into();
        self.cover.members.insert(name.to_owned(), blake3::hash(&content).to_hex().to_string());
        self.members.insert(name.to_owned(), content);
    }

    /// Adds a table; one without batches is left out.
    pub(super) fn put_table(&mut self, name: &str, batches: &[RecordBatch]) -> Result<()> {
        let Some(first) = batches.first() else { return Ok(()) };
        let mut bytes = Vec::new();
        let mut writer =
            ArrowWriter::try_new(&mut bytes, first.schema(), None).map_err(unwritable)?;
        for batch in batches {
            writer.write(batch).map_err(unwritable)?;
        }
        writer.close().map_err(unwritable)?;
        self.put(&format!("{name}.parquet"), bytes);
        Ok(())
    }

    /// The bundle as a zip; the same content gives the same bytes.
    pub(super) fn pack(&self) -> Result<Vec<u8>> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default());
        let cover = serde_json::to_vec_pretty(&self.cover).map_err(unwritable)?;
        let cover = ("bundle.json", Bytes::from(cover));
        let members = self.members.iter().map(|(name, content)| (name.as_str(), content.clone()));
        for (name, content) in std::iter::once(cover).chain(members) {
            zip.start_file(name, options).map_err(unwritable)?;
            zip.write_all(&content).map_err(unwritable)?;
        }
        Ok(zip.finish().map_err(unwritable)?.into_inner())
    }

    /// Reads a bundle; gives also what of it is not as its cover says.
    ///
    /// # Errors
    /// Data: it is no bundle, or of a layout that is not known.
    pub(super) fn unpack(bytes: &[u8]) -> Result<(Self, Vec<String>)> {
        let wrong = |what: &str| {
            Error::data(format!("the bundle {what}"))
                .help("name a file that `simurgh audit export` wrote")
        };
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|_| wrong("is no zip"))?;
        let mut members = BTreeMap::new();
        let mut findings = Vec::new();
        for index in 0..zip.len() {
            let file = zip.by_index(index).map_err(|_| wrong("cannot be unpacked"))?;
            let name = file.name().map_err(|_| wrong("cannot be unpacked"))?.into_owned();
            let mut content = Vec::new();
            match file.take(MAX_MEMBER).read_to_end(&mut content) {
                Ok(_) => drop(members.insert(name, Bytes::from(content))),
                // The archive's own checksum: the member is damaged.
                Err(_) => findings.push(format!("{name}: is damaged")),
            }
        }
        let cover = members.remove("bundle.json").ok_or_else(|| wrong("has no bundle.json"))?;
        let cover: Cover =
            serde_json::from_slice(&cover).map_err(|_| wrong("has a damaged bundle.json"))?;
        if cover.format != FORMAT {
            return Err(wrong(&format!(
                "is of layout {}, this program knows {FORMAT}",
                cover.format
            )));
        }
        for (name, expected) in &cover.members {
            match members.get(name) {
                Some(content) if blake3::hash(content).to_hex().as_str() == expected => {}
                Some(_) => findings.push(format!("{name}: is not what was exported")),
                None => findings.push(format!("{name}: is missing")),
            }
        }
        findings.extend(
            members
                .keys()
                .filter(|name| !cover.members.contains_key(*name))
                .map(|name| format!("{name}: was not exported")),
        );
        findings.sort();
        findings.dedup();
        Ok((Self { cover, members }, findings))
    }

    /// A member.
    pub(super) fn get(&self, name: &str) -> Option<&Bytes> {
        self.members.get(name)
    }

    /// A member's text.
    pub(super) fn text(&self, name: &str) -> Result<&str> {
        let content = self.members.get(name);
        content.and_then(|content| std::str::from_utf8(content).ok()).ok_or_else(|| {
            Error::data(format!("the bundle has no readable {name}"))
                .help("export it again: simurgh audit export")
        })
    }

    /// A table's batches; none where it was left out.
    pub(super) fn table(&self, name: &str) -> Result<Vec<RecordBatch>> {
        let Some(content) = self.members.get(&format!("{name}.parquet")) else {
            return Ok(Vec::new());
        };
        let damaged = || Error::data(format!("the bundle's {name}.parquet is damaged"));
        let reader = ParquetRecordBatchReaderBuilder::try_new(content.clone())
            .and_then(|builder| builder.build())
            .map_err(|_| damaged())?;
        reader.collect::<std::result::Result<_, _>>().map_err(|_| damaged())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_read_as_it_was_packed_and_a_changed_member_is_named() {
        let mut bundle = Bundle::new(Cover::new("p", "r", "2026-11-01", "h"));
        bundle.put("models/a.json", "{}".to_owned());
        let packed = bundle.pack().unwrap();
        assert_eq!(packed, bundle.pack().unwrap());
        let (read, findings) = Bundle::unpack(&packed).unwrap();
        assert_eq!((findings.len(), read.text("models/a.json").unwrap()), (0, "{}"));
        bundle.members.insert("models/a.json".to_owned(), Bytes::from("{ }"));
        bundle.members.insert("more.json".to_owned(), Bytes::from("{}"));
        let (_, findings) = Bundle::unpack(&bundle.pack().unwrap()).unwrap();
        let expected = ["models/a.json: is not what was exported", "more.json: was not exported"];
        assert_eq!(findings, expected);
        assert!(Bundle::unpack(b"PK").is_err());
    }
}
