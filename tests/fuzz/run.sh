#!/bin/sh
# Fuzzes every target for SECONDS_EACH (60): with cargo-fuzz where it and a nightly compiler are
# there, else with the driver of the test program.
set -eu
cd "$(dirname "$0")/../.."
secs=${SECONDS_EACH:-60}
if cargo +nightly fuzz --version >/dev/null 2>&1; then
    for corpus in tests/fuzz/corpus/*/; do
        target=$(basename "$corpus")
        # No sanitizer: there is no unsafe code of ours to watch.
        cargo +nightly fuzz run -s none --fuzz-dir tests/fuzz "$target" "$corpus" -- -max_total_time="$secs" -max_len=16384
    done
else
    GOLIVE_TESTS=long GOLIVE_FUZZ_SECONDS=$secs cargo test --locked --test it fuzz:: -- --nocapture
fi
