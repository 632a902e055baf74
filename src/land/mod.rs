//! Landing: staged tables into Delta Lake, plain Parquet and the chain of manifests, as one
//! transaction over many tables.
//!
//! Beside `report`, this is the one stage that talks to the store itself: what it does *is* the
//! writing. It knows tables by name, growth and key, and nothing of what they mean.

mod command;
pub mod delta;
mod format;
mod publish;
mod published;
mod settings;
mod standing;
mod verify;

pub use command::{Command, leaves, manifest_of};
pub use format::{check_format, migrate, refuse_other_formats};
pub use publish::{Draft, Origin, Publication, publish, recover};
pub use published::{History, MAINTAIN, Published, ROLLBACK};
pub use settings::*;
pub use standing::Removed;
pub use verify::{Finding, Verified, verify};
