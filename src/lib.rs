//! simurgh reads many exports and finds the one customer in them.
//!
//! The map of the house, in the order data flows:
//!
//! | module | knows |
//! |---|---|
//! | [`cli`] | a file a command: parse, load, delegate, print |
//! | [`config`] | pipeline files: raw, resolved, and every error at once |
//! | [`consent`] | what was stated of each purpose, and what holds where nothing was |
//! | [`contract`] | data contracts (ODCS), as Arrow schemas and row checks |
//! | [`tables`] | names and schemas of all tables between stages |
//! | [`pipeline`] | every stage, in order; the only file that names them all |
//! | [`engine`] | the only place that executes: session, memory, spill, object stores |
//! | [`functions`] | SQL functions, a file each |
//! | [`extract`] | exports to rows: a file a format; quarantine |
//! | [`clean`] | rows to conformed records and facts |
//! | [`resolve`] | records to entities: block, compare, score, cluster, identify |
//! | [`infer`] | what columns mean, and a pipeline for them, where nobody says |
//! | [`golden`] | entities to golden customers: survivorship, lineage, relations |
//! | `pipelines/<name>/*.sql` | golden customers to the customer-360 tables: the stages enrich and profile are SQL
//! | [`profile`] | what these need and SQL cannot say: computations, a file each
//! | [`land`] | tables to Delta Lake, plain Parquet and the run's manifest |
//! | [`report`] | run results, HTML, OpenLineage events |
//! | [`keyed`] | keyed hashes of personal values
//! | [`limit`] | a bound that a pipeline sets: so many, or a share
//! | `allocator` | the allocator, and how long it keeps what is free
//! | [`memory`] | what the process may hold, and who is at work |
//! | `random` | random numbers of a seed
//! | `intern` | numbers for texts and keys
//! | `threads` | pieces of work on threads, results in order
//! | [`error`] | errors by what the reader does next; exit codes |
//!
//! What the program leaves on disk, under the warehouse, and who owns it:
//!
//! | path | owner |
//! |---|---|
//! | `tables/<name>/` | [`land`]: Delta tables |
//! | `exports/<name>/date=.../` | [`land`]: plain Parquet |
//! | `runs/seq/<n>.json`, `runs/plan/<n>.json`, `runs/current.json` | [`land`]: what is published, and what is being published |
//! | `runs/<run_id>/manifest.json` | [`land`] |
//! | `runs/<run_id>/run_results.json`, `report.html`, `results.b3` | [`report`] |
//! | `models/<hash>.json` | [`resolve`], written by [`land`] |
//! | `staging/<run_id>/<stage>/<attempt>/` | [`engine`]: what stages hand over |
//! | `erasures/hashes/<id>.json`, `erasures/replaced.json` | [`pipeline`], at `forget`: who stays out, and which files stand in place of others |
//! | `format.json` | [`land`]: the layout's version |

mod allocator;
pub mod clean;
pub mod cli;
pub mod config;
pub mod consent;
pub mod contract;
pub mod engine;
pub mod error;
pub mod extract;
pub mod functions;
pub mod golden;
pub mod infer;
mod intern;
pub mod keyed;
pub mod land;
pub mod limit;
pub mod memory;
pub mod pipeline;
pub mod profile;
mod random;
pub mod report;
pub mod resolve;
pub mod tables;
mod threads;

pub use error::{Error, Result};
