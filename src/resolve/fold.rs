//! The name functions that comparisons need: those that pipelines call in SQL, so that a name is
//! folded in one way everywhere.
//!
//! Knows which they are; refuses to know which comparison asks.

pub(crate) use crate::functions::nickname::nickname_root;
pub(crate) use crate::functions::script::text_fold;
pub(crate) use crate::functions::skeleton::name_skeleton;
