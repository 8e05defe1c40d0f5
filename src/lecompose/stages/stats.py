"""Makes the statistics true: the relation `episode_stats`, and meta/stats.json.

Per episode: carried where a source has them, moved where numbering changed, computed where missing.
Over an output: computed from all its frames, quantiles included; cameras from their episodes' statistics.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import carried
from lecompose.errors import OutputUnwritable
from lecompose.formats import QUANTILES, STATS, Feature
from lecompose.layout import jobs
from lecompose.run import Run
from lecompose.statistics import Statistics, sortable, summarise, summarise_runs

_COMPUTED = ("min", "max", "mean", "std", *QUANTILES)
# These follow from the layout; sql/stats/episodes.sql has the formulas.
_FROM_LAYOUT = ("index", "episode_index")
# Numbers gathered at a time; never more than half of the memory limit either.
_ROOM_BYTES = 2**30


@dataclass(frozen=True)
class _DataFile:
    """One data file of an output, and the episodes in it."""

    output: str
    path: Path
    episodes: list[int]
    lengths: list[int]


@dataclass(frozen=True)
class _Found:
    """A feature's statistics: over each output, and over each episode where those were asked for."""

    feature: Feature
    over_outputs: dict[str, Statistics]
    by_episode: pa.Table | None


def stats(run: Run) -> None:
    """Make `episode_stats` and write stats.json of every output.

    Errors: SourceBroken for unreadable statistics; OutputUnwritable.
    """
    carried.register(run.layout.catalog)
    numeric = [f for f in run.target.columns if f.is_numeric]
    incomplete = _incomplete(run, numeric)
    files = list(_data_files(run))
    run.progress.stage("stats", len(numeric) * sum(f.path.stat().st_size for f in files))
    found = run.each(numeric, lambda f: _compute(run, files, f, by_episode=f.name in incomplete))
    _register_episode_stats(run, found)
    for output, folder in run.folders.items():
        _write_json(folder / "meta" / "stats.json", _of_output(run, output, found))


def _incomplete(run: Run, numeric: list[Feature]) -> set[str]:
    """The features of which some planned episode lacks a statistic, and task_index: it is numbered anew."""
    wanted = {"features": [[f"{f.name}/{s}" for s in _COMPUTED] for f in numeric]}
    rows = run.engine.rows("stats/missing", wanted)
    lacking = {f.name for f, row in zip(numeric, rows, strict=True) if row["episodes"]}
    return (lacking | {"task_index"}) - set(_FROM_LAYOUT)


def _data_files(run: Run) -> Iterator[_DataFile]:
    for (output, _), rows in jobs(run.engine.rows("layout/all_episodes"), "out_dataset", "file_number"):
        path = run.data_file(output, rows[0])
        lengths = [row["length"] for row in rows]
        episodes = [row["out_episode"] for row in rows]
        yield _DataFile(output, path, episodes, lengths)


# Computing --------------------------------------------------------------------------------------


def _compute(run: Run, files: list[_DataFile], feature: Feature, *, by_episode: bool) -> _Found:
    """A feature's statistics over every output, and over every episode if asked for."""
    outputs: dict[str, Statistics] = {}
    tables: list[pa.Table] = []
    for (output,), group in jobs([{"output": f.output, "file": f} for f in files], "output"):
        mine: list[_DataFile] = [row["file"] for row in group]
        passes = []
        for columns in _passes(run, mine, feature):
            want_episodes = by_episode and columns.start == 0
            passes.append(_one_pass(run, mine, feature, columns, tables if want_episodes else None))
        outputs[output] = {s: np.concatenate([p[s] for p in passes]) for s in _COMPUTED}
    return _Found(feature, outputs, pa.concat_tables(tables) if tables else None)


