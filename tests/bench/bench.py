"""Measures golive beside other programs on the same work, and prints tables of ratios.

Every workload runs in rounds: each program once a round, so that whatever else the machine does
meets all of them. Every run is checked: exit codes, and that the servers were asked for exactly
as many commands as the work has.
"""
import argparse
import hashlib
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

from fleet import Fleet
from terminal import Terminal

LINES = 1_000_000
PAGE_UP, END = "\x1b[5~", "\x1b[F"
ABSENT = "not installed"


class Bench:
    """The fleet, a place for scratch files, and the program to measure."""

    def __init__(self, fleet, work, golive, runs):
        self.fleet, self.work, self.golive, self.runs = fleet, pathlib.Path(work), golive, runs
        self.home = self.work / "home"
        (self.home / ".ssh").mkdir(parents=True)
        shutil.copy(fleet.dir / "known_hosts", self.home / ".ssh/known_hosts")
        self.count = 0

    def fresh(self):
        """A new empty directory with a short name: a control socket's path must fit."""
        self.count += 1
        path = self.work / str(self.count)
        path.mkdir()
        return path

    def runbook(self, dir, hosts, commands):
        text = ['golive = 1', '[runbook]', 'id = "bench"', 'title = "Bench"', 'strategy = "direct"']
        names = ", ".join(f'"h{number}"' for number in range(hosts))
        text += ["[groups]", f"all = [{names}]"]
        for number, host in enumerate(self.fleet.hosts[:hosts]):
            text += [f"[hosts.h{number}]", f'address = "{host}"', f"port = {self.fleet.port}",
                     f'user = "{self.fleet.user}"', f'identity = "{self.fleet.dir}/user"']
        text += ["[[phase]]", 'id = "p"', 'title = "All"']
        for number, command in enumerate(commands):
            text += ["[[phase.step]]", f'id = "s{number}"', f'title = "Step {number}"', 'on = "@all"',
                     f"run = '{command}'", 'estimate = "1s"', 'timeout = "10m"',
                     'undo = { run = "true", estimate = "1s" }']
        (dir / "book.toml").write_text("\n".join(text) + "\n")

    def env(self, dir):
        env = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
        return env | {"HOME": str(self.home), "GOLIVE_STATE": str(dir / "state"),
                      "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}

    def timed(self, dir, command, stdout=subprocess.DEVNULL):
        """Seconds, and the most memory of one process in MB."""
        began = time.monotonic()
        child = subprocess.Popen([str(word) for word in command], env=self.env(dir), cwd=dir,
                                 stdin=subprocess.DEVNULL, stdout=stdout,
                                 stderr=open(dir / "stderr", "wb"))
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            said = (dir / "stderr").read_text(errors="replace")
            raise SystemExit(f"{command[0]} ended with {child.returncode}: {said}")
        return wall, usage.ru_maxrss / 1024

    def shell(self, dir, script):
        return self.timed(dir, ["bash", "-ec", script])

    # Each program runs `steps` commands on `hosts` hosts, a barrier after each.

    def run_golive(self, dir, hosts, steps):
        self.runbook(dir, hosts, ["true"] * steps)
        return self.timed(dir, [self.golive, "run", "--kind", "rehearsal", "--confirm", "change",
                                "book.toml"])

    def run_ssh(self, dir, hosts, steps):
        """One connection a host, opened by the first step (ControlMaster)."""
        options = f"-F {self.fleet.ssh_config} -n {self.shared(dir)}"
        listed = "\n".join(self.fleet.hosts[:hosts])
        (dir / "hosts").write_text(listed + "\n")
        if hosts == 1:
            once = f"ssh {options} {self.fleet.hosts[0]} true"
        else:
            once = f"xargs -a hosts -P {hosts} -I@ ssh {options} @ true"
        return self.shell(dir, f"for ((s = 0; s < {steps}; s++)); do {once}; done")

    def run_clush(self, dir, hosts, steps):
        where = ",".join(self.fleet.hosts[:hosts])
        reuse = self.shared(dir).replace("%", "%%") if steps > 1 else ""
        once = f"clush -q -S -f {hosts} -w {where} -o '-F {self.fleet.ssh_config} {reuse}' true"
        return self.shell(dir, f"for ((s = 0; s < {steps}; s++)); do {once} </dev/null; done")

    def run_ansible(self, dir, hosts, steps):
        (dir / "ansible.cfg").write_text(
            f"[defaults]\nforks = {hosts}\nhost_key_checking = False\n"
            f"[ssh_connection]\nssh_args = -F {self.fleet.ssh_config} {self.shared(dir)}\n")
        where = "".join(f"{host}," for host in self.fleet.hosts[:hosts])
        once = f"ansible all -i {where} -m raw -a true"
        return self.shell(dir, f"for ((s = 0; s < {steps}; s++)); do {once}; done")

    @staticmethod
    def shared(dir):
        return f"-o ControlMaster=auto -o ControlPath={dir}/%h -o ControlPersist=120"

    def end_masters(self, dir):
        for socket in (path for path in dir.iterdir() if path.is_socket()):
            command = ["ssh", "-F", "/dev/null", "-O", "exit", "-o", f"ControlPath={socket}", "x"]
            subprocess.run(command, stderr=subprocess.DEVNULL, check=False)

    def steps(self, title, hosts, steps, programs):
        print(f"\n### {title}\n")
        found = {"golive": []}
        absent = []
        for name, program in programs.items():
            if name == "golive" or shutil.which(program):
                found[name] = []
            else:
                absent.append(name)
        runner = {"golive": self.run_golive, "ssh": self.run_ssh, "clush": self.run_clush,
                  "ansible": self.run_ansible}
        for _ in range(self.runs):
            for name, taken in found.items():
                dir = self.fresh()
                before = self.fleet.sessions()
                wall, memory = runner[programs[name]](dir, hosts, steps)
                self.end_masters(dir)
                asked = self.fleet.sessions() - before
                if asked != hosts * steps:
                    raise SystemExit(f"{name}: {asked} commands, not {hosts * steps}")
                taken.append((wall, memory))
                shutil.rmtree(dir)
        self.table(found, absent)

    @staticmethod
    def table(found, absent, memory=False):
        extra = " peak MB |" if memory else ""
        print(f"| program | wall s, median (min..max) | golive takes |{extra}")
        print(f"|---|---|---|{'---|' if memory else ''}")
        middle = {name: statistics.median(wall for wall, _ in taken) for name, taken in found.items()}
        for name, taken in found.items():
            walls = [wall for wall, _ in taken]
            ratio = "1" if name == "golive" else f"{middle['golive'] / middle[name]:.2f} of it"
            peak = f" {max(peak for _, peak in taken):.0f} |" if memory else ""
            print(f"| {name} | {middle[name]:.2f} ({min(walls):.2f}..{max(walls):.2f}) | {ratio} |{peak}")
        for name in absent:
            print(f"| {name} | {ABSENT} | - |{' - |' if memory else ''}")

    # One step that prints LINES lines of 100 bytes.

    def big(self):
        path = self.work / "big.txt"
        if not path.exists():
            with path.open("w") as file:
                for number in range(LINES):
                    file.write(f"L{number:07} rows copied from the old ledger ".ljust(99, "x") + "\n")
        return path

    @staticmethod
    def digest(path):
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def check_transcript(self, dir):
        (kept,) = dir.glob("state/sessions/*/output/*.log")
        if self.digest(kept) != self.digest(self.big()):
            raise SystemExit(f"{kept} is not what the step printed")

    def flood(self):
        print("\n### d. one step that prints 1,000,000 lines (100 MB)\n")
        big = self.big()
        found = {"golive": [], "ssh > file": []}
        for _ in range(self.runs):
            dir = self.fresh()
            self.runbook(dir, 1, [f"cat {big}"])
            command = [self.golive, "run", "--kind", "rehearsal", "--confirm", "change", "book.toml"]
            found["golive"].append(self.timed(dir, command))
            self.check_transcript(dir)
            shutil.rmtree(dir)
            dir = self.fresh()
            with (dir / "out").open("wb") as out:
                command = ["ssh", "-F", self.fleet.ssh_config, "-n", self.fleet.hosts[0], f"cat {big}"]
                found["ssh > file"].append(self.timed(dir, command, stdout=out))
            if self.digest(dir / "out") != self.digest(big):
                raise SystemExit("ssh > file: not what the step printed")
            shutil.rmtree(dir)
        self.table(found, [], memory=True)
        print("\nSHA-256 of what was kept is that of what was printed, in every run.")

    def console(self):
        print("\n### e. the same with the console open: keys while it runs\n")
        waits, peaks, walls = [], [], []
        for _ in range(self.runs):
            dir = self.fresh()
            self.runbook(dir, 1, [f"cat {self.big()}"])
            os.chdir(dir)
            golive = Terminal([str(self.golive), "rehearse", "book.toml"], self.env(dir))
            golive.until("READY")
            golive.press_until("\r", "BEGIN the run?")
            golive.press_until("y", "WAITING")
            golive.press_until("3", "FOLLOW  ")
            golive.press_until("1", "Enter")
            golive.press_until("\r", "y run")
            time.sleep(0.5)  # Keys are dead for a moment after a dialog opens.
            golive.keys("y")
            began = time.monotonic()
            golive.until("s0 is running")
            golive.keys("3")
            golive.until("FOLLOW  ")
            while "DONE" not in golive.text():
                for key, word in ((PAGE_UP, "PAUSED, "), (END, "FOLLOW  ")):
                    golive.keys(key)
                    wait = golive.until(word, 10)
                    if wait is None:
                        raise SystemExit(f"{word} never came:\n{golive.text()}")
                    if "DONE" not in golive.text():
                        waits.append(wait)
                    pause = time.monotonic() + 0.02
                    while time.monotonic() < pause:
                        golive.pump(pause - time.monotonic())
            walls.append(time.monotonic() - began)
            golive.press_until("q", "Leave")
            time.sleep(0.5)
            golive.keys("c")
            code, memory = golive.end()
            os.chdir(self.work)
            if code != 0:
                raise SystemExit(f"golive ended with {code}")
            peaks.append(memory)
            self.check_transcript(dir)
            shutil.rmtree(dir)
        waits.sort()
        at = lambda part: 1000 * waits[min(len(waits) - 1, int(part * len(waits)))]
        print("| keys | key to changed screen, ms: p50 | p99 | max | step, s, median | peak MB |")
        print("|---|---|---|---|---|---|")
        print(f"| {len(waits)} | {at(0.5):.1f} | {at(0.99):.1f} | {1000 * waits[-1]:.1f} |"
              f" {statistics.median(walls):.2f} | {max(peaks):.0f} |")
        if max(peaks) >= 100:
            print("\n**More than 100 MB.**")


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="rounds of each workload (5)")
    parser.add_argument("--only", default="a,b,c,d,e", help="workloads, of a,b,c,d,e")
    parser.add_argument("--golive", type=pathlib.Path, default=root / "target/release/golive")
    args = parser.parse_args()
    args.golive = args.golive.resolve()
    only = args.only.split(",")
    load = os.getloadavg()[0]
    print(f"golive's benchmark: {os.cpu_count()} cores, load {load:.1f} at the start, {args.runs} rounds")
    if load > 0.5:
        print("The machine was busy: trust the ratios, not the seconds.")
    with tempfile.TemporaryDirectory(prefix="gl") as work, Fleet(work, 50) as fleet:
        bench = Bench(fleet, work, args.golive, args.runs)
        mux = "ssh, ControlMaster"
        if "a" in only:
            bench.steps("a. 50 steps of `true` on 1 host", 1, 50, {"golive": "golive", mux: "ssh"})
        if "b" in only:
            bench.steps("b. 1 step on 50 hosts", 50, 1,
                        {"golive": "golive", "ssh, xargs -P": "ssh", "ClusterShell": "clush",
                         "Ansible, raw": "ansible"})
        if "c" in only:
            bench.steps("c. 20 steps on 20 hosts, a barrier after each", 20, 20,
                        {"golive": "golive", mux: "ssh", "ClusterShell, ControlMaster": "clush"})
        if "d" in only:
            bench.flood()
        if "e" in only:
            bench.console()


if __name__ == "__main__":
    main()
