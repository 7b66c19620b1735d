"""A throw-away fleet of OpenSSH servers on loopback addresses, of the user who calls it."""
import getpass
import os
import pathlib
import shutil
import socket
import subprocess
import time

CONFIG = """\
Port {port}
AddressFamily inet
HostKey {dir}/host
AuthorizedKeysFile {dir}/authorized_keys
AuthenticationMethods publickey
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
UseDNS no
PrintMotd no
PrintLastLog no
MaxStartups 2000:30:4000
MaxSessions 1000
LogLevel VERBOSE
PidFile none
"""

CLIENT = """\
Host 127.0.*
  Port {port}
  User {user}
  IdentityFile {dir}/user
  IdentitiesOnly yes
  UserKnownHostsFile {dir}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  LogLevel ERROR
"""


class Fleet:
    """`count` servers, one per address from 127.0.1.1 on, all on one free port."""

    def __init__(self, work, count):
        self.dir = pathlib.Path(work) / "fleet"
        self.dir.mkdir()
        self.hosts = [f"127.0.1.{number}" for number in range(1, count + 1)]
        self.user = getpass.getuser()
        self.servers = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        for name in ("host", "user"):
            key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", self.dir / name]
            subprocess.run(key, check=True)
        shutil.copy(self.dir / "user.pub", self.dir / "authorized_keys")
        names = {"port": self.port, "dir": self.dir, "user": self.user}
        (self.dir / "sshd_config").write_text(CONFIG.format(**names))
        self.ssh_config = self.dir / "ssh_config"
        self.ssh_config.write_text(CLIENT.format(**names))
        key = " ".join((self.dir / "host.pub").read_text().split()[:2])
        known = "".join(f"[{host}]:{self.port} {key}\n" for host in self.hosts)
        (self.dir / "known_hosts").write_text(known)

    def __enter__(self):
        sshd = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin")
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)  # Where sshd locks its helper in.
        for host in self.hosts:
            self.home(host).mkdir(parents=True)
            command = [sshd, "-D", "-f", self.dir / "sshd_config", "-o", f"ListenAddress={host}",
                       "-o", f"SetEnv=HOME={self.home(host)}",
                       "-E", self.dir / f"{host}.log"]
            self.servers.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
        try:
            for host in self.hosts:
                self.wait_for(host)
        except BaseException:
            self.__exit__()
            raise
        return self

    def home(self, host):
        """Where its steps keep what they keep: a home of its own, as machines have."""
        return self.dir / "homes" / host

    def wait_for(self, host):
        for _ in range(200):
            try:
                with socket.create_connection((host, self.port), timeout=5) as greeted:
                    if greeted.recv(4) == b"SSH-":
                        return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"no sshd on {host}: {(self.dir / f'{host}.log').read_text()}")

    def __exit__(self, *_):
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            server.wait()

    def sessions(self):
        """How many commands the servers have been asked for."""
        logs = (self.dir / f"{host}.log" for host in self.hosts)
        return sum(log.read_text(errors="replace").count("Starting session: command") for log in logs)
