#!/usr/bin/env bash
# Every test of golive: format, lints, tests, documentation. Never skips silently: what a test
# needs and this machine lacks is installed from Debian, or named so that you can install it.
set -euo pipefail
cd "$(dirname "$0")/.."

# program:package
needs=(sshd:openssh-server ssh:openssh-client ssh-keygen:openssh-client ssh-agent:openssh-client
       strace:strace dash:dash busybox:busybox ksh93:ksh mksh:mksh yash:yash zsh:zsh posh:posh
       csh:csh tcsh:tcsh fish:fish pgrep:procps mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs unshare:util-linux jq:jq sha256sum:coreutils cc:gcc
       psql:postgresql-client haproxy:haproxy socat:socat setpriv:util-linux)
missing=()
for need in "${needs[@]}"; do
  PATH="$PATH:/usr/sbin" command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql)
python3 -c 'import jsonschema, tomllib' 2>/dev/null || missing+=(python3 python3-jsonschema)
if [ "${#missing[@]}" -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "tests/run.sh: installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "tests/run.sh: please install first: ${missing[*]}" >&2
    echo "  Debian, Ubuntu: sudo apt-get install ${missing[*]}" >&2
    exit 1
  fi
fi
python3 -c 'import jsonschema, tomllib' 2>/dev/null || { echo "tests/run.sh: $(command -v python3) lacks jsonschema, or is older than 3.11: please install it for that one" >&2; exit 1; }
command -v cargo >/dev/null || { echo "tests/run.sh: please install Rust 1.95 or later: cargo is missing" >&2; exit 1; }

# sshd refuses to start as root without the folder that its package makes at boot.
if [ "$(id -u)" = 0 ]; then mkdir -p /run/sshd; fi

# The same random nights on every machine; set another seed to look for new ones.
export PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-20261129}"

say() { printf '\n== %s\n' "$*"; }
say "format";        cargo fmt --check
say "lints";         cargo clippy --all-targets --locked -- -D warnings
say "tests";         cargo test --locked
say "documentation"; RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --locked
say "all passed"
