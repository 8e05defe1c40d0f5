"""Every operation of the public functions, as rows of one table: what is called, and what must come of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from broken.damage import CAMERA
from support.edited import Edit, changed, retimed, retold, unchanged
from support.independent import Dataset, Episode, read, table

import lecompose
from attempts.place import Place

Picks = Mapping[str, Sequence[int]]
"""Of each output the rows of the source's episode list, in order; "" is `out` itself."""

STATE = "observation.state"


@dataclass(frozen=True)
class Operation:
    """`do` is called; `picks` are the episodes that it gives, None where any so many may be drawn.

    `edited` is what becomes of each dataset, `robot` the name that the output carries. `then` are the
    episodes of the sound dataset that follow. An operation that `saves` takes what can be saved, one that
    `spares` cameras does not look at videos. In place it writes where the dataset is, and where it
    `replaces`, over an older one. `pictures` are the same ones, but for those that are encoded anew.
    `reads` judges what an operation gives that writes nothing; one `of_files` also shows rows in them that no
    episode list names.
    """

    name: str
    do: Callable[[Place], Any]
    picks: Callable[[Dataset, Place], Picks | int] = lambda source, place: {"": every(source)}
    edited: Callable[[Place], Edit] = lambda place: unchanged
    robot: str = "toy_arm"
    then: bool = False
    saves: bool = False
    spares: bool = False
    in_place: bool = False
    replaces: bool = False
    pictures: bool = True
    reads: Callable[[Any, Path], None] | None = None
    of_files: bool = False


# Which episodes ---------------------------------------------------------------------------------


def every(source: Dataset) -> list[int]:
    return list(range(len(source.episodes)))


def but(source: Dataset, row: int) -> list[int]:
    return [n for n in every(source) if n != row]


def _sound(place: Place) -> int:
    """The row of an episode that is not the broken one."""
    return 1 if place.victim == 0 else 0


def _broken(place: Place) -> int:
    return 2 if place.victim is None else place.victim


def _halves(source: Dataset, place: Place) -> Picks:
    rows = every(source)
    first = max(1, round(len(rows) * 2 / 3))
    return {"a": rows[:first], "b": rows[first:]}


def _of_first_task(source: Dataset, place: Place) -> Picks:
    return {"": [n for n, e in enumerate(source.episodes) if e.listed[0] == place.tasks[0]]}


def _longest_first(source: Dataset, place: Place) -> Picks:
    return {"": sorted(every(source), key=lambda n: -len(source.episodes[n]))}


def _backwards(source: Dataset, place: Place) -> Picks:
    return {"first": [0], "rest": every(source)[:0:-1]}


# What becomes of it -----------------------------------------------------------------------------


def _renamed_task(place: Place) -> Edit:
    return retold(lambda _, text: "grasp" if text == place.tasks[0] else text)


def _doubled(_: int, rows: Any) -> Any:
    return (2 * np.array(rows["frame_index"].to_pylist())).astype("int64")


def _broken_feature(place: Place) -> str:
    """The feature that is broken, where it can be done without."""
    named = place.broken.feature
    return named if named in (CAMERA, "action", "next.reward", STATE) else STATE


def _counted_anew(place: Place) -> Edit:
    """The dataset as it was, but for the statistics of its numbers: these are to be computed."""

    def of_episode(episode: Episode, visual: set[str]) -> Episode:
        kept = {k: v for k, v in episode.stats.items() if k.rpartition("/")[0] in visual}
        return replace(episode, stats=kept)

    def edited(dataset: Dataset) -> Dataset:
        visual = {n for n, f in dataset.features.items() if f["dtype"] in ("video", "image")}
        return replace(dataset, episodes=tuple(of_episode(e, visual) for e in dataset.episodes))

    return edited


