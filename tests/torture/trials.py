"""One disturbance after another, each judged the same way."""

import errno
import json
import mmap
import random
import shutil
import struct
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import faults as fault
from arena import Arena, Job, Tree, tree
from child import Outcome, forked, lecompose

STAGES = ("data", "video", "stats", "metadata", "verify", "sync", "publish")
SETTINGS: dict[str, Any] = {
    "codec": "h264",
    "cameras": ("front",),
    "frames": (7, 10, 3, 12),
    "tasks": ("pick", "place"),
}


@dataclass(frozen=True)
class Trial:
    """One disturbance of one command: `lay` in the child, or SIGKILL after so many seconds.

    `always` is laid in the next run, too: what a machine cannot do, it cannot do later either. `may_leave`
    where the disturbance itself keeps the staging folder from being removed. `disk_bytes` is the size of a
    file system of its own; `mend` undoes what was done to the arena; `unprivileged` takes root's rights
    away. An `intruder` comes to stand at the destination.
    """

    name: str
    job: str
    lay: Callable[[Arena], fault.Hook] = lambda arena: lambda: None
    kill_after: float | None = None
    always: fault.Hook = lambda: None
    may_leave: bool = False
    disk_bytes: int = 0
    mend: Callable[[Arena], Any] = lambda arena: None
    unprivileged: bool = False
    intruder: bool = False

    @property
    def kind(self) -> str:
        return self.name.partition(":")[0]


@dataclass
class Torture:
    """The commands, their undisturbed results, and what has been counted."""

    folder: Path
    jobs: dict[str, Job]
    old: Path
    results: dict[str, list[Tree]]
    moments: dict[str, int]
    seconds: dict[str, float]
    sources: Tree
    counted: Counter[str] = field(default_factory=Counter)
    by_kind: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def arena(self, trial: Trial) -> Arena:
        return Arena(self.folder / "arena" / "home", self.jobs[trial.job], self.old)

    def undergo(self, trial: Trial) -> None:
        """Disturb the command, look, run it again, look again."""
        arena = self.arena(trial)
        if trial.disk_bytes:
            found = _on_small_disk(self, trial, arena)
        elif trial.unprivileged:
            found = _unprivileged(self, trial, arena)
        else:
            found = _tried(self, trial, arena)
        self._note(trial, found)
        if tree(self.folder / "sources") != self.sources:
            self.counted["sources_changed"] += 1
            self.problems.append(f"{trial.name} ({trial.job}): a source has changed")

    def _note(self, trial: Trial, found: dict[str, Any]) -> None:
        self.told.append(str(found))
        if "skipped" in found:
            self.skipped[trial.kind] = found["skipped"]
            return
        self.by_kind[trial.kind] += 1
        self.counted["trials"] += 1
        self.counted["kills"] += found["killed"]
        self.counted["disturbed"] += found["disturbed"]
        self.counted["files_resumed"] += found["files_resumed"]
        self.counted["runs_resumed"] += found["files_resumed"] > 0
        self.states.update(found["state"])
        for problem in found["problems"]:
            self.counted[problem.partition(":")[0]] += 1
            self.problems.append(f"{trial.name} ({trial.job}): {problem}")

    def counts(self) -> dict[str, Any]:
        """What docs/reliability.md quotes."""
        names = ("sources_changed", "wrong_outputs", "left_over", "not_resumed", "unclear_messages")
        return {
            "trials": self.counted["trials"],
            "kills": self.counted["kills"],
            "faults_met": self.counted["disturbed"] - self.counted["kills"],
            **{name: self.counted[name] for name in names},
            "files_resumed": self.counted["files_resumed"],
            "runs_resumed": self.counted["runs_resumed"],
            "destinations_after": dict(sorted(self.states.items())),
            "by_kind": dict(sorted(self.by_kind.items())),
            "source_files_compared": self.counted["trials"] * len(self.sources),
            "skipped": self.skipped,
        }


# One trial ----------------------------------------------------------------------------------------


