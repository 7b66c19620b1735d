#!/usr/bin/env bash
# The programmes of reliability in their long form, and the page that says what they counted.
#   tests/reliability.sh          all of them, in their long form (about an hour on two cores)
#   tests/reliability.sh short    the form that every test run has (a few minutes)
set -euo pipefail
cd "$(dirname "$0")/.."
form="${1:-long}"
counts="$(mktemp)"
trap 'rm -f "$counts"' EXIT
export GOLIVE_COUNTS="$counts" GOLIVE_TESTS="$form" PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-20261129}"

programmes=(conduct:: crash:: crashfs:: disk:: durable faults:: fido:: fuzz io_errors:: recording simulation tamper::)
failed=0
# The short form counts samples: what the last long one counted stays on the page.
kept=""
if [ "$form" != long ]; then
  kept="$(awk '/^## /{keep = /^## The long forms/} keep' tests/RELIABILITY.md)"
fi
cargo test --locked --test it -- "${programmes[@]}" || failed=$?

{
  cat <<'PAGE'
# What golive promises, and what was counted

> Kill golive, the network, sshd or the power at any moment: no step runs twice, no output byte is
> lost, no acknowledged record disappears, and golive never says more than it knows.

Each table is one programme in `tests/it/`. A *trial* is one crash, breakage, failed call, night or
attack; a *violation* is a promise that did not hold. The programmes fail when they count one, so a
page with violations is never written by a green run. `tests/reliability.sh` writes this page anew;
without arguments it takes all points, not the sample of every test run.

PAGE
  jq -rs 'group_by(.programme)[] | . as $rows |
    "## \($rows[0].programme)\n\n| what | form | trials | violations |\n|---|---|---:|---:|",
    ($rows | sort_by(.what)[] |
      "| \(.what) | \(if .long then "all" else "sample" end) | \(.trials) | \(.violations) |"), ""' "$counts"
  if [ -n "$kept" ]; then printf '%s\n\n' "$kept"; fi
  cat <<'PAGE'
## Not promised

- Exactly-once *effects*: a step may die half-way, and what it had done by then is done.
- A host that lies about its own exit statuses, or a person who edits the spool as the same user.
- Disks that lie about a flush, and hosts without any means to sync (golive says so: `sync=none`).
- Hosts without hard links, or without `setsid`, perl or python3: a step there ends with its link,
  and golive says so by name.
- Root on the operator's machine during the run, or a malicious terminal emulator.
- Power cuts were tried on ext4, xfs and btrfs in a loop image with an honest disk; ZFS, NFS and overlays
  were not.
PAGE
} >tests/RELIABILITY.md
echo "tests/RELIABILITY.md: $(jq -s 'map(.trials) | add // 0' "$counts") trials, $(jq -s 'map(.violations) | add // 0' "$counts") violations"
exit "$failed"