def _every_second(place: Place) -> Edit:
    def of_episode(episode: Episode) -> Episode:
        rows = episode.rows.take(list(range(0, len(episode), 2)))
        at = rows.schema.get_field_index("frame_index")
        numbers = rows["frame_index"].slice(0, 0).type
        rows = rows.set_column(at, "frame_index", [np.arange(len(rows)).astype(numbers.to_pandas_dtype())])
        return replace(episode, rows=rows, tasks=episode.tasks[::2], stats={})

    def edited(dataset: Dataset) -> Dataset:
        episodes = tuple(map(of_episode, dataset.episodes))
        return replace(dataset, info=dataset.info | {"fps": dataset.info["fps"] // 2}, episodes=episodes)

    return edited


def _in_pieces(spans: Callable[[int, int], Sequence[tuple[int, int]]]) -> Edit:
    """Of each episode, by its row and length, the frames [start, end) that become episodes of their own."""

    def of_span(episode: Episode, start: int, end: int, fps: float) -> Episode:
        if (start, end) == (0, len(episode)):
            return episode
        rows = episode.rows.slice(start, end - start)
        counted = np.arange(end - start)
        seconds = rows["timestamp"].to_numpy() if start == 0 else (counted / fps).astype(np.float32)
        for name, values in (("frame_index", counted), ("timestamp", seconds)):
            at = rows.schema.get_field_index(name)
            kind = rows["timestamp"].type if name == "timestamp" else pa.int64()
            rows = rows.set_column(at, name, pa.array(values).cast(kind))
        tasks = episode.tasks[start:end]
        clips = {name: (path, first + start) for name, (path, first) in episode.clips.items()}
        told = tuple(dict.fromkeys(tasks)) if len(set(episode.tasks)) > 1 else episode.listed
        return replace(episode, rows=rows, tasks=tasks, listed=told, clips=clips, stats={})

    def edited(dataset: Dataset) -> Dataset:
        held = [
            of_span(episode, start, end, dataset.info["fps"])
            for n, episode in enumerate(dataset.episodes)
            for start, end in spans(n, len(episode))
        ]
        return replace(dataset, episodes=tuple(held))

    return edited


def _twice_each(source: Dataset, place: Place) -> Picks:
    return {"": list(range(2 * len(source.episodes)))}


# What is read -----------------------------------------------------------------------------------


def _same_counts(found: Any, root: Path) -> None:
    source = read(root)
    frames = sum(map(len, source.episodes))
    assert (found.episodes, found.frames) == (len(source.episodes), frames)


def _same_rows(found: Any, root: Path) -> None:
    held = [value for e in read(root).episodes for value in e.rows[STATE].to_pylist()]
    assert found[STATE].to_pylist() == held


def _rows_of_files(found: Any, root: Path) -> None:
    """SQL sees what the files hold, and no more."""
    tables = [table(path) for path in sorted(root.glob("data/*/*.parquet"))]
    rows = [
        (*(row.get(name) for name in ("episode_index", "frame_index")), row[STATE])
        for held in tables
        for row in held.to_pylist()
    ]
    if all("frame_index" in held.column_names for held in tables):
        rows.sort(key=lambda row: [(number is None, number) for number in row[:2]])  # as it was asked for
    assert found[STATE].to_pylist() == [value for *_, value in rows]


def _same_mean(found: Any, root: Path) -> None:
    source = read(root)
    held = [value for e in source.episodes for value in e.rows[STATE].to_pylist()]
    assert np.allclose(found[STATE]["mean"], np.mean(held, axis=0), rtol=1e-6)
    assert found[STATE]["count"] == [len(held)]


def _would_be_as_many(found: Any, root: Path) -> None:
    assert found.episodes == len(read(root).episodes)


def _frames(place: Place) -> Any:
    with lecompose.open(place.root) as held:
        return held.frames().read_all()


# The table --------------------------------------------------------------------------------------

WHERE_FRAMES = "max(frame_index) >= 0 and count(*) > 0"
RECIPE = """
select src_dataset, src_episode, case when src_episode = 0 then 'first' else 'rest' end as out_dataset
from episodes order by src_episode desc
"""

PIECES = """
select src_dataset, src_episode, part * 2 as from_frame, if(part = 0, 4, length) as to_frame
from episodes, range(2) parts(part) order by src_episode, part
"""

OPERATIONS: tuple[Operation, ...] = (
    Operation("merge", lambda p: lecompose.merge(p.root, out=p.out)),
    Operation("merge over", lambda p: lecompose.merge(p.root, out=p.out, overwrite=True), replaces=True),
    Operation("merge with another", lambda p: lecompose.merge([p.root, p.sound], out=p.out), then=True),
    Operation(
        "merge --skip-broken",
        lambda p: lecompose.merge([p.root, p.sound], out=p.out, skip_broken=True),
        then=True,
        saves=True,
    ),
    Operation("repair", lambda p: lecompose.repair(p.root, out=p.out), saves=True),
    Operation(
        "merge without camera",
        lambda p: lecompose.merge(p.root, out=p.out, remove=CAMERA),
        edited=lambda p: changed(remove=(CAMERA,)),
        spares=True,
    ),
    Operation(
        "merge --fps",
        lambda p: lecompose.merge(p.root, out=p.out, fps=15),
        edited=_every_second,
        pictures=False,
    ),
    Operation(
        "split",
        lambda p: lecompose.split(p.root, out=p.out, into={"a": "2/3", "b": "1/3"}, in_order=True),
        _halves,
    ),
    Operation(
        "filter",
        lambda p: lecompose.filter(p.root, out=p.out, where=f"task = {_quoted(p.tasks[0])}"),
        _of_first_task,
    ),
    Operation("filter by frames", lambda p: lecompose.filter(p.root, out=p.out, where_frames=WHERE_FRAMES)),
    Operation(
        "delete a sound one",
        lambda p: lecompose.delete(p.root, out=p.out, episodes=[_sound(p)]),
        lambda source, p: {"": but(source, _sound(p))},
    ),
    Operation(
        "delete the broken one",
        lambda p: lecompose.delete(p.root, out=p.out, episodes=[p.number(_broken(p))]),
        lambda source, p: {"": but(source, _broken(p))},
    ),
    Operation(
        "delete in place",
        lambda p: lecompose.delete(p.root, in_place=True, episodes=[_sound(p)]),
        lambda source, p: {"": but(source, _sound(p))},
        in_place=True,
    ),
    Operation("append", lambda p: lecompose.append(p.root, p.sound), then=True, in_place=True),
    Operation("sort", lambda p: lecompose.sort(p.root, out=p.out, by="length desc"), _longest_first),
    Operation(
        "sample", lambda p: lecompose.sample(p.root, out=p.out, episodes=2, seed=3), lambda source, p: 2
    ),
    Operation("compose", lambda p: lecompose.compose(RECIPE, p.root, out=p.out), _backwards),
    Operation(
        "compose of pieces",
        lambda p: lecompose.compose(PIECES, p.root, out=p.out),
        _twice_each,
        edited=lambda p: _in_pieces(lambda _, length: [(0, 4), (2, length)]),
        pictures=False,
    ),
    Operation(
        "trim",
        lambda p: lecompose.trim(p.root, out=p.out, head=2),
        edited=lambda p: _in_pieces(lambda _, length: [(2, length)]),
        pictures=False,
    ),
    Operation(
        "cut",
        lambda p: lecompose.cut(p.root, out=p.out, every=4),
        _twice_each,
        edited=lambda p: _in_pieces(lambda _, length: [(0, 4), (4, length)]),
        pictures=False,
    ),
    Operation(
        "drop frames",
        lambda p: lecompose.drop_frames(p.root, out=p.out, where="frame_index in (2, 3)"),
        _twice_each,
        edited=lambda p: _in_pieces(lambda _, length: [(0, 2), (4, length)]),
        pictures=False,
    ),
    Operation(
        "edit tasks",
        lambda p: lecompose.edit_tasks(p.root, out=p.out, replace={p.tasks[0]: "grasp"}),
        edited=_renamed_task,
    ),
    Operation(
        "edit tasks in place",
        lambda p: lecompose.edit_tasks(p.root, in_place=True, replace={p.tasks[0]: "grasp"}),
        edited=_renamed_task,
        in_place=True,
    ),
    Operation(
        "edit episodes",
        lambda p: lecompose.edit_episodes(p.root, out=p.out, add={"good:bool": "length > 5"}),
        pictures=False,
    ),
    Operation(
        "edit features",
        lambda p: lecompose.edit_features(p.root, out=p.out, remove=STATE, rename={"action": "command"}),
        edited=lambda p: changed(remove=(STATE,), rename={"action": "command"}),
    ),
    Operation(
        "edit features in place",
        lambda p: lecompose.edit_features(p.root, in_place=True, add={"double:int64": "2 * frame_index"}),
        edited=lambda p: changed(add={"double": ("int64", (1,), _doubled)}),
        in_place=True,
    ),
    Operation(
        "remove the broken feature",
        lambda p: lecompose.edit_features(p.root, out=p.out, remove=_broken_feature(p)),
        edited=lambda p: changed(remove=(_broken_feature(p),)),
    ),
    Operation(
        "edit info in place",
        lambda p: lecompose.edit_info(p.root, in_place=True, robot_type="so101"),
        robot="so101",
        in_place=True,
    ),
    Operation(
        "edit info --retime",
        lambda p: lecompose.edit_info(p.root, out=p.out, retime=15),
        edited=lambda p: retimed(15),
    ),
    Operation("stats -o", lambda p: lecompose.stats(p.root, out=p.out), edited=_counted_anew),
    Operation("stats", lambda p: lecompose.stats(p.root, images=True), reads=_same_mean),
    Operation(
        "merge --dry-run",
        lambda p: lecompose.merge(p.root, out=p.out, dry_run=True),
        reads=_would_be_as_many,
    ),
    Operation(
        "query",
        lambda p: lecompose.query(p.root, f'select "{STATE}" from frames order by src_episode, frame_index'),
        reads=_rows_of_files,
        of_files=True,
        spares=True,
    ),
    Operation("frames", _frames, reads=_same_rows, spares=True),
    Operation("info", lambda p: lecompose.info(p.root), reads=_same_counts, spares=True),
    Operation("check --decode", lambda p: lecompose.check(p.root, decode=True), reads=lambda found, _: None),
)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