def _tried(torture: Torture, trial: Trial, arena: Arena) -> dict[str, Any]:
    """What was found, as JSON can carry it. Each problem begins with what it counts as."""
    arena.prepare()
    first = _run(trial, arena)
    trial.mend(arena)
    results = torture.results[trial.job]
    state = arena.state(results) if not trial.intruder else []
    problems = [f"wrong_outputs: {arena.job.outputs[n]}" for n, s in enumerate(state) if s == "wrong"]
    if "set aside" in state and trial.kind != "call, no exchange":
        problems.append("wrong_outputs: the old one was set aside where names can be exchanged")
    if not first.was_killed and arena.left_over() and not trial.may_leave:
        problems.append(f"left_over: {arena.left_over()}")
    if not first.was_killed and (problem := _unclear(first)):
        problems.append(f"unclear_messages: {problem}")
    if trial.intruder and not arena.has_intruder():
        problems.append("wrong_outputs: what appeared there is gone")
    if trial.intruder:  # who is left alone, and gone before the second run
        shutil.rmtree(arena.home / arena.job.outputs[0])
    again, resumed = _again(trial, arena, state, results)
    problems += again
    return {
        "killed": first.was_killed,
        "disturbed": first.code != 0,
        "state": state,
        "code": first.code,
        "said": first.said[-300:] if first.code else "",
        "files_resumed": resumed,
        "problems": problems,
    }


def _run(trial: Trial, arena: Arena) -> Outcome:
    def traps() -> None:
        trial.always()
        trial.lay(arena)()

    return forked(lecompose(arena.job.command(arena.home), traps), kill_after_s=trial.kill_after)


def _again(trial: Trial, arena: Arena, state: list[str], results: list[Tree]) -> tuple[list[str], int]:
    """The same command again, and what is wrong then; with --overwrite where it had come to publishing."""
    if arena.job.begins and "new" in state:
        return [], 0
    published = "new" in state and not arena.job.replaces
    arguments = arena.job.command(arena.home, overwrite=published)
    done = forked(lecompose(arguments, trial.always))
    if done.code != 0:
        return [f"not_resumed: exit code {done.code}: {done.said[-500:]}"], 0
    problems = [
        f"wrong_outputs: {name} after the second run: {_differing(now, new)}"
        for name, now, new in zip(arena.job.outputs, arena.found(), results, strict=True)
        if now != new
    ]
    if arena.left_over():
        problems.append(f"left_over: {arena.left_over()} after the second run")
    if not arena.beside_stands():
        problems.append("wrong_outputs: what stood beside the output is gone")
    return problems, int(json.loads(done.said[done.said.index("{") :])["files_resumed"])


def _differing(now: Tree, new: Tree) -> list[str]:
    return sorted(name for name in now.keys() | new.keys() if now.get(name) != new.get(name))


def _unclear(outcome: Outcome) -> str | None:
    """What is wrong with the way in which a run failed: a traceback, or no error of ours."""
    if outcome.code == 0:
        return None
    if "Traceback" in outcome.said or outcome.code not in (3, 4, 5, 6):
        return f"exit code {outcome.code}: {outcome.said[-1500:]}"
    return None


def _on_small_disk(torture: Torture, trial: Trial, arena: Arena) -> dict[str, Any]:
    """The trial on a file system that only one process and its children see."""
    arena.home.parent.mkdir(parents=True, exist_ok=True)

    def trapped() -> int:
        try:
            fault.small_disk(arena.home.parent, trial.disk_bytes)
        except OSError as error:
            print(json.dumps({"skipped": f"no file system of its own: {error.strerror}"}))
            return 0
        print(json.dumps(_tried(torture, trial, arena)))
        return 0

    return _said(forked(trapped))


def _unprivileged(torture: Torture, trial: Trial, arena: Arena) -> dict[str, Any]:
    def trapped() -> int:
        fault.without_privileges()
        print(json.dumps(_tried(torture, trial, arena)))
        return 0

    return _said(forked(trapped))


def _said(outcome: Outcome) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(outcome.said.splitlines()[-1])
    except (ValueError, IndexError):
        raise RuntimeError(f"the trial itself failed: {outcome}") from None
    return found


# What there is to try -----------------------------------------------------------------------------


