"""Which machines carry the jobs of a run out: the words of --runner, --slurm and --wait, as values."""

import shlex
from dataclasses import dataclass, field

from lecompose.errors import RequestError

THREADS, RAY, SLURM = "threads", "ray", "slurm"
# What `lecompose jobs plan` and `lecompose jobs finish` ask for.
PLAN, FINISH = "plan", "finish"

# What --slurm says to us, and not to sbatch.
_OWN = ("tasks", "at-once")
# What decides which jobs a task of an array carries out, and when.
_TAKEN = ("array", "dependency", "wrap", "parsable", "requeue", "no-requeue", "chdir")


@dataclass(frozen=True)
class SlurmOptions:
    """What `sbatch` is asked for: its `arguments`; arrays have at most so many `tasks`, and run `at_once`."""

    arguments: tuple[str, ...] = ()
    tasks: int | None = None
    at_once: int | None = None
    memory: str | None = None


@dataclass(frozen=True)
class Machines:
    """Who carries the jobs out; `address` is a Ray cluster's. With `wait` a run stays until all is done."""

    runner: str = THREADS
    address: str | None = None
    slurm: SlurmOptions = field(default=SlurmOptions())
    wait: bool = False

    @property
    def leaves(self) -> bool:
        """Whether the run ends when the jobs are planned: others carry them out, and another one finishes."""
        return self.runner == PLAN or (self.runner == SLURM and not self.wait)


def parse_machines(runner: str | None, slurm: str | None, *, wait: bool) -> Machines:
    """Return what the options say.

    Raises:
        RequestError: for a runner that does not exist, and options that do not go with it.
    """
    name, scheme, address = (runner or THREADS).partition("://")
    if name not in (THREADS, RAY, SLURM, PLAN, FINISH) or (scheme and (name != RAY or not address)):
        raise RequestError(f'runner "{runner}": one of threads, ray, ray://HOST:PORT, slurm is needed')
    if name != SLURM and (slurm is not None or wait):
        raise RequestError(f"{'--slurm' if slurm is not None else '--wait'} needs --runner slurm")
    return Machines(name, f"ray://{address}" if scheme else None, _parse_slurm(slurm or ""), wait)


def _parse_slurm(said: str) -> SlurmOptions:
    try:
        words = shlex.split(said)
    except ValueError as error:
        raise RequestError("--slurm cannot be read", reason=error) from error
    pairs = [word.removeprefix("--").partition("=") for word in words]
    for name, _, _ in pairs:
        if name in _TAKEN:
            raise RequestError(f"--slurm {name}: lecompose sets it", hint="tasks=N and at-once=N for arrays")
    own = {name: _parse_count(name, value) for name, _, value in pairs if name in _OWN}
    arguments = tuple(f"--{name}{equals}{value}" for name, equals, value in pairs if name not in _OWN)
    memory = next((value for name, _, value in pairs if name == "mem"), None)
    return SlurmOptions(arguments, own.get("tasks"), own.get("at-once"), memory)


def _parse_count(name: str, value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise RequestError(f'--slurm {name}="{value}": a whole number above 0 is needed')
    return int(value)
