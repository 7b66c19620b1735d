"""One step on many hosts at once: golive beside ClusterShell, Ansible and parallel ssh, in one run.

    python3 tests/bench/batch.py [--hosts N] [--runs N] [--golive PROGRAM]

200 servers on loopback by default, one wave on all of them. The parts are those of `bench.py`:
rounds alternate, every run is checked by what the servers were asked for.
"""
import argparse
import os
import pathlib
import tempfile

from bench import Bench
from fleet import Fleet


class Batch(Bench):
    """The same, with all hosts in one wave."""

    def runbook(self, dir, hosts, commands):
        super().runbook(dir, hosts, commands)
        book = dir / "book.toml"
        book.write_text(book.read_text().replace('on = "@all"', 'on = "@all"\nbatch = ["100%"]'))


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=200, help="servers (200; at most 254)")
    parser.add_argument("--runs", type=int, default=5, help="rounds (5)")
    parser.add_argument("--golive", type=pathlib.Path, default=root / "target/release/golive")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{args.hosts} hosts: {os.cpu_count()} cores, load {load:.1f} at the start, {args.runs} rounds")
    with tempfile.TemporaryDirectory(prefix="gl") as work, Fleet(work, args.hosts) as fleet:
        bench = Batch(fleet, work, args.golive.resolve(), args.runs)
        bench.steps(f"1 step on {args.hosts} hosts in one wave", args.hosts, 1,
                    {"golive": "golive", "ssh, xargs -P": "ssh", "ClusterShell": "clush",
                     "Ansible, raw": "ansible"})


if __name__ == "__main__":
    main()
