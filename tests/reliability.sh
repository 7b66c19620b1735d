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
programmes=("$@")
[ $# -gt 0 ] || programmes=(conduct:: crash:: crashfs:: disk:: durable faults:: fido:: fuzz io_errors:: recording simulation tamper:: unrecorded::)
counts="$(mktemp)"
trap 'rm -f "$counts"' EXIT
export GOLIVE_COUNTS="$counts" GOLIVE_TESTS="$form" PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-20261129}"

failed=0
cargo test --locked --test it -- "${programmes[@]}" || failed=$?

python3 - "$counts" tests/RELIABILITY.md <<'PY'
import json, pathlib, re, sys

counts, page = map(pathlib.Path, sys.argv[1:])
tables = {}
if page.exists():
    for title, body in re.findall(r"^## (.*)\n\n(.*?)(?=^## |\Z)", page.read_text(), re.M | re.S):
        if body.startswith("| what |"):
            tables[title] = body.strip()
rows = {}
for line in counts.read_text().splitlines():
    row = json.loads(line)
    rows.setdefault(row["programme"], []).append(row)
for programme, found in rows.items():
    long = any(row["long"] for row in found)
    if not long and "| all |" in tables.get(programme, ""):
        continue
    table = ["| what | form | trials | violations |", "|---|---|---:|---:|"]
    for row in sorted(found, key=lambda row: row["what"]):
        how = "all" if row["long"] else "sample"
        table.append(f"| {row['what']} | {how} | {row['trials']} | {row['violations']} |")
    tables[programme] = "\n".join(table)
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
- Hosts without hard links, or without `setsid`, perl or python3: a step there ends with its link,
  and golive says so by name.
- Root on the operator's machine during the run, or a malicious terminal emulator.
- Power cuts were tried on ext4, xfs and btrfs in a loop image with an honest disk; ZFS, NFS and overlays
  were not.
"""
sections = [f"## {title}\n\n{table}\n" for title, table in sorted(tables.items())]
page.write_text("\n".join([head, *sections, tail]))
found = [row for some in rows.values() for row in some]
total = lambda key: sum(row[key] for row in found)
print(f"{page}: {total('trials')} trials, {total('violations')} violations")
PY
exit "$failed"
