//! Bytes to text: which encoding a file is in, and that all of it is.
//!
//! In this order: a byte-order mark; the encoding the pipeline names, held strictly; UTF-16 by its
//! zero bytes; UTF-8, if all of it is; UTF-8 with a few broken places, whose rows are refused; else
//! the likeliest of the older encodings, with a warning.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::Input;
use crate::error::{Error, Result};

/// A file's text.
#[derive(Debug)]
pub(super) struct Decoded<'a> {
    pub(super) text: Cow<'a, str>,
    /// Whether U+FFFD stands for bytes that were no text.
    pub(super) replaced: bool,
}

/// Decodes a file.
///
/// # Errors
/// A data error with the byte's position, for bytes that are not of the encoding that a mark or the
/// pipeline names; a configuration error, for a label that names no encoding.
pub(super) fn decode<'a>(input: &'a Input<'_>, warnings: &mut Vec<String>) -> Result<Decoded<'a>> {
    let bytes: &[u8] = &input.bytes;
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        return strict(&bytes[length..], length, encoding, input);
    }
    if let Some(label) = &input.source.format.encoding {
        let encoding = Encoding::for_label(label.trim().as_bytes()).ok_or_else(|| {
            Error::configuration(format!(
                "sources.{}.format.encoding: `{label}` names no encoding",
                input.source_name
            ))
            .help("a WHATWG label, such as utf-8, windows-1256 or utf-16le")
        })?;
        return strict(bytes, 0, encoding, input);
    }
    if let Some(encoding) = utf_16(bytes) {
        return strict(bytes, 0, encoding, input);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Decoded { text: Cow::Borrowed(text), replaced: false }),
        Err(_) => detected(bytes, input, warnings),
    }
}

fn strict<'a>(
    bytes: &'a [u8],
    offset: usize,
    encoding: &'static Encoding,
    input: &Input<'_>,
) -> Result<Decoded<'a>> {
    match encoding.decode_without_bom_handling_and_without_replacement(bytes) {
        Some(text) => Ok(Decoded { text, replaced: false }),
        None => {
            let position = offset + malformed_at(bytes, encoding);
            Err(input
                .data(format!("byte {position} (from 0) is not {}", encoding.name()))
                .help("export the file again, or name its encoding in format.encoding"))
        }
    }
}

/// Where the first sequence starts that is not of the encoding.
fn malformed_at(bytes: &[u8], encoding: &'static Encoding) -> usize {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut buffer = vec![0; 1 << 16];
    let mut at = 0;
    loop {
        let (result, read, _) =
            decoder.decode_to_utf8_without_replacement(&bytes[at..], &mut buffer, true);
        at += read;
        match result {
            DecoderResult::InputEmpty => return bytes.len(),
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(length, after) => {
                return at.saturating_sub(usize::from(length) + usize::from(after));
            }
        }
    }
}

/// UTF-16 without a mark: ASCII letters, digits and delimiters make every other byte zero.
fn utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = &bytes[..bytes.len().min(4096)];
    let zeros = |parity: usize| head.iter().skip(parity).step_by(2).filter(|b| **b == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let many = head.len() / 5;
    // A letter past ASCII may have a zero for its other byte: few are tolerated.
    if odd > many && even * 20 <= odd {
        Some(UTF_16LE)
    } else if even > many && odd * 20 <= even {
        Some(UTF_16BE)
    } else {
        None
    }
}

fn detected<'a>(
    bytes: &'a [u8],
    input: &Input<'_>,
    warnings: &mut Vec<String>,
) -> Result<Decoded<'a>> {
    let path = input.path;
    // Text of an older encoding is hardly ever valid UTF-8 past ASCII: a file with more such
    // characters than broken places is UTF-8 that was damaged, and guessing would garble all of it.
    let (characters, broken, torn) = utf_8_evidence(bytes);
    if characters > broken {
        if torn {
            return Err(input
                .data("the file ends inside a character: it is torn")
                .help("export the file again; nothing of it was read"));
        }
        warnings.push(format!("{path}: {broken} places are not UTF-8; their rows were refused"));
        let (text, _) = UTF_8.decode_without_bom_handling(bytes);
        return Ok(Decoded { text, replaced: true });
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let encoding = detector.guess(None, Utf8Detection::Deny);
    warnings.push(format!(
        "{path}: not UTF-8, read as {}, which was detected: name it in sources.{}.format.encoding",
        encoding.name(),
        input.source_name
    ));
    strict(bytes, 0, encoding, input)
}

/// How many characters past ASCII are valid UTF-8, how many places are not, and whether the last
/// of these is a character cut off by the file's end.
fn utf_8_evidence(bytes: &[u8]) -> (usize, usize, bool) {
    let (mut characters, mut broken) = (0, 0);
    let mut rest = bytes;
    loop {
        let (valid, error) = match std::str::from_utf8(rest) {
            Ok(text) => (text, None),
            // Valid by the error's own word; `unwrap_or` only for the type.
            Err(error) => {
                (std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or(""), Some(error))
            }
        };
        characters += valid.bytes().filter(|byte| *byte >= 0xC0).count();
        let Some(error) = error else { return (characters, broken, false) };
        broken += 1;
        match error.error_len() {
            Some(length) => rest = &rest[error.valid_up_to() + length..],
            None => return (characters, broken, true),
        }
    }
}
