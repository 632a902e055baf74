//! The integration tests, in one binary: the real program, run as a person or a scheduler runs it,
//! against a local disk and against an S3 server in this process.
//!
//! | module | knows |
//! |---|---|
//! | `program` | how to run the binary, and the pipeline it runs |
//! | `store` | where a warehouse can stand: a folder, a bucket |
//! | `s3` | an S3 server in process |
//! | `fault` | a proxy before it that breaks one request, and the walk over all of them |
//! | `storm` | runs through that proxy that meet broken answers all the way |
//! | `disk` | runs on a disk that fills up |
//! | `crowd` | eight processes at once |
//! | `bounds` | runs held to their memory and their time |
//! | `corpus` | thousands of malformed files |
//! | `secrets` | where secrets do not stand |
//! | `warehouse` | what a run left behind, read without the program's own code |
//! | `suite` | what must hold on every store |
//! | `forget` | people who are forgotten, searched for in every byte |
//! | `history` | tables that grow by what each run adds |
//! | `incremental` | days resolved by what changed, beside days resolved from nothing |
//! | `look` | commands that look at one customer |
//! | `steward` | what stewards decide and the next run obeys; what auditors are told |
//! | `inspect` | the commands by which resolution is looked at |
//! | `kill` | runs killed at any moment |
//! | `lineage` | OpenLineage events, as a listener receives them |
//! | `verify` | what is found of a warehouse that was altered |
//! | `audit` | audit bundles, and forgeries of them |
//! | `canary` | planted values, and everything that a run says of itself |
//! | `consent` | what customers allow, and exports without values |
//! | `dedupe` | files to entities with no settings, whatever their format and order |
//! | `results` | what a run leaves for machines |
//! | `runs` | runs compared, stopped by their limits, rolled back, maintained, replayed |
//! | `wrong` | every wrong input, and `docs/errors.md` |
//!
//! Settings, by environment: `SIMURGH_KILLS` (how many runs `kill` kills, 50 unless told),
//! `SIMURGH_OFFSETS`, `SIMURGH_STORMS`, `SIMURGH_CROWDS`, `SIMURGH_CORPUS`, `SIMURGH_MEMORY_RECORDS`
//! (how often `disk`, `storm`, `crowd`, `corpus` try, and the records of `bounds`),
//! `SIMURGH_FULL=1` (the whole walk of `fault`, however long it takes),
//! `SIMURGH_FORGET` (how many people `forget` plants and forgets; 12, and 1,000 with
//! `SIMURGH_FULL`), `SIMURGH_PROGRAM` (another build of the program than Cargo's),
//! `SIMURGH_UPDATE=1` (`wrong` writes its rows of `docs/errors.md`).

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests stop at once")]

mod architecture;
mod audit;
mod backfill;
mod bounds;
mod canary;
mod consent;
mod corpus;
mod crowd;
mod dedupe;
mod disk;
mod fault;
mod forget;
mod history;
mod incremental;
mod inspect;
mod kill;
mod lineage;
mod look;
mod program;
mod results;
mod runs;
mod s3;
mod secrets;
mod steward;
mod store;
mod storm;
mod suite;
mod verify;
mod warehouse;
mod wrong;
