"""One step on many hosts at once: golive beside ClusterShell, Ansible and parallel ssh, in one run.

    python3 tests/bench/batch.py [--hosts N] [--runs N] [--golive PROGRAM]

200 servers on loopback by default, one wave on all of them. The step appends a line to a file of
its host, by which every run is checked: each host ran it once. Rounds alternate. golive is taken
twice: with a step that outlives its link, as steps do unless they say otherwise, and with one that
does not, as with the others.
"""
import argparse
import os
import pathlib
import shutil
import tempfile

from bench import Bench
from fleet import Fleet


class Batch(Bench):
    """The same step for all, with all hosts in one wave."""

    STEP = "echo ran >> $HOME/ran"

    def runbook(self, dir, hosts, commands):
        super().runbook(dir, hosts, commands)
        book = dir / "book.toml"
        how = 'on = "@all"\nbatch = ["100%"]' + ("" if self.durable else "\ndetached = false")
        book.write_text(book.read_text().replace('on = "@all"', how))

    def run_durable(self, dir, hosts):
        self.durable = True
        self.runbook(dir, hosts, [self.STEP])
        return self.timed(dir, [self.golive, "run", "--kind", "rehearsal", "--confirm", "change",
                                "book.toml"])

    def run_plain(self, dir, hosts):
        self.durable = False
        self.runbook(dir, hosts, [self.STEP])
        return self.timed(dir, [self.golive, "run", "--kind", "rehearsal", "--confirm", "change",
                                "book.toml"])

    def run_parallel_ssh(self, dir, hosts):
        (dir / "hosts").write_text("\n".join(self.fleet.hosts[:hosts]) + "\n")
        (dir / "step").write_text(self.STEP)
        once = f"ssh -F {self.fleet.ssh_config} -n \"$0\" \"$(cat step)\""
        return self.shell(dir, f"xargs -a hosts -P {hosts} -I@ bash -ec '{once}' @")

    def run_clustershell(self, dir, hosts):
        where = ",".join(self.fleet.hosts[:hosts])
        return self.timed(dir, ["clush", "-q", "-S", "-f", hosts, "-w", where, "-o",
                                f"-F {self.fleet.ssh_config}", self.STEP])

    def run_raw(self, dir, hosts):
        (dir / "ansible.cfg").write_text(
            f"[defaults]\nforks = {hosts}\nhost_key_checking = False\n"
            f"[ssh_connection]\nssh_args = -F {self.fleet.ssh_config} {self.shared(dir)}\n")
        where = "".join(f"{host}," for host in self.fleet.hosts[:hosts])
        return self.timed(dir, ["ansible", "all", "-i", where, "-m", "raw", "-a", self.STEP])

    def batch(self, hosts):
        print(f"\n### 1 step on {hosts} hosts in one wave\n")
        programs = {
            "golive": (self.run_plain, self.golive),
            "golive, durable": (self.run_durable, self.golive),
            "ssh, xargs -P": (self.run_parallel_ssh, "ssh"),
            "ClusterShell": (self.run_clustershell, "clush"),
            "Ansible, raw": (self.run_raw, "ansible"),
        }
        absent = [name for name, (_, program) in programs.items() if not shutil.which(program)]
        found = {name: [] for name in programs if name not in absent}
        for _ in range(self.runs):
            for name, taken in found.items():
                dir = self.fresh()
                taken.append(programs[name][0](dir, hosts))
                self.end_masters(dir)
                for host in self.fleet.hosts[:hosts]:
                    mark = self.fleet.home(host) / "ran"
                    if not mark.exists() or mark.read_text() != "ran\n":
                        raise SystemExit(f"{name}: {host} did not run it once")
                    mark.unlink()
                shutil.rmtree(dir)
        self.table(found, absent, memory=True)


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
        bench.batch(args.hosts)


if __name__ == "__main__":
    main()
