#!/usr/bin/env bash
# The programmes of reliability in their long form, and the page that says what they counted.
#   tests/reliability.sh                  all of them, in their long form (about an hour on two cores)
#   tests/reliability.sh long NAME...     those whose tests have such a name; the other tables stay
#   tests/reliability.sh short [NAME...]  the form that every test run has (a few minutes); a table
#                                         of a long form stays
set -euo pipefail
cd "$(dirname "$0")/.."
form="${1:-long}"
shift || true
programmes=("$@") named="$#"
[ $# -gt 0 ] || programmes=(conduct:: crash:: crashfs:: disk:: durable faults:: fido:: fuzz io_errors:: recording simulation tamper:: unrecorded::)
counts="$(mktemp)"
trap 'rm -f "$counts"' EXIT
export GOLIVE_COUNTS="$counts" GOLIVE_TESTS="$form" PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-20261129}"

failed=0
cargo test --locked --test it -- "${programmes[@]}" || failed=$?

python3 - "$counts" tests/RELIABILITY.md "$named" <<'PY'
import json, pathlib, sys

counts, page, named = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3] != "0"
tables, rows = {}, {}
for section in page.read_text().split("\n## ")[1:]:
    title, *lines = section.split("\n")
    old = [line for line in lines if line.endswith(" |") and not line.startswith("| what")]
    if old:
        tables[title] = {line.split(" | ")[0]: line for line in old}
for line in counts.read_text().splitlines():
    row = json.loads(line)
    how = "all" if row["long"] else "sample"
    what = f"| {row['what']}"
    line = f"{what} | {how} | {row['trials']} | {row['violations']} |"
    rows.setdefault(row["programme"], {})[what] = line
for programme, found in rows.items():
    old = tables.get(programme, {})
    if any("| sample |" in line for line in found.values()) and any("| all |" in line for line in old.values()):
        continue
    # Rows of tests that were not asked for stay.
    tables[programme] = {**(old if named else {}), **found}
head = """# What golive promises, and what was counted

> Kill golive, the network, sshd or the power at any moment: no step runs twice, no output byte is
> lost, no acknowledged record disappears, and golive never says more than it knows.

Each table is one programme in `tests/it/`. A *trial* is one crash, breakage, failed call, night or
attack; a *violation* is a promise that did not hold. The programmes fail when they count one, so a
page with violations is never written by a green run. `tests/reliability.sh` writes this page anew;
without arguments it takes all points, not the sample of every test run.
"""
tail = """## Not promised

- Exactly-once *effects*: a step may die half-way, and what it had done by then is done.
- A host that lies about its own exit statuses, or a person who edits the spool as the same user.
- Disks that lie about a flush, and hosts without any means to sync (golive says so: `sync=none`).
- A host that loses its records before golive's own record has heard of them, while golive is not
  running: a step that was just being started there is said never to have run.
- Hosts without hard links, or without `setsid`, perl or python3: a step there ends with its link,
  and golive says so by name.
- Root on the operator's machine during the run, or a malicious terminal emulator.
- Power cuts were tried on ext4, xfs and btrfs in a loop image with an honest disk; ZFS, NFS and overlays
  were not.
"""
table = lambda rows: "\n".join(line for _, line in sorted(rows.items()))
top = "| what | form | trials | violations |\n|---|---|---:|---:|"
sections = [f"## {title}\n\n{top}\n{table(rows)}\n" for title, rows in sorted(tables.items())]
page.write_text("\n".join([head, *sections, tail]))
found = [json.loads(line) for line in counts.read_text().splitlines()]
total = lambda key: sum(row[key] for row in found)
print(f"{page}: {total('trials')} trials, {total('violations')} violations")
PY
exit "$failed"
