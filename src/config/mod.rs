//! Pipeline files: raw (serde, no logic), resolved (names to typed things), every error at once.

pub mod raw;
