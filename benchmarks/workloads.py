"""What is measured: every workload as a table of cases, small, and at full size.

A case is one job on one set of generated sources, done by every tool that can. `x` is where it stands on the
axis of a chart: the number of episodes, or of sources.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from queries import SQL

# In the order of a round; `cp, synced` puts its copy on disk as lecompose does.
_MERGE = ("cp", "polars", "polars-episode", "lecompose", "lecompose-packed", "lerobot", "refiner")
_PICTURES = ("cp", "cp, synced", "polars", "lecompose", "lerobot", "refiner")
_SMALL = ("cp", "polars", "polars-episode", "lecompose", "lecompose-packed", "lerobot-convert")
_VIDEO = ("cp", "ffmpeg", "lecompose", "lerobot", "refiner")
_VIDEO_ON_DISK = ("cp", "cp, synced", "ffmpeg", "lecompose", "lerobot", "refiner")
CODECS = {"av1": "libsvtav1", "h264": "h264", "hevc": "hevc"}


@dataclass(frozen=True)
class Data:
    """Sources to be generated. Units: `episodes` a source, `frames` an episode, about.

    `clips` distinct videos a camera stand in turn for all episodes'; `copies` of a source are one behind
    the other under names of their own.
    """

    sources: int
    episodes: int
    frames: int
    version: str = "v3.0"
    clips: int = 0
    cameras: int = 2
    codec: str = "libsvtav1"
    pictures: bool = False
    copies: int = 1

    @property
    def options(self) -> list[str]:
        """What generate.py is told."""
        named = {k: v for k, v in vars(self).items() if k != "pictures"}
        return [f"--{name}={value}" for name, value in named.items()] + ["--pictures"] * self.pictures


@dataclass(frozen=True)
class Case:
    """One job on one input. `tools` are the variants that do it, all by default; `too_long` names those that
    would take longer than anyone waits, and what is known of that."""

    name: str
    job: str
    data: Data
    tools: tuple[str, ...] = ()
    x: int | None = None
    tmpfs: bool = False
    too_long: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Workload:
    """Cases that belong together, and how they are called in the table and the charts."""

    name: str
    what: str
    cases: tuple[Case, ...]
    axis: str | None = None


SIZES = ("toy", "small", "full")


def workloads(size: str) -> list[Workload]:
    """All workloads at one size: a toy for tests, small for minutes, full for the figures that count."""
    at = SIZES.index(size)
    return [make(at) for make in (_v5, _s20, _t2k, _i1, _w200, _sp, _q, _st, _p1m, _u)]


def _v5(at: int) -> Workload:
    episodes, frames = ((1, 2, 5), (4, 20, 100), (25, 250, 2500))[at], (20, 300, 500)[at]
    names = ("a hundredth", "a tenth", "whole") if at == 2 else ("smallest", "middle", "whole")
    return Workload(
        "V5",
        "merge of 4 sources, state and action of 14 float32",
        tuple(
            Case(name, "merge", Data(4, n, frames), _MERGE, x=4 * n)
            for name, n in zip(names, episodes, strict=True)
        ),
        "episodes",
    )


def _s20(at: int) -> Workload:
    total, some, frames = (10, 200, 1000)[at], (5, 20, 20)[at], (10, 300, 300)[at]
    slow = {"lerobot": "quadratic in the number of sources: 400 tiny ones take minutes"}
    return Workload(
        "S20",
        f"merge of {total:,} episodes in all, from more and more sources",
        tuple(
            Case(
                name,
                "merge",
                Data(sources, total // sources, frames),
                ("cp", "polars", "lecompose", "lerobot", "refiner"),
                x=sources,
                too_long=slow if sources >= 400 else {},
            )
            for name, sources in (("2 sources", 2), (f"{some} sources", some), ("one episode each", total))
        ),
        "sources",
    )


def _t2k(at: int) -> Workload:
    episodes, filmed = (2, 100, 500)[at], (2, 60, 500)[at]
    return Workload(
        "T2k",
        "merge of 4 sources of v2.1, files of one episode each",
        (
            Case("plain", "merge", Data(4, episodes, (10, 300, 300)[at], "v2.1"), _SMALL),
            Case(
                "with a video each",
                "merge",
                Data(4, filmed, (10, 40, 40)[at], "v2.1", clips=(1, 4, 4)[at], cameras=1),
                ("cp", "cp, synced", "ffmpeg", "lecompose", "lerobot-convert"),
            ),
        ),
    )


def _i1(at: int) -> Workload:
    data = Data(2, (1, 4, 35)[at], (3, 100, 100)[at], pictures=True)
    return Workload(
        "I1", "merge of 2 sources with PNG pictures in parquet", (Case("merge", "merge", data, _PICTURES),)
    )


def _w200(at: int) -> Workload:
    return Workload(
        "W200",
        "merge of 2 sources filmed by two cameras, keyframes every 2 frames, files of 200 MiB",
        tuple(_filmed(at)),
    )


def _filmed(at: int) -> Iterator[Case]:
    frames, clips = (6, 60, 350)[at], (1, 2, 8)[at]
    for codec, encoder in list(CODECS.items())[: 1 if at == 0 else None]:
        for count in ((2,), (60,), (60, 1000))[at]:
            data = Data(2, count // 2, frames, clips=clips, codec=encoder)
            yield Case(f"{count:,} episodes, {codec}, disk", "merge", data, _VIDEO_ON_DISK)
            yield Case(f"{count:,} episodes, {codec}, tmpfs", "merge", data, _VIDEO, tmpfs=True)


def _sp(at: int) -> Workload:
    # Whole numbers of episodes in 80 %: LeRobot rounds down, and puts what is left into the last part.
    inputs = {
        "V5/10": Data(1, (5, 100, 1000)[at], (10, 300, 500)[at]),
        "I1": Data(1, (5, 5, 35)[at], (3, 50, 100)[at], pictures=True),
        "W200": Data(1, (5, 10, 60)[at], (6, 40, 350)[at], clips=(1, 2, 8)[at]),
    }
    return Workload(
        "SP",
        "80/20 split, and one episode deleted, of one source",
        tuple(
            Case(f"{job} {name}", job, data) for name, data in inputs.items() for job in ("split", "delete")
        ),
    )


def _q(at: int) -> Workload:
    data = _v5(at).cases[-1].data
    return Workload(
        "Q",
        "queries over all sources of V5: a process each, then all again in one process",
        tuple(Case(job, job, data) for job in (*SQL, "asked again")),
    )


def _st(at: int) -> Workload:
    data = Data(1, (5, 400, 10_000)[at], (20, 300, 500)[at])
    return Workload(
        "ST", "exact statistics with quantiles of one source as large as V5", (Case("stats", "stats", data),)
    )


def _p1m(at: int) -> Workload:
    sources = ((1, 2, 4), (2, 10, 40), (10, 100, 1000))[at]
    episodes = (5, 100, 1000)[at]
    made = (1, 2, 10)[at]
    return Workload(
        "P1M",
        "a merge opened, checked, planned and laid out to every row and file; nothing written",
        tuple(
            Case(
                f"{n * episodes:,} episodes",
                "plan",
                Data(made, episodes, 10, copies=n // made),
                x=n * episodes,
            )
            for n in sources
        ),
        "episodes",
    )


def _u(at: int) -> Workload:
    tiny = Data(2, 3, 10)
    return Workload(
        "U",
        "starting up: help, import, info, and a merge of two tiny datasets",
        (
            *(Case(job, job, tiny) for job in ("help", "import", "info")),
            Case(
                "merge of two tiny datasets",
                "merge",
                tiny,
                ("cp", "polars", "lecompose", "lerobot", "refiner"),
            ),
        ),
    )
