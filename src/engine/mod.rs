//! The only place that executes: the session, its memory and spill, object stores, and what stages
//! hand over. Stages describe (`DataFrame`) or compute (Arrow batches); nothing here knows what
//! the tables mean.
//!
//! Foreign messages end here: Arrow, DataFusion and Parquet quote values in their errors, so what
//! leaves this module names the kind of failure and the place, never the value.

mod columns;
mod expressions;
mod guard;
mod pairs;
mod pool;
mod session;
mod shared;
mod staging;
mod store;
mod whole;
mod windows;
mod write;

pub use columns::{ColumnLineage, Use, UsedColumn};
pub use expressions::RowPlan;
pub use guard::refuse_unstable;
pub use pairs::{PairConditions, PairPlan};
pub use session::{Engine, Options, STACK, parse_size, run_blocking};
pub use staging::{Attempt, Done, StagedTable, Staging};
pub use store::{Created, Listed, Store, refused_by_disk};
pub use write::{WriteOptions, Written};
