#!/usr/bin/env bash
# How fast golive is beside what one would use instead: prints tables of ratios, taken in one run.
#   tests/bench/run.sh [--runs N] [--only a,b,c,d,e] [--golive PROGRAM]
# Its servers are its own: sshd processes of the user who calls it, on loopback, with new keys.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"

missing=()
PATH="$PATH:/usr/sbin"
for need in sshd:openssh-server ssh:openssh-client ssh-keygen:openssh-client python3:python3; do
  command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
if [ "${#missing[@]}" -gt 0 ]; then
  echo "tests/bench/run.sh: please install first: ${missing[*]}" >&2
  exit 1
fi
case " $* " in
  *" --golive "*) ;;
  *) (cd "$here/../.." && cargo build --release --locked) ;;
esac
PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/bench.py" "$@"
