//! The integration tests, in one binary: the real program, run as a person or a scheduler runs it,
//! against a local disk and against an S3 server in this process.
//!
//! | module | knows |
//! |---|---|
//! | `program` | how to run the binary, and the pipeline it runs |
//! | `store` | where a warehouse can stand: a folder, a bucket |
//! | `s3` | an S3 server in process |
//! | `fault` | a proxy before it that breaks one request, and the walk over all of them |
//! | `warehouse` | what a run left behind, read without the program's own code |
//! | `suite` | what must hold on every store |
//! | `forget` | people who are forgotten, searched for in every byte |
//! | `history` | tables that grow by what each run adds |
//! | `look` | commands that look at one customer |
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
//! `SIMURGH_FULL=1` (the whole walk of `fault`, however long it takes),
//! `SIMURGH_FORGET` (how many people `forget` plants and forgets; 12, and 1,000 with
//! `SIMURGH_FULL`), `SIMURGH_PROGRAM` (another build of the program than Cargo's),
//! `SIMURGH_WRITE_DOCS=1` (`wrong` writes its rows of `docs/errors.md`).

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests stop at once")]

mod architecture;
mod audit;
mod backfill;
mod canary;
mod consent;
mod dedupe;
mod fault;
mod forget;
mod history;
mod inspect;
mod kill;
mod lineage;
mod look;
mod program;
mod results;
mod runs;
mod s3;
mod store;
mod suite;
mod verify;
mod warehouse;
mod wrong;
