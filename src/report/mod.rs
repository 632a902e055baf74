//! Run results, and what the contracts say of tables.

mod dictionary;

pub use dictionary::markdown;
