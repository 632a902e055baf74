//! A record's address: `SOURCE:RECORD_ID`.
//!
//! Knows names and their order; refuses to know what the record says.

use std::fmt;

/// The key of a record in every table. Ordered by source, then record id, as bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// The source.
    pub source: String,
    /// The record's own id in it.
    pub record_id: String,
}

impl RecordKey {
    /// A key of its parts.
    pub fn new(source: impl Into<String>, record_id: impl Into<String>) -> Self {
        Self { source: source.into(), record_id: record_id.into() }
    }

    /// Reads an address; the source ends at the first colon. `None` where there is none.
    pub fn parse(address: &str) -> Option<Self> {
        let (source, record_id) = address.split_once(':')?;
        (!source.is_empty() && !record_id.is_empty()).then(|| Self::new(source, record_id))
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.record_id)
    }
}

/// What a steward decided of two records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StewardDecision {
    /// One record.
    pub a: RecordKey,
    /// The other.
    pub b: RecordKey,
    /// Whether they are the same entity, or never.
    pub same: bool,
    /// Who decided: `decided_by` is `steward:NAME`.
    pub by: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        let key = RecordKey::new("crm", "a:1");
        assert_eq!(RecordKey::parse(&key.to_string()), Some(key));
        assert_eq!(RecordKey::parse("crm"), None);
    }
}