def made(folder: Path, *, seed: int, only: Collection[str] | None = None) -> Torture:
    """Sources, an older dataset, and the undisturbed result of every command, or of `only` some."""
    sources, old = folder / "sources", folder / "old"
    outcome = forked(lambda: _recorded(sources, old, seed))
    if outcome.code:
        raise RuntimeError(outcome.said)
    jobs = {job.name: job for job in _jobs(sources) if only is None or job.name in only}
    torture = Torture(folder, jobs, old, {}, {}, {}, tree(sources))
    for name, job in jobs.items():
        arena = torture.arena(Trial("undisturbed", name))
        shared = mmap.mmap(-1, 8)  # with the children
        for always in (lambda: None, fault.counted(partial(struct.pack_into, "q", shared, 0))):
            arena.prepare()
            done = forked(lecompose(job.command(arena.home), always))
            if done.code:
                raise RuntimeError(f"{name}: {done}")
            torture.seconds[name] = min(done.seconds, torture.seconds.get(name, done.seconds))
            if torture.results.setdefault(name, arena.found()) != arena.found():
                raise RuntimeError(f"{name}: two undisturbed runs differ: {done}")
        torture.moments[name] = struct.unpack_from("q", shared)[0] + 1
    return torture


def _recorded(sources: Path, old: Path, seed: int) -> int:
    from recorder import record

    record(sources / "one", version="v2.1", seed=seed, **SETTINGS)
    record(sources / "two", version="v3.0", seed=seed + 1, frames_per_video_file=15, **SETTINGS)
    record(sources / "long", version="v3.0", seed=seed + 2, **SETTINGS)
    # All episodes in one encode, so that hardly any starts on a keyframe: some are encoded anew.
    record(old, version="v3.0", seed=seed + 2, gop=12, **SETTINGS | {"frames": sum(SETTINGS["frames"])})
    for path in (sources / "long").rglob("*.mp4"):
        shutil.copyfile(old / path.relative_to(sources / "long"), path)
    shutil.rmtree(old)
    record(sources / "bad", version="v3.0", seed=seed + 3, frames_per_video_file=100, **SETTINGS)
    for path in (sources / "bad").rglob("*.mp4"):
        path.write_bytes(path.read_bytes()[:-200])  # its tables are in front: earlier episodes are whole
    record(old, seed=seed + 9, cameras=(), episodes=2)
    return 0


def _jobs(sources: Path) -> Iterator[Job]:
    one, two, long = (sources / name for name in ("one", "two", "long"))
    small = ("--data-mb", "0.003", "--video-mb", "0.003", "--threads", "2")
    parts = ("--into", "a=0.5", "--into", "b=0.5")
    yield Job("merge", ("merge", "-o", "@new/deeper/out", *small), (one, two), ("new/deeper/out",))
    yield Job("replace", ("merge", "-o", "@out", *small), (one, two), ("out",), replaces=True)
    yield Job("split", ("split", "-o", "@parts", *parts, *small), (one,), ("parts/a", "parts/b"))
    yield Job(
        "split beside", ("split", "-o", "@parts", *parts), (two,), ("parts/a", "parts/b"), beside=("parts",)
    )
    yield Job("split over", ("split", "-o", "@parts", *parts), (one,), ("parts/a", "parts/b"), replaces=True)
    yield Job("delete", ("delete", "-o", "@out", "--episodes", "0,2", *small), (two,), ("out",))
    cut = ("delete", "-o", "@out", "--episodes", "0,2", "--threads", "2")
    yield Job("cut", cut, (long,), ("out",), encodes=True)
    yield Job("append", ("append", "@out", str(one), *small), (), ("out",), replaces=True, begins=two)
    edit = ("edit", "tasks", "@out", "--in-place", "--task", "wave", *small)
    yield Job("in place", edit, (), ("out",), replaces=True, begins=two)
    yield Job("repair", ("repair", "-o", "@out", *small), (sources / "bad",), ("out",))


_NO_EXCHANGE = fault.at_once("exchange", errno.EINVAL) if fault.can_refuse() else None