def _passes(run: Run, files: list[_DataFile], feature: Feature) -> list[slice]:
    """The dimensions to summarise at a time, so that their numbers stay within memory."""
    room = min(_ROOM_BYTES, run.engine.memory_bytes // 2) // run.engine.threads
    step = max(1, room // (_rows(files, feature) * sortable(np.empty(0, feature.dtype)).itemsize))
    return [slice(start, start + step) for start in range(0, feature.stat_size, step)]


def _one_pass(
    run: Run, files: list[_DataFile], feature: Feature, columns: slice, by_episode: list[pa.Table] | None
) -> Statistics:
    """Some dimensions' statistics over all files; tables of all dimensions by episode where wanted."""
    gathered: np.ndarray | None = None
    at = 0
    for file in files:
        numbers = sortable(_numbers(file, feature))
        if by_episode is not None:
            by_episode.append(_episode_rows(file, numbers, feature))
        part = numbers[:, columns].T
        if gathered is None:
            gathered = np.empty((len(part), _rows(files, feature)), dtype=part.dtype)
        gathered[:, at : at + part.shape[1]] = part
        at += part.shape[1]
        if columns.start == 0:
            run.advance(file.path.stat().st_size)
    assert gathered is not None
    return summarise(gathered)


def _rows(files: list[_DataFile], feature: Feature) -> int:
    return sum(sum(f.lengths) for f in files) * _rows_a_frame(feature)


def _numbers(file: _DataFile, feature: Feature) -> np.ndarray:
    """A feature's numbers in one file. Shape: (frames × leading axes, last axis)."""
    with pq.ParquetFile(file.path) as parquet:
        column = parquet.read(columns=[feature.name], use_threads=False)[feature.name].combine_chunks()
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    while pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
        column = column.flatten()
    return np.asarray(column.to_numpy(zero_copy_only=False)).reshape(-1, feature.stat_size)


def _rows_a_frame(feature: Feature) -> int:
    return math.prod(feature.shape[:-1]) if feature.shape else 1


def _episode_rows(file: _DataFile, numbers: np.ndarray, feature: Feature) -> pa.Table:
    repeat = _rows_a_frame(feature)
    found = summarise_runs(numbers, [length * repeat for length in file.lengths])
    columns = {stat: _lists(found[stat]) for stat in _COMPUTED}
    count = len(file.episodes)
    return pa.table(
        {
            "out_dataset": pa.array([file.output] * count, pa.string()),
            "out_episode": pa.array(file.episodes, pa.int64()),
            **columns,
        }
    )


def _lists(values: np.ndarray) -> pa.Array:
    offsets = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()))


# Per episode ------------------------------------------------------------------------------------


def _register_episode_stats(run: Run, found: list[_Found]) -> None:
    computed = []
    for n, one in enumerate(found):
        if one.feature.name in _FROM_LAYOUT:
            continue
        if one.by_episode is not None:
            run.engine.load(f"computed_{n}", one.by_episode)
        computed.append(_names(one, f"computed_{n}"))
    cameras = [f for f in run.target.features if f.is_visual]
    kept = [{"name": name} for f in cameras for name in _carried_names(run, f)]
    run.engine.table("episode_stats", "stats/episodes", {"carried": kept, "computed": computed})


def _names(found: _Found, relation: str) -> dict[str, Any]:
    """How stats/episodes is to get one feature's statistics: carried, computed, or either."""
    name = found.feature.name
    return {
        "relation": relation,
        "carry": name != "task_index",
        "compute": found.by_episode is not None,
        "stats": [{"stat": stat, "name": f"{name}/{stat}"} for stat in _COMPUTED],
        "count": f"{name}/count",
    }


def _carried_names(run: Run, camera: Feature) -> list[str]:
    """The statistics of a camera that are kept: what any episode has, quantiles only if all have them."""
    names = [f"{camera.name}/{stat}" for stat in STATS]
    rows = run.engine.rows("stats/missing", {"features": [[name] for name in names]})
    episodes = sum(row["episodes"] for row in run.engine.rows("plan/totals"))
    return [
        name
        for name, row in zip(names, rows, strict=True)
        if row["episodes"] == 0 or (row["episodes"] < episodes and name.rpartition("/")[2] not in QUANTILES)
    ]


# Over an output ---------------------------------------------------------------------------------


def _of_output(run: Run, output: str, found: list[_Found]) -> dict[str, Any]:
    """stats.json of one output, features in their order."""
    frames = next(r["frames"] for r in run.engine.rows("plan/totals") if r["out_dataset"] == output)
    computed = {
        one.feature.name: {stat: values.tolist() for stat, values in one.over_outputs[output].items()}
        | {"count": [frames]}
        for one in found
    }
    visual = {f.name: _of_camera(run, output, f) for f in run.target.features if f.is_visual}
    every = computed | {name: stats for name, stats in visual.items() if stats}
    names = [f.name for f in run.target.features if f.name in every]
    return {name: {s: every[name][s] for s in STATS if s in every[name]} for name in names}


def _of_camera(run: Run, output: str, camera: Feature) -> dict[str, Any]:
    """A camera's statistics, from those of its episodes; empty where they have none."""
    kept = {name.rpartition("/")[2]: name for name in _carried_names(run, camera)}
    if not {"min", "max", "mean", "std"} <= kept.keys():
        return {}
    _note_unknown(run, camera)
    row = run.engine.rows("stats/visual", {"stats": kept}, out_dataset=output)[0]
    if row["min"] is None:
        return {}
    count = {"count": [int(row["count"][0])]} if "count" in kept else {}
    return {stat: [[[x]] for x in row[stat]] for stat in kept if stat != "count"} | count


def _note_unknown(run: Run, camera: Feature) -> None:
    lacking = run.engine.rows("stats/missing", {"features": [[f"{camera.name}/mean"]]})[0]["episodes"]
    note = (
        f'camera "{camera.name}": {lacking} episodes have no picture statistics; stats.json is of the others'
    )
    if lacking and note not in run.notes:
        run.notes.append(note)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=4, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        raise OutputUnwritable(f"cannot write statistics: {error}. ({path})") from error
