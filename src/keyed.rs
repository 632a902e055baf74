//! Keyed hashes of personal values: HMAC-SHA256 under `SIMURGH_HASH_KEY`.
//!
//! Knows the key and how a message is framed; refuses to know what the values are. A plain hash of a
//! phone number is found by trying phone numbers; with a key only its holder can try. Without a key
//! nothing is hashed: there is no default, and no weaker hash in its place.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::{Error, Result};

/// The variable of the environment that holds the key.
pub const VARIABLE: &str = "SIMURGH_HASH_KEY";

/// The fewest bytes of a key: what is shorter can be found by trying.
const LEAST: usize = 16;

/// A key, ready to hash. It is never shown.
#[derive(Clone)]
pub struct HashKey {
    mac: Hmac<Sha256>,
    id: String,
}

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HashKey({})", self.id)
    }
}

impl HashKey {
    /// A key of these bytes.
    ///
    /// # Errors
    /// A key that is too short to be one.
    pub fn new(key: &[u8]) -> Result<Self> {
        if key.len() < LEAST {
            return Err(Error::configuration(format!(
                "{VARIABLE} has {} bytes, and a key needs {LEAST}",
                key.len()
            ))
            .help("make one with: openssl rand -hex 32"));
        }
        // HMAC takes a key of any length (RFC 2104).
        let mac =
            Hmac::<Sha256>::new_from_slice(key).map_err(|_| Error::bug("HMAC refused a key"))?;
        let mut own = Self { mac, id: String::new() };
        own.id = own.hash("key", b"")[..16].to_owned();
        Ok(own)
    }

    /// The key of an environment; none where the variable is not set, or is empty.
    ///
    /// # Errors
    /// A key that is too short to be one.
    pub fn of(environment: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        match environment(VARIABLE).filter(|key| !key.is_empty()) {
            Some(key) => Self::new(key.as_bytes()).map(Some),
            None => Ok(None),
        }
    }

    /// The key of this process's environment.
    ///
    /// # Errors
    /// A key that is too short to be one.
    pub fn of_process() -> Result<Option<Self>> {
        Self::of(&|name| std::env::var(name).ok())
    }

    /// What tells this key from another and does not give it away: 16 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The first 128 bits, in hexadecimal, of HMAC-SHA256 over the purpose, a zero byte and the
    /// message: one value has other hashes for other purposes.
    pub fn hash(&self, purpose: &str, message: &[u8]) -> String {
        use std::fmt::Write;
        let mut mac = self.mac.clone();
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(message);
        let bytes = mac.finalize().into_bytes();
        bytes.iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Python's `hmac.new(key, b"value\0" + message, "sha256").hexdigest()[:32]` gives them.
    #[test]
    fn a_hash_is_that_of_every_other_hmac() {
        let key = HashKey::new(b"0123456789abcdef").unwrap();
        assert_eq!(key.hash("value", br#"["email","a@b.c"]"#), "cbdc33459c7364451f5833a50cb5e821");
        assert_eq!(key.id(), "58bbb65a64502ca4");
        assert_ne!(key.hash("value", b"x"), key.hash("term", b"x"));
    }

    #[test]
    fn a_key_is_not_shown_and_a_short_one_is_refused() {
        let key = HashKey::new(b"correct horse battery staple").unwrap();
        assert!(!format!("{key:?}").contains("horse"));
        let error = HashKey::new(b"short").unwrap_err();
        assert!(error.to_string().contains("5 bytes") && error.advice().is_some());
        assert!(HashKey::of(&|_| Some(String::new())).unwrap().is_none());
        assert!(HashKey::of(&|_| None).unwrap().is_none());
    }
}
