"""Datasets of which a converter got half way: lists of one version of the format, data files of another.

All is linked and listed as in v3.0. Where nothing says where an episode's videos lie, they are found as where
no pointers are.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.checks.repair.derived_columns import Derived
from lecompose.dataset.catalog.hub_cache import name_dataset
from lecompose.dataset.catalog.json_lists import read_episode_lines, read_task_lines
from lecompose.files.clutter import glob_files
from lecompose.files.json_files import read_json
from lecompose.files.link_rest import link_rest
from lecompose.files.parquet.damage import reading_parquet

_POINTERS = {
    "chunk_index": pa.int64(),
    "file_index": pa.int64(),
    "from_timestamp": pa.float64(),
    "to_timestamp": pa.float64(),
}
_NOTE = 'source "{}": half converted: {}. All are read; what no list has of statistics is computed'
_NAMES = {"data": "data files", "lists": "lists of episodes", "videos": "videos"}
_V3_LISTS = "meta/episodes/*/*.parquet"
_FILES_A_CHUNK = 1000


def convert_lists(root: Path, folder: Path) -> Derived | None:
    """Return the dataset with files and lists as in v3.0, in a new `folder`, where some are and some are not.

    Returns None where all are of one version, or nothing tells.

    Raises:
        SourceBroken: where a list cannot be read.
    """
    info = root / formats.INFO_PATH
    usual = {
        "data": (formats.DATA_PATH, formats.V2_DATA_PATH),
        "videos": (formats.VIDEO_PATH, formats.V2_VIDEO_PATH),
    }
    globs = {part: [formats.path_glob(path) for path in both] for part, both in usual.items()}
    globs["lists"] = [_V3_LISTS, "meta/episodes.jsonl"]
    found = {part: [bool(glob_files(root, glob)) for glob in both] for part, both in globs.items()}
    told = {part: is_there[0] for part, is_there in found.items() if is_there[0] != is_there[1]}
    if not info.is_file() or not {"data", "lists"} <= told.keys() or len(set(told.values())) == 1:
        return None
    new = folder / name_dataset(root)
    (new / "meta").mkdir(parents=True)
    parts = _Parts(root, new, read_json(info))
    if not told["data"]:
        parts.link_data()
    parts.write_info()
    parts.write_lists(is_v3=told["lists"], has_own_videos=told.get("videos") is False)
    link_rest(root, new)
    versions = ", ".join(f"{_NAMES[part]} as in {'v3' if is_v3 else 'v2'}.x" for part, is_v3 in told.items())
    return Derived(new, root, _NOTE.format(name_dataset(root), versions))


@dataclass(frozen=True)
class _Parts:
    """A dataset, and the folder of the one that is made of it; `info` is what info.json holds."""

    root: Path
    new: Path
    info: dict[str, Any]

    @property
    def cameras(self) -> list[str]:
        features = self.info.get("features")
        specs = features.items() if isinstance(features, dict) else ()
        return [name for name, spec in specs if isinstance(spec, dict) and spec.get("dtype") == "video"]

    def link_data(self) -> None:
        """Link data files of v2.x under the names of v3.0, in their order."""
        files = sorted(glob_files(self.root, formats.path_glob(formats.V2_DATA_PATH)))
        for number, path in enumerate(files):
            self._link(path, formats.DATA_PATH.format(**_place(number)))

    def write_info(self) -> None:
        paths = {"data_path": formats.DATA_PATH, "video_path": formats.VIDEO_PATH}
        sizes = {f"{what}_files_size_in_mb": size for what, size in (("data", 100), ("video", 200))}
        info = sizes | self.info | {"codebase_version": formats.V30} | paths
        (self.new / formats.INFO_PATH).write_text(json.dumps(info), encoding="utf-8")

    def write_lists(self, *, is_v3: bool, has_own_videos: bool) -> None:
        """Write the lists of v3.0; each episode may have a video file of its own, as in v2.x."""
        if is_v3:
            files = sorted(glob_files(self.root, _V3_LISTS))
            with reading_parquet(self.root / "meta/episodes"):
                rows = pa.concat_tables(
                    [pq.read_table(path, partitioning=None) for path in files], promote_options="default"
                )
        else:
            rows = self._read_v2_lists()
        if has_own_videos:
            rows = self._link_videos(rows)
        target = self.new / formats.EPISODES_PATH.format(**_place(0))
        target.parent.mkdir(parents=True)
        pq.write_table(rows, target)

    def _read_v2_lists(self) -> pa.Table:
        """Return the episodes of a v2.x list, without pointers; write the tasks."""
        listed = read_episode_lines(self.root / "meta/episodes.jsonl", "")
        nothing = {f"data/{name}": _POINTERS[name] for name in ("chunk_index", "file_index")}
        nothing |= {f"meta/episodes/{name}": pa.int64() for name in ("chunk_index", "file_index")}
        nothing |= {f"dataset_{side}_index": pa.int64() for side in ("from", "to")}
        nothing |= {f"videos/{camera}/{n}": kind for camera in self.cameras for n, kind in _POINTERS.items()}
        tasks = self.root / "meta/tasks.jsonl"
        if tasks.is_file() and not (self.root / formats.TASKS_PATH).exists():
            held = read_task_lines(tasks, "")
            columns = {"task_index": held["src_task"], "task": held["task"]}
            pq.write_table(pa.table(columns), self.new / formats.TASKS_PATH)
        names = {"episode_index": "src_episode", "tasks": "tasks", "length": "length"}
        return pa.table(
            {name: listed[own] for name, own in names.items()}
            | {name: pa.nulls(len(listed), kind) for name, kind in nothing.items()}
        )

    def _link_videos(self, rows: pa.Table) -> pa.Table:
        """Link the video of each episode under a name of v3.0; return the list with pointers to these."""
        numbers, lengths = (rows[name].to_pylist() for name in ("episode_index", "length"))
        chunk_size = self.info.get("chunks_size")
        chunk_size = chunk_size if isinstance(chunk_size, int) and chunk_size > 0 else _FILES_A_CHUNK
        places = [_place(number) for number in range(len(numbers))]
        ends = [length / float(self.info["fps"]) for length in lengths]
        for camera in self.cameras:
            for number, place in zip(numbers, places, strict=True):
                at = {"episode_chunk": number // chunk_size, "episode_index": number, "video_key": camera}
                path = self.root / formats.V2_VIDEO_PATH.format(**at)
                if path.is_file():
                    self._link(path, formats.VIDEO_PATH.format(video_key=camera, **place))
            pointers = {
                "chunk_index": [place["chunk_index"] for place in places],
                "file_index": [place["file_index"] for place in places],
                "from_timestamp": [0.0] * len(places),
                "to_timestamp": ends,
            }
            for name, values in pointers.items():
                column = f"videos/{camera}/{name}"
                array = pa.array(values, _POINTERS[name])
                at_column = rows.schema.get_field_index(column)
                if at_column < 0:
                    rows = rows.append_column(column, array)
                else:
                    rows = rows.set_column(at_column, column, array)
        return rows

    def _link(self, path: Path, name: str) -> None:
        target = self.new / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path.resolve())


def _place(number: int) -> dict[str, int]:
    """Return chunk and file of the file of a number."""
    return {"chunk_index": number // _FILES_A_CHUNK, "file_index": number % _FILES_A_CHUNK}
