//! Arguments to exit code; everything else lives in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    simurgh::cli::main()
}
