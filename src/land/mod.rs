//! Landing: staged tables into Delta Lake, plain Parquet and the chain of manifests, as one
//! transaction over many tables.
//!
//! Beside `report`, this is the one stage that talks to the store itself: what it does *is* the
//! writing. It knows tables by name, growth and key, and nothing of what they mean.

pub mod delta;
mod publish;
mod published;
mod settings;
mod verify;

pub use publish::{Draft, Publication, check_format, publish, recover, refuse_other_formats};
pub use published::{History, Published};
pub use settings::*;
pub use verify::{Finding, Verified, verify};