def kills(torture: Torture, count: int, draw: random.Random) -> Iterator[Trial]:
    """At every stage boundary, at calls that change the file system, and whenever."""
    names = list(torture.jobs)
    for name in names:
        for stage in STAGES:
            for after in (False, True):
                hook = fault.at_stage(stage, lambda run: fault.killed(), after=after)
                where = f"{'after' if after else 'before'} {stage}"
                yield Trial(f"stage boundary: {where}", name, lambda arena, hook=hook: hook)
    for _ in range(count):
        name = draw.choice(names)
        yield _at_moment(name, draw.randrange(torture.moments[name]))
    for _ in range(count):
        name = draw.choice(names)
        yield Trial("any time: ", name, kill_after=draw.uniform(0, torture.seconds[name]))
    for name in [name for name in ("replace", "split over") if name in torture.jobs]:
        last = torture.moments[name]
        for number in range(last - 60, last):
            yield _at_moment(name, number)
            if _NO_EXCHANGE:
                yield _at_moment(name, number, kind="call, no exchange", always=_NO_EXCHANGE)


def _at_moment(name: str, number: int, *, kind: str = "call", always: fault.Hook | None = None) -> Trial:
    return Trial(
        f"{kind}: {number}",
        name,
        lambda arena: fault.at_moment(number),
        always=always or (lambda: None),
    )


def faults(torture: Torture, draw: random.Random) -> Iterator[Trial]:
    """Everything that may go wrong but death."""
    for name in [name for name in ("merge", "replace", "cut") if name in torture.jobs]:
        for stage in STAGES:
            yield from _refusals(stage, name)
            yield from _full_disks(stage, name, draw)
            yield from _people(stage, name)


def _refusals(stage: str, name: str) -> Iterator[Trial]:
    if not fault.can_refuse():
        return
    for kinds, code in (
        ("write+copy", errno.EIO),
        ("write+copy", errno.ENOSPC),
        ("copy", errno.EIO),
        ("read", errno.EIO),
        ("sync", errno.EIO),
        ("exchange", errno.EIO),
        ("exchange", errno.EINVAL),
    ):
        hook = fault.at_stage_refused(stage, kinds, code)
        yield Trial(f"{kinds} says {errno.errorcode[code]}: {stage}", name, lambda arena, hook=hook: hook)
    if stage == STAGES[0]:
        yield Trial("no locks: ", name, always=fault.at_once("lock", errno.ENOSYS))


def _full_disks(stage: str, name: str, draw: random.Random) -> Iterator[Trial]:
    for left in (0, 1 << 12, draw.randrange(1 << 15)):
        yield Trial(
            f"full disk: {left} bytes left before {stage}",
            name,
            lambda arena, left=left: fault.filled(stage, left, arena.home.parent / "filler"),
            disk_bytes=1 << 24,
            mend=lambda arena: (arena.home.parent / "filler").unlink(missing_ok=True),
        )
    for size in (0, 2000, draw.randrange(30_000)):
        yield Trial(
            f"file size limit: {size} before {stage}",
            name,
            lambda arena, size=size: fault.no_file_larger(stage, size),
        )


def _people(stage: str, name: str) -> Iterator[Trial]:
    yield Trial(f"staging removed: {stage}", name, lambda arena: fault.staging_removed(stage))
    yield Trial(
        f"destination's folder moved: {stage}",
        name,
        lambda arena: fault.moved_away(stage, arena.home),
        mend=lambda arena: _moved_back(arena.home),
        may_leave=True,
    )
    yield Trial(
        f"destination's folder read only: {stage}",
        name,
        lambda arena: fault.read_only(stage, arena.home),
        mend=lambda arena: arena.home.chmod(0o755),
        may_leave=True,
        unprivileged=True,
    )
    out = Path("out") if name != "merge" else Path("new/deeper/out")
    if name == "replace":
        yield Trial(f"old one removed: {stage}", name, lambda arena: fault.removed(stage, arena.home / out))
    yield Trial(
        f"something appears: {stage}",
        name,
        lambda arena: fault.appears(stage, arena.home / out),
        intruder=True,
    )


def _moved_back(home: Path) -> None:
    away = home.with_name(f"{home.name}.away")
    if away.exists():
        if home.exists():
            shutil.rmtree(home)
        away.rename(home)
    time.sleep(0)
