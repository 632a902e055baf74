//! See the module's settings.

mod settings;

pub use settings::*;
