"""A big file to hosts: golive's `upload` beside `sftp` and `scp`, in one run.

    python3 tests/bench/upload.py [--mib N] [--fan-mib N] [--fan N] [--runs N] [--golive PROGRAM]

First 1 GiB to one host, then 100 MiB to each of 20, one after the other on one connection each at
the same time. All servers are on this machine and share its disk, so every host gets a name of its
own for the file: in golive that is a step for each host, all of them ready at once. golive also
takes the digest of what arrived and syncs it before it puts it in its place; `sftp` and `scp` do
neither. Rounds alternate; after each, what arrived is compared byte for byte.
"""
import argparse
import filecmp
import os
import pathlib
import shutil
import tempfile

from bench import Bench
from fleet import CONFIG, Fleet
import fleet as fleets


class Upload(Bench):
    """One file to some hosts."""

    def source(self, mib):
        path = self.work / f"{mib}.bin"
        if not path.exists():
            block = os.urandom(1 << 20)
            with path.open("wb") as file:
                for number in range(mib):
                    file.write(number.to_bytes(8) + block[8:])
        return path

    def run_golive(self, dir, hosts, source):
        text = ['golive = 1', '[runbook]', 'id = "bench"', 'title = "Bench"', 'strategy = "direct"']
        for number, host in enumerate(self.fleet.hosts[:hosts]):
            text += [f"[hosts.h{number}]", f'address = "{host}"', f"port = {self.fleet.port}",
                     f'user = "{self.fleet.user}"', f'identity = "{self.fleet.dir}/user"']
        text += ["[[phase]]", 'id = "p"', 'title = "All"']
        for number in range(hosts):
            text += ["[[phase.step]]", f'id = "s{number}"', f'on = "h{number}"', "needs = []",
                     f'upload = {{ from = "{source.name}", to = "{dir}/to/{number}" }}',
                     'estimate = "1m"', 'timeout = "30m"', 'undo = { run = "true", estimate = "1s" }']
        (dir / "book.toml").write_text("\n".join(text) + "\n")
        os.link(source, dir / source.name)
        return self.timed(dir, [self.golive, "run", "--kind", "rehearsal", "--confirm", "change",
                                "book.toml"])

    def run_sftp(self, dir, hosts, source):
        for number in range(hosts):
            (dir / f"batch.{number}").write_text(f"put {source} {dir}/to/{number}\n")
        one = f"sftp -q -F {self.fleet.ssh_config} -b {dir}/batch.$0 127.0.1.$(($0 + 1)) >/dev/null"
        return self.shell(dir, f"seq 0 {hosts - 1} | xargs -P {hosts} -I@ bash -ec '{one}' @")

    def run_scp(self, dir, hosts, source):
        one = f"scp -q -F {self.fleet.ssh_config} {source} 127.0.1.$(($0 + 1)):{dir}/to/$0"
        return self.shell(dir, f"seq 0 {hosts - 1} | xargs -P {hosts} -I@ bash -ec '{one}' @")

    def upload(self, hosts, mib):
        print(f"\n### {mib} MiB to {hosts} host{'s' if hosts > 1 else ''}\n")
        source = self.source(mib)
        found = {"golive": [], "sftp": [], "scp": []}
        runner = {"golive": self.run_golive, "sftp": self.run_sftp, "scp": self.run_scp}
        for _ in range(self.runs):
            for name, taken in found.items():
                dir = self.fresh()
                (dir / "to").mkdir()
                taken.append(runner[name](dir, hosts, source))
                for number in range(hosts):
                    if not filecmp.cmp(source, dir / "to" / str(number), shallow=False):
                        raise SystemExit(f"{name}: file {number} is not what was sent")
                shutil.rmtree(dir)
        self.table(found, [], memory=True)


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="size of the file for one host (1024)")
    parser.add_argument("--fan-mib", type=int, default=100, help="size for many hosts (100)")
    parser.add_argument("--fan", type=int, default=20, help="how many hosts (20)")
    parser.add_argument("--runs", type=int, default=3, help="rounds (3)")
    parser.add_argument("--golive", type=pathlib.Path, default=root / "target/release/golive")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"uploads: {os.cpu_count()} cores, load {load:.1f} at the start, {args.runs} rounds")
    fleets.CONFIG = CONFIG + "Subsystem sftp internal-sftp\n"
    with tempfile.TemporaryDirectory(prefix="gl", dir="/var/tmp") as work, Fleet(work, args.fan) as fleet:
        bench = Upload(fleet, work, args.golive.resolve(), args.runs)
        bench.upload(1, args.mib)
        bench.upload(args.fan, args.fan_mib)


if __name__ == "__main__":
    main()
