//! What a ZIP archive unpacks to, measured before a spreadsheet reader opens it.
//!
//! The sizes that an archive states may be wrong, so each member is inflated into nothing, up to
//! the bound. A table of shared strings states how many they are, and its reader makes room for as
//! many: one that states more than fit its bytes is damaged. APPNOTE.TXT 6.3.10: local header 4.3.7, central directory 4.3.12, its end 4.3.16,
//! and their 64-bit forms 4.3.14, 4.3.15 and 4.5.3.

use std::io::{Read, Write, copy};

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";
const END_64: [u8; 4] = *b"PK\x06\x06";

/// The bytes of the shortest shared string: `<si/>`.
const LEAST_STRING: u64 = 5;

/// The attribute in which a table of shared strings states how many there are.
const UNIQUE_COUNT: &[u8] = b"uniqueCount";

/// Reads what is written to it for the largest number of shared strings that it states.
struct Strings {
    most: u64,
    state: State,
}

enum State {
    /// So many bytes of the attribute's name were seen.
    Name(usize),
    Equals,
    Quote,
    Digits(u64),
}

impl Default for Strings {
    fn default() -> Self {
        Self { most: 0, state: State::Name(0) }
    }
}

impl Strings {
    fn take(&mut self, byte: u8) {
        self.state = match self.state {
            State::Name(seen) if byte == UNIQUE_COUNT[seen] => match seen + 1 {
                all if all == UNIQUE_COUNT.len() => State::Equals,
                seen => State::Name(seen),
            },
            State::Equals if byte == b'=' => State::Quote,
            State::Quote if matches!(byte, b'"' | b'\'') => State::Digits(0),
            State::Equals if byte.is_ascii_whitespace() => State::Equals,
            State::Quote if byte.is_ascii_whitespace() => State::Quote,
            State::Digits(number) if byte.is_ascii_digit() => {
                let number = number.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
                self.most = self.most.max(number);
                State::Digits(number)
            }
            // An attribute's name begins after white space or a quote: nothing is begun anew here.
            _ => State::Name(usize::from(byte == UNIQUE_COUNT[0])),
        };
    }
}

impl Write for Strings {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        bytes.iter().for_each(|byte| self.take(*byte));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The bytes that all members unpack to, or some number past `limit` if they are more. `None` if
/// the archive is damaged, or packed in another way than spreadsheets are.
pub(super) fn unpacked_size(bytes: &[u8], limit: u64) -> Option<u64> {
    let (mut at, members) = directory(bytes)?;
    let mut total: u64 = 0;
    for _ in 0..members {
        let entry = bytes.get(at..)?;
        if !entry.starts_with(&CENTRAL) {
            return None;
        }
        let method = number(entry, 10, 2)?;
        let (name, extra, comment) =
            (number(entry, 28, 2)?, number(entry, 30, 2)?, number(entry, 32, 2)?);
        let extras = slice(entry, 46 + name, extra)?;
        let mut wide = wide_fields(extras);
        let mut field = |offset: usize| match number(entry, offset, 4)? {
            // The 64-bit fields stand in the order of those they replace.
            0xFFFF_FFFF => wide.next(),
            value => Some(value),
        };
        let (stated, packed, local) = (field(24)?, field(20)?, field(42)?);
        let data = member(bytes, local, packed)?;
        let rest = limit.saturating_sub(total).saturating_add(1);
        let mut stated_strings = Strings::default();
        let measured = match method {
            0 => copy(&mut data.take(rest), &mut stated_strings).ok()?,
            8 => {
                let inflated = flate2::read::DeflateDecoder::new(data);
                copy(&mut inflated.take(rest), &mut stated_strings).ok()?
            }
            _ => return None,
        };
        if stated_strings.most.saturating_mul(LEAST_STRING) > measured {
            return None;
        }
        total = total.saturating_add(measured.max(stated));
        if total > limit {
            return Some(total);
        }
        at += usize::try_from(46 + name + extra + comment).ok()?;
    }
    Some(total)
}

/// Where the central directory starts, and how many members it has.
fn directory(bytes: &[u8]) -> Option<(usize, u64)> {
    // The end record is 22 bytes and a comment of at most 65,535.
    let from = bytes.len().saturating_sub(22 + 65_535);
    let end = from + bytes[from..].windows(4).rposition(|window| window == END)?;
    let record = &bytes[end..];
    let (members, start) = (number(record, 10, 2)?, number(record, 16, 4)?);
    if members != 0xFFFF && start != 0xFFFF_FFFF {
        return Some((usize::try_from(start).ok()?, members));
    }
    let locator = bytes.get(end.checked_sub(20)?..end)?;
    if !locator.starts_with(&LOCATOR_64) {
        return None;
    }
    let record = bytes.get(usize::try_from(number(locator, 8, 8)?).ok()?..)?;
    if !record.starts_with(&END_64) {
        return None;
    }
    Some((usize::try_from(number(record, 48, 8)?).ok()?, number(record, 32, 8)?))
}

/// The packed bytes of a member.
fn member(bytes: &[u8], local: u64, packed: u64) -> Option<&[u8]> {
    let header = bytes.get(usize::try_from(local).ok()?..)?;
    if !header.starts_with(&LOCAL) {
        return None;
    }
    slice(header, 30 + number(header, 26, 2)? + number(header, 28, 2)?, packed)
}

/// The 64-bit fields of an entry's extra block (header id 1).
fn wide_fields(mut extras: &[u8]) -> impl Iterator<Item = u64> {
    let mut fields = Vec::new();
    while let (Some(id), Some(length)) = (number(extras, 0, 2), number(extras, 2, 2)) {
        let Some(block) = slice(extras, 4, length) else { break };
        if id == 1 {
            fields.extend(block.chunks_exact(8).filter_map(|field| number(field, 0, 8)));
        }
        extras = &extras[4 + block.len()..];
    }
    fields.into_iter()
}

fn slice(bytes: &[u8], at: u64, length: u64) -> Option<&[u8]> {
    let at = usize::try_from(at).ok()?;
    bytes.get(at..at.checked_add(usize::try_from(length).ok()?)?)
}

/// A little-endian number of at most eight bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let field = bytes.get(at..at + length)?;
    Some(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}
