"""A SLURM of several nodes on this machine: real daemons, for tests of arrays; needs root, and apt once."""

import os
import platform
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_LONGEST_S = 60.0


class NoSlurm(Exception):
    """SLURM cannot be started here."""


@dataclass(frozen=True)
class Cluster:
    """Daemons that run; `home` has their configuration, logs and process numbers."""

    home: Path
    nodes: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.home / "slurm.conf")}

    def ask(self, *words: str) -> str:
        """Return what a command of SLURM's says."""
        done = subprocess.run(
            words, env=os.environ | self.environment, check=False, capture_output=True, text=True, timeout=60
        )
        return done.stdout

    def start_node(self, name: str) -> None:
        subprocess.run(["slurmd", "-f", str(self.home / "slurm.conf"), "-N", name], check=True)

    def lose_node(self, name: str) -> bool:
        """Kill a node, tell SLURM so as its timeout would, and start it; return whether it was at work."""
        was_at_work = self.kill_node(name)
        self.ask("scontrol", "update", f"nodename={name}", "state=down", "reason=lost")
        self.start_node(name)
        self.ask("scontrol", "update", f"nodename={name}", "state=resume")
        return was_at_work

    def list_work(self, name: str) -> list[int]:
        """Return the processes that carry out what a node was given, those that watch over them last."""
        mark = f"SLURMD_NODENAME={name}".encode()
        found = [pid for pid in _list_processes() if mark in _read(pid, "environ").split(b"\0")]
        parents = {
            int(_read(pid, "stat").rpartition(b")")[2].split()[1]) for pid in found if _read(pid, "stat")
        }
        return [*found, *(pid for pid in parents - {*found} if b"slurmstepd" in _read(pid, "cmdline"))]

    def kill_node(self, name: str) -> bool:
        """Kill a node's daemon and all that runs on it, as a power cut does; return whether anything did."""
        work = self.list_work(name)
        _kill(int((self.home / f"{name}.pid").read_text()))
        for pid in (*work, *self.list_work(name)):
            _kill(pid)
        return bool(work)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _list_processes() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def _read(pid: int, name: str) -> bytes:
    """Return what the kernel says of a process; nothing where it is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _install() -> None:
    if os.geteuid() != 0:
        raise NoSlurm("SLURM's daemons need root")
    if shutil.which("slurmctld") and shutil.which("munged"):
        return
    if shutil.which("apt-get") is None:
        raise NoSlurm("no slurmctld, and no apt-get to install it with")
    for words in (["update"], ["install", "-y", "slurm-wlm", "munge"]):
        done = subprocess.run(["apt-get", "-qq", *words], check=False, capture_output=True)
        if done.returncode:
            raise NoSlurm("slurm-wlm and munge cannot be installed")


def _start_munge() -> None:
    if subprocess.run(["munge", "-n"], check=False, capture_output=True).returncode == 0:
        return
    folder = Path("/run/munge")
    folder.mkdir(exist_ok=True)
    shutil.chown(folder, "munge")
    subprocess.run(["su", "-s", "/bin/sh", "munge", "-c", "munged --force"], check=False, capture_output=True)
    time.sleep(1)
    if subprocess.run(["munge", "-n"], check=False, capture_output=True).returncode:
        raise NoSlurm("munged does not answer")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _configure(home: Path, nodes: tuple[str, ...]) -> None:
    host, (control, *ports) = platform.node(), _free_ports(len(nodes) + 1)
    said = {
        "ClusterName": home.name,
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "SlurmctldPort": control,
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "AuthType": "auth/munge",
        "AuthInfo": "cred_expire=3",  # what is queued again begins after that
        "ProctrackType": "proctrack/pgid",
        "TaskPlugin": "task/none",
        "SchedulerType": "sched/backfill",
        "SchedulerParameters": "batch_sched_delay=0,sched_interval=5,bf_interval=1",
        "SelectType": "select/cons_tres",
        "ReturnToService": 2,
        "SlurmdTimeout": 10,
        "SlurmctldTimeout": 10,
        "MinJobAge": 300,
        "KillWait": 5,
        "MaxArraySize": 1001,
        "SlurmdParameters": "config_overrides",
        "StateSaveLocation": home / "state",
        "SlurmdSpoolDir": home / "spool.%n",
        "SlurmctldPidFile": home / "slurmctld.pid",
        "SlurmdPidFile": home / "%n.pid",
        "SlurmctldLogFile": home / "slurmctld.log",
        "SlurmdLogFile": home / "%n.log",
    }
    lines = [f"{name}={value}" for name, value in said.items()]
    for name, port in zip(nodes, ports, strict=True):
        (home / f"spool.{name}").mkdir()
        lines.append(
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 RealMemory=2000"
            " State=UNKNOWN"
        )
    lines.append("PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP")
    (home / "state").mkdir()
    (home / "slurm.conf").write_text("\n".join(lines) + "\n")


@contextmanager
def start_slurm(nodes: int = 4) -> Iterator[Cluster]:
    """Yield a cluster of so many one-core nodes.

    Raises:
        NoSlurm: if it cannot be had here.
    """
    _install()
    _start_munge()
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        # Where numbers of steps begin anew on one machine, names must not: others may run a SLURM here.
        home = Path(folder)
        home.chmod(0o755)
        tag = home.name.removeprefix("slurm-").replace("_", "x")
        cluster = Cluster(home, tuple(f"{tag}n{n}" for n in range(1, nodes + 1)))
        _configure(home, cluster.nodes)
        try:
            subprocess.run(
                ["slurmctld", "-f", str(home / "slurm.conf")],
                check=True,
                env=os.environ | cluster.environment,
            )
            for name in cluster.nodes:
                cluster.start_node(name)
            _wait_until_idle(cluster)
            yield cluster
        finally:
            _stop(cluster)


def _wait_until_idle(cluster: Cluster) -> None:
    until = time.monotonic() + _LONGEST_S
    while cluster.ask("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split().__len__() < len(cluster.nodes):
        if time.monotonic() > until:
            raise NoSlurm(f"the nodes do not come up: {cluster.ask('sinfo')}")
        time.sleep(0.3)


def _stop(cluster: Cluster) -> None:
    cluster.ask("scancel", "--user=root")
    for name in cluster.nodes:
        with suppress(OSError, ValueError):
            cluster.kill_node(name)
    with suppress(OSError, ValueError):
        os.kill(int((cluster.home / "slurmctld.pid").read_text()), signal.SIGKILL)
    time.sleep(0.3)
