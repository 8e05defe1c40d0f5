"""Who does each job, by which command. A job is done by a row; adding a tool is adding rows.

In a command, `{sources}` stands for every source, `{first}` for the first one, `{out}` for an empty folder;
`{lecompose}` and `{once}` for the beginnings of command lines (`once.py` runs a function of tools/).
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from queries import SQL
from rivals import Rival

HERE = Path(__file__).resolve().parent
_DATA = ("rows", "dense index", "episodes' numbers", "tasks' numbers", "values", "set of values")
_ALL = (*_DATA, "frames filmed", "packets", "slices", "set of slices")
# FFmpeg joins h264 by repeating parameter sets in the packets, for LeRobot too.
_JOINED = (*_DATA, "frames filmed", "slices", "set of slices")
_ENCODED = ("rows", "dense index", "episodes' numbers", "values", "set of values", "frames filmed")
_SETS = ("rows", "set of values", "frames filmed", "set of slices")
_VIDEO = ("frames filmed", "slices", "set of slices")
_ANSWER = ("answer",)
# Of sources that stand side by side: what no merge may change.
GIVEN = ("rows", "values", "set of values", "frames filmed", "packets", "slices", "set of slices")

_DATA_ONLY = "data files only: no videos, no meta/, no statistics, no check of sources or result"
_VIDEO_ONLY = "mp4 files only: no data, no meta/, no statistics, no checks; episode starts not noted"
_LENGTHS_ONLY = "adds up the episodes' lengths: no tasks, no data files, no check, no files assigned"
_NO_MERGE = "merges nothing: the sources stand side by side"
_RENUMBERS_NOT = (
    "episodes of several sources keep their old, repeated numbers; order of episodes left to chance;"
    " chunks not numbered; float64 for float32"
)
_ENCODES = "encodes videos anew: other pictures; numbers tasks in another order each time"


@dataclass(frozen=True)
class Variant:
    """One tool at one job. `facts` are those of its output that must equal those of the others.

    One that works `in_place` is given copies of the sources.
    """

    job: str
    name: str
    command: str
    tool: str | None = None
    facts: tuple[str, ...] = ()
    lacks: str | None = None
    in_place: bool = False

    @property
    def is_far_away(self) -> bool:
        """Whether a few runs are enough, because the ratio is large and each takes long."""
        return self.tool in ("lerobot", "refiner")

    @property
    def is_ours(self) -> bool:
        return self.name.startswith("lecompose")


# The rounds go in this order, and tables too.
VARIANTS = (
    Variant("merge", "cp", "cp -r {sources} {out}", lacks=_NO_MERGE),
    Variant("merge", "cp, synced", "sh {here}/cp_synced.sh {out} {sources}", lacks=_NO_MERGE),
    Variant("merge", "polars", "{once} with_polars.merge {sources}", "polars", _DATA, _DATA_ONLY),
    Variant(
        "merge",
        "polars-episode",
        "{once} with_polars.merge_by_episode {sources}",
        "polars",
        _DATA,
        _DATA_ONLY,
    ),
    Variant("merge", "ffmpeg", "{once} with_ffmpeg.merge {sources}", "ffmpeg", _VIDEO, _VIDEO_ONLY),
    Variant("merge", "lecompose", "{lecompose} merge {sources} -o {out}/all --json", facts=_ALL),
    Variant(
        "merge",
        "lecompose-packed",
        "{lecompose} merge {sources} -o {out}/all --json --row-groups packed",
        facts=_ALL,
    ),
    Variant("merge", "lerobot", "{once} with_lerobot.merge {sources}", "lerobot", _JOINED),
    Variant(
        "merge",
        "lerobot-convert",
        "{once} with_lerobot.convert_and_merge {sources}",
        "lerobot",
        _JOINED,
        in_place=True,
    ),
    Variant("merge", "refiner", "{once} with_refiner.merge {sources}", "refiner", _SETS, _RENUMBERS_NOT),
    Variant("split", "cp", "cp -r {sources} {out}", lacks="splits nothing"),
    Variant(
        "split",
        "lecompose",
        "{lecompose} split {first} -o {out} --json --in-order --into train=80% --into val=20%",
        facts=_ALL,
    ),
    Variant("split", "lerobot", "{once} with_lerobot.split {sources}", "lerobot", _ENCODED, _ENCODES),
    Variant("delete", "cp", "cp -r {sources} {out}", lacks="deletes nothing"),
    Variant("delete", "lecompose", "{lecompose} delete {first} -o {out}/all --json --episodes 1", facts=_ALL),
    Variant("delete", "lerobot", "{once} with_lerobot.delete {sources}", "lerobot", _ENCODED, _ENCODES),
    Variant(
        "stats",
        "polars, read only",
        "{once} with_polars.read_columns {sources}",
        "polars",
        lacks="reads and stops",
    ),
    Variant(
        "stats",
        "numpy",
        "{once} with_numpy.stats {sources}",
        "numpy",
        _ANSWER,
        "checks nothing; all in memory at once",
    ),
    Variant("stats", "lecompose", "{lecompose} stats {first} --json", facts=_ANSWER),
    Variant("stats", "lecompose, 1GB", "{lecompose} stats {first} --json --memory 1GB", facts=_ANSWER),
    *(
        variant
        for query, function in zip(SQL, ("ask_minutes", "ask_highest", "ask_where"), strict=True)
        for variant in (
            Variant(query, "polars", f"{{once}} with_polars.{function} {{sources}}", "polars", _ANSWER),
            Variant(
                query,
                "lecompose",
                f"{{lecompose}} query {{sources}} {{sql:{query}}} --format json",
                facts=_ANSWER,
            ),
        )
    ),
    Variant("asked again", "polars", "{once} with_polars.ask {sources}", "polars", _ANSWER),
    Variant("asked again", "lecompose", "{once} with_lecompose.ask {sources}", facts=_ANSWER),
    Variant(
        "plan",
        "polars, lengths only",
        "{once} with_polars.read_episodes {sources}",
        "polars",
        _ANSWER,
        _LENGTHS_ONLY,
    ),
    Variant("plan", "lecompose", "{once} with_lecompose.plan {sources}", facts=_ANSWER),
    Variant("help", "python", "{python} -c pass", lacks="does nothing"),
    Variant("help", "lecompose", "{lecompose} --help"),
    Variant("import", "python", "{python} -c pass", lacks="does nothing"),
    Variant("import", "polars", "{python} -c {import:polars}", "polars"),
    Variant("import", "lecompose", "{python} -c {import:lecompose}"),
    Variant("import", "lerobot", "{python} -c {import:lerobot.datasets.lerobot_dataset}", "lerobot"),
    Variant("info", "python", "{python} -c pass", lacks="does nothing"),
    Variant("info", "lecompose", "{lecompose} info {first}"),
)


def doing(job: str, names: tuple[str, ...] = ()) -> list[Variant]:
    """Who does a job; only those of these names where any are given."""
    return [v for v in VARIANTS if v.job == job and (not names or v.name in names)]


def command(variant: Variant, rival: Rival | None, sources: list[Path], out: Path) -> list[str]:
    """The words of a variant's command line."""
    python = list(rival.command) if rival else [sys.executable]
    words: list[str] = []
    for word in _words(variant.command):
        kind, _, rest = word.strip("{}").partition(":")
        match kind if word.startswith("{") else "":
            case "sources":
                words += map(str, sources)
            case "lecompose":
                words += [sys.executable, "-m", "lecompose"]
            case "once":
                words += [*python, str(HERE / "once.py"), "--out", str(out)]
            case "python":
                words += python
            case "sql":
                words.append(" ".join(SQL[rest].split()))
            case "import":
                words.append(f"import {rest}")
            case _:
                words.append(word.format(first=sources[0], out=out, here=HERE))
    return words


def _words(template: str) -> list[str]:
    """The template at its spaces, but for those inside braces."""
    words, depth = [""], 0
    for letter in template:
        depth += (letter == "{") - (letter == "}")
        if letter == " " and not depth:
            words.append("")
        else:
            words[-1] += letter
    return words


def told(variant: Variant, said: str) -> tuple[dict[str, float], Any]:
    """The seconds of a run's parts and its answer, from what it printed."""
    if "{once}" in variant.command:
        found = json.loads(said.splitlines()[-1])
        return found["seconds"], found["answer"]
    if variant.job in SQL:
        return {}, [list(row.values()) for row in json.loads(said)]
    if variant.job == "stats":
        return {}, json.loads(said)
    if "--json" in variant.command:
        return json.loads(said)["seconds"], None
    return {}, None


def outputs(variant: Variant, out: Path) -> list[Path]:
    """The datasets that a run left behind, in the order of their episodes."""
    return [out / "train", out / "val"] if variant.job == "split" else [out / "all"]
