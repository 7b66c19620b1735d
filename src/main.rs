//! The program: hands the command line to [`golive::cli`] and exits with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    golive::cli::main(std::env::args_os())
}
