//! The functions that comparisons need: those that pipelines call in SQL, so that a name, an address
//! or a code is read in one way everywhere.
//!
//! Knows which they are; refuses to know which comparison asks.

pub(crate) use crate::functions::address::{Address, before_near, is_near, kind};
pub(crate) use crate::functions::country::country_code;
pub(crate) use crate::functions::email::{email_is_settled, email_normalise, email_user};
pub(crate) use crate::functions::names::person_name_clean;
pub(crate) use crate::functions::nickname::nickname_root;
pub(crate) use crate::functions::postcode::postcode_normalise;
pub(crate) use crate::functions::script::text_fold;
pub(crate) use crate::functions::skeleton::name_skeleton;
