"""What a durable step costs its host beside a plain one: CPU time and wall time, in one run.

    python3 tests/bench/durable.py [--runs N] [--shells dash,bash,busybox]

Plain is the exec request that golive sends for a step that is not durable, durable is the request
of `src/exec/durable`; both run `true` with the same handover of the step. First over a pipe, with
the CPU time of all processes that the call leaves (this program adopts and waits for them), then
over one connection to an OpenSSH server of its own, with the CPU time of that server's children.
Rounds alternate, so that whatever else the machine does meets both. Prints medians and ratios.
"""
import argparse
import ctypes
import os
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SRC = HERE.parent.parent / "src" / "exec"
NONCE = "0123456789abcdef0123456789abcdef"
OPENS = {"{", "do", "then", "else", "in", "&&", "||", "|", ";;", "&"}
STEP = 'gl_c=true;eval "unset gl_l gl_t gl_p gl_s gl_n gl_c gl_x gl_y;$gl_c"\n'


def join(source):
    """As `join` in src/exec/durable/script.rs does."""
    text, separate = "", False
    for line in source.split("\n"):
        line = line.lstrip()
        code = line if line.endswith("$! ") else line.rstrip()
        if not code or code.startswith("#"):
            continue
        text += ";" if separate else ""
        text += code
        label = code.endswith(")") and "(" not in code
        separate = not (re.split("[ ;]", code)[-1] in OPENS or code.endswith(";;") or label)
        text += "" if separate else " "
    return text


def requests():
    shell = (SRC / "ssh" / "shell.rs").read_text()
    plain = re.search(r'BOOTSTRAP: &str = "(.*?)";\n', shell, re.S).group(1)
    plain = re.sub(r"\\\n\s*", "", plain).replace('\\"', '"')
    take = re.search(r'TAKE_LINE: &str = "(.*?)";\n', shell).group(1).replace('\\"', '"')
    read = lambda names: ";".join(join((SRC / "durable" / f"{name}.sh").read_text()) for name in names)
    words = [read(["common", "spool"]), read(["root", "follow", "start"]), read(["common", "run"]), take]
    durable = "exec sh -c 'eval \"$1;$2\"' sh " + " ".join(f"'{word}'" for word in words)
    return plain, durable


def header(key):
    return f"golive2 start {NONCE} bench.host {key} newid={NONCE} seen={NONCE} digest=d\n"


def one(command, durable, key, env):
    """One step; returns its wall time in ms."""
    begin = time.perf_counter()
    call = subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, env=env)
    text = (header(key) if durable else 'echo "golive-start n $gl_p $gl_s" >&2;') + STEP
    call.stdin.write(text.encode())
    call.stdin.flush()
    if durable:
        for line in call.stderr:
            if b" error " in line:
                sys.exit(f"tests/bench/durable.py: {line}")
            if b" end rc=0 " in line:
                break
    else:
        call.stdin.close()
        assert b"golive-start" in call.stderr.read()
    took = (time.perf_counter() - begin) * 1000
    call.stdin.close()
    call.stdout.read()
    call.wait()
    return took


def cpu():
    while True:  # The orphans of a call come to this process.
        try:
            if os.waitpid(-1, 0)[0] == 0:
                break
        except ChildProcessError:
            break
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1000


def row(name, plain, durable):
    """Medians of (wall, cpu) pairs."""
    middle = [[statistics.median(it[at] for it in pairs) for at in (0, 1)] for pairs in (plain, durable)]
    (pw, pc), (dw, dc) = middle
    print(f"| {name} | {pw:.1f} | {dw:.1f} | {dw - pw:+.1f} | {pc:.1f} | {dc:.1f} | {dc - pc:+.1f} |")


def over_pipes(shell, runs, work):
    folder = work / shell
    folder.mkdir()
    (folder / "sh").symlink_to(shutil.which(shell))
    env = dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}", HOME=str(folder))
    plain, durable = requests()
    taken = ([], [])
    for run in range(runs + 2):
        for at, request in enumerate((plain, durable)):
            before = cpu()
            wall = one(["sh", "-c", request], at == 1, f"k.{run}", env)
            if run >= 2:
                taken[at].append((wall, cpu() - before))
    row(f"{shell}, pipe", *taken)


def over_ssh(runs, work):
    sys.path.insert(0, str(HERE))
    from fleet import Fleet
    plain, durable = requests()
    with Fleet(work, 1) as fleet:
        ssh = ["ssh", "-F", str(fleet.ssh_config), "-o", f"ControlPath={work}/mux", fleet.hosts[0]]
        subprocess.run([*ssh[:-1], "-o", "ControlMaster=yes", "-o", "ControlPersist=yes", "-nNf", ssh[-1]], check=True)
        server = fleet.servers[0].pid
        links = pathlib.Path(f"/proc/{server}/task/{server}/children").read_text().split()

        def ticks():
            # All that the connection's processes waited for, and they themselves.
            total, todo = 0, list(links)
            while todo:
                pid = todo.pop()
                stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                total += sum(map(int, stat[11:15]))
                todo += pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return total * 1000 / os.sysconf("SC_CLK_TCK")

        walls, spent = ([], []), [0.0, 0.0]
        for run in range(runs + 2):
            for at, request in enumerate((plain, durable)):
                before = ticks()
                wall = one([*ssh, request], at == 1, f"k.{run}", dict(os.environ))
                time.sleep(0.05)  # The server waits for its child after the client has gone.
                if run >= 2:
                    walls[at].append(wall)
                    spent[at] += ticks() - before
        subprocess.run([*ssh[:-1], "-O", "exit", ssh[-1]], stderr=subprocess.DEVNULL, check=False)
        row("sshd (account's shell and sh)", *([(wall, spent[at] / runs) for wall in walls[at]] for at in (0, 1)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=31)
    parser.add_argument("--shells", default="dash,busybox,bash")
    parser.add_argument("--no-ssh", action="store_true")
    args = parser.parse_args()
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
        work = pathlib.Path(work)
        print(f"{args.runs} alternating rounds, medians, ms (load {os.getloadavg()[0]:.1f})\n")
        print("| where | plain wall | durable wall | more | plain CPU | durable CPU | more |")
        print("|---|---|---|---|---|---|---|")
        for shell in args.shells.split(","):
            over_pipes(shell, args.runs, work)
        if not args.no_ssh:
            over_ssh(args.runs, work)


main()
