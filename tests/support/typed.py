"""Small datasets with features of every kind, in any format version, written with pyarrow and json alone."""

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DEFAULTS = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
Random = np.random.Generator


@dataclass(frozen=True)
class Kind:
    """A feature as info.json declares it, and a function that gives so many cells of it as they are stored.

    The function may give another Arrow type at each call: some writers let it follow from the content.
    """

    dtype: str
    shape: tuple[int, ...]
    cells: Callable[[Random, int], pa.Array]
    info: Mapping[str, Any] | None = None
    extension: bool = False

    @property
    def spec(self) -> dict[str, Any]:
        told = {"dtype": self.dtype, "shape": list(self.shape), "names": None}
        return told | ({"info": dict(self.info)} if self.info else {})


# Cells ------------------------------------------------------------------------------------------


def numbers(rng: Random, dtype: str, count: int) -> np.ndarray:
    """Numbers of all magnitudes; among floats NaN, infinities, both zeros and the smallest there are."""
    kind = np.dtype(dtype)
    if kind == np.bool_:
        return rng.integers(0, 2, count).astype(np.bool_)
    drawn = np.frombuffer(rng.bytes(count * kind.itemsize), kind).copy()
    if kind.kind == "f":
        odd = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1.5, np.finfo(kind).smallest_subnormal], kind)
        drawn = np.where(np.isfinite(drawn) & (rng.random(count) < 0.7), drawn, rng.choice(odd, count))
    return drawn.astype(kind)


def calm(rng: Random, dtype: str, count: int) -> np.ndarray:
    """Numbers whose statistics are numbers too."""
    return rng.integers(0, 2 if dtype == "bool" else 100, count).astype(dtype)


def scalar(dtype: str, draw: Any = numbers) -> Kind:
    return Kind(dtype, (1,), lambda rng, n: pa.array(draw(rng, dtype, n)))


def vector(dtype: str, size: int, *, fixed: bool, draw: Any = numbers) -> Kind:
    def cells(rng: Random, n: int) -> pa.Array:
        values = pa.array(draw(rng, dtype, n * size))
        if fixed:
            kind = pa.list_(pa.field("element", values.type), size)
            return pa.FixedSizeListArray.from_arrays(values, type=kind)
        return pa.ListArray.from_arrays(pa.array(range(0, n * size + 1, size), pa.int32()), values)

    return Kind(dtype, (size,), cells)


def array(dtype: str, shape: tuple[int, ...], *, extension: bool, draw: Any = numbers) -> Kind:
    def cells(rng: Random, n: int) -> pa.Array:
        held = pa.array(draw(rng, dtype, n * int(np.prod(shape))))
        for size in reversed(shape):
            offsets = pa.array(range(0, len(held) + 1, size), pa.int32())
            held = pa.ListArray.from_arrays(offsets, held, type=pa.list_(pa.field("element", held.type)))
        return held

    return Kind(dtype, shape, cells, extension=extension)


WORDS = ("", "pick", " ", "größe 📏", 'a "b"', "two\nlines", "\t", "null", "2024-01-01", "0")


def text() -> Kind:
    return Kind("string", (1,), lambda rng, n: pa.array(rng.choice(WORDS, n).tolist(), pa.string()))


def nulls(dtype: str, shape: tuple[int, ...], stored: pa.DataType) -> Kind:
    """A column in which nothing was ever put."""
    return Kind(dtype, shape, lambda _, n: pa.nulls(n, stored))


def image(ending: str, *, shape: tuple[int, ...] = (4, 6, 3), info: Mapping[str, Any] | None = None) -> Kind:
    """Pictures that nothing can decode, so that only their bytes can have been kept."""
    marks = {"png": b"\x89PNG\r\n\x1a\n", "jpg": b"\xff\xd8\xff\xe0", "tiff": b"II*\x00"}

    def cells(rng: Random, n: int) -> pa.Array:
        files = [
            {
                "bytes": marks[ending] + rng.bytes(int(rng.integers(0, 90))),
                "path": f"frame-{i:06d}.{ending}",
            }
            for i in range(n)
        ]
        return pa.array(files, IMAGE)

    return Kind("image", shape, cells, info)


def tiff(
    picture: np.ndarray, *, order: str = "<", rows_a_strip: int = 1000, compression: int = 1, kind: int = 3
) -> bytes:
    """A TIFF file of float32, as LeRobot stores depth in metres. Shape: (height, width)."""
    height, width = picture.shape
    strips = [
        picture[n : n + rows_a_strip].astype(f"{order}f4").tobytes() for n in range(0, height, rows_a_strip)
    ]
    starts = np.cumsum([8, *map(len, strips)]).tolist()
    lists = struct.pack(f"{order}{2 * len(strips)}I", *starts[:-1], *map(len, strips))
    first, second = (starts[-1], starts[-1] + 4 * len(strips)) if len(strips) > 1 else (8, len(strips[0]))
    entries = [
        *((256, 3, 1, width), (257, 4, 1, height), (258, 3, 1, 32), (259, 3, 1, compression)),
        *((273, 4, len(strips), first), (277, 3, 1, 1), (279, 4, len(strips), second), (339, 3, 1, kind)),
    ]
    packed = [
        struct.pack(f"{order}HHI" + ("HH" if type_ == 3 else "I"), tag, type_, n, *[value, 0][: 5 - type_])
        for tag, type_, n, value in entries
    ]
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(packed) + bytes(4)
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", starts[-1] + len(lists))
    return b"".join([head, *strips, lists, directory])


def metres(shape: tuple[int, int]) -> Kind:
    """Depth pictures in metres, which can be decoded."""

    def cells(rng: Random, n: int) -> pa.Array:
        pictures = [(3 * rng.random(shape) + 0.3).astype(np.float32) for _ in range(n)]
        files = [{"bytes": tiff(p), "path": f"frame-{i:06d}.tiff"} for i, p in enumerate(pictures)]
        return pa.array(files, IMAGE)

    return Kind("image", (*shape, 1), cells, {"is_depth_map": True, "depth_unit": "m"})


def depth() -> Kind:
    return image("tiff", shape=(4, 6, 1), info={"is_depth_map": True, "depth_unit": "mm"})


# Language columns: LeRobot's annotation writer lets each file's type follow from what is in it.

CALL = {"type": "function", "function": {"name": "say", "arguments": {"text": 'größe "b"'}}}


def language(name: str, form: str) -> Kind:
    """`form`: "empty" (list of null), "inferred" (structs), "json", "string", or "mixed" by file."""

    def cells(rng: Random, n: int) -> pa.Array:
        chosen = str(rng.choice(["empty", "inferred", "json", "string"])) if form == "mixed" else form
        if chosen == "empty":
            return pa.array([[]] * n, pa.list_(pa.null()))
        rows = [[_said(rng, name, chosen) for _ in range(int(rng.integers(0, 3)))] for _ in range(n)]
        if chosen == "inferred":
            return pa.array([*rows[:-1], [_said(rng, name, chosen)]])
        return stored_language(name, rows, json_type=chosen == "json")

    return Kind("language", (1,), cells)


def _said(rng: Random, name: str, form: str) -> dict[str, Any]:
    call = CALL if form == "inferred" else json.dumps(CALL)
    row: dict[str, Any] = {"role": "assistant", "content": str(rng.choice(WORDS)), "style": "plan"}
    if name == "language_persistent":
        row["timestamp"] = float(np.float32(rng.random()))
    return row | {"camera": None, "tool_calls": [call] if rng.random() < 0.5 else None}


def stored_language(name: str, rows: list[Any], *, json_type: bool) -> pa.Array:
    plain = pa.array(rows, pa.list_(_language_row(name, pa.string())))
    if not json_type:
        return plain
    rows_held = plain.values
    calls = rows_held.field("tool_calls")
    texts = pa.ExtensionArray.from_storage(pa.json_(), calls.values)
    kind = _language_row(name, pa.json_())
    calls = pa.ListArray.from_arrays(
        calls.offsets, texts, type=kind.field("tool_calls").type, mask=calls.is_null()
    )
    parts = [rows_held.field(f.name) if f.name != "tool_calls" else calls for f in kind]
    return pa.ListArray.from_arrays(plain.offsets, pa.StructArray.from_arrays(parts, fields=list(kind)))


def _language_row(name: str, call: pa.DataType) -> pa.DataType:
    time = [("timestamp", pa.float32())] if name == "language_persistent" else []
    texts = [(key, pa.string()) for key in ("role", "content", "style")]
    return pa.struct([*texts, *time, ("camera", pa.string()), ("tool_calls", pa.list_(call))])


# Datasets ---------------------------------------------------------------------------------------


def write(
    root: Path,
    kinds: Mapping[str, Kind],
    *,
    version: str = "v3.0",
    lengths: Sequence[int] = (3, 4, 2),
    tasks: Sequence[str] = ("pick",),
    seed: int = 0,
    episodes_per_file: int = 2,
    metadata: bool = True,
) -> Path:
    """The folder `root`, now holding a dataset without cameras; `tasks` take turns from frame to frame.

    Without `metadata` the data files say nothing of `datasets` types, as those of some converters.
    """
    features = {name: kind.spec for name, kind in kinds.items()}
    features |= {name: {"dtype": dtype, "shape": [1], "names": None} for name, dtype in DEFAULTS.items()}
    rng = np.random.default_rng(seed)
    per_file = episodes_per_file if version == "v3.0" else 1
    files = [range(first, min(first + per_file, len(lengths))) for first in range(0, len(lengths), per_file)]
    for number, episodes in enumerate(files):
        table = _file(rng, kinds, episodes, lengths, len(tasks), metadata=metadata)
        _write_parquet(root / data_name(version, number), table, [lengths[e] for e in episodes])
    info = _info(version, features, lengths, len(tasks))
    (root / "meta").mkdir()
    (root / "meta/info.json").write_text(json.dumps(info), encoding="utf-8")
    if version == "v3.0":
        _write_v3_meta(root, lengths, tasks, per_file)
    else:
        _write_v2_meta(root, lengths, tasks)
    return root


def data_name(version: str, number: int) -> str:
    return f"data/chunk-000/{'file' if version == 'v3.0' else 'episode'}-{number:03d}.parquet".replace(
        "episode-", "episode_000"
    )


def _file(
    rng: Random,
    kinds: Mapping[str, Kind],
    episodes: range,
    lengths: Sequence[int],
    tasks: int,
    *,
    metadata: bool,
) -> pa.Table:
    rows = sum(lengths[e] for e in episodes)
    frame = np.concatenate([np.arange(lengths[e]) for e in episodes])
    index = sum(lengths[: episodes.start]) + np.arange(rows)
    columns = {name: kind.cells(rng, rows) for name, kind in kinds.items()} | {
        "timestamp": pa.array((frame / 10).astype(np.float32)),
        "frame_index": pa.array(frame, pa.int64()),
        "episode_index": pa.array(np.repeat(episodes, [lengths[e] for e in episodes]), pa.int64()),
        "index": pa.array(index, pa.int64()),
        "task_index": pa.array(index % tasks, pa.int64()),
    }
    fields = [
        pa.field(name, held.type, metadata=_extension(kinds.get(name)) if metadata else None)
        for name, held in columns.items()
    ]
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields))


def _extension(kind: Kind | None) -> dict[str, str] | None:
    if kind is None or not kind.extension:
        return None
    name = f"datasets.features.features.Array{len(kind.shape)}DExtensionType"
    return {
        "ARROW:extension:name": name,
        "ARROW:extension:metadata": json.dumps([list(kind.shape), kind.dtype]),
    }


def _write_parquet(path: Path, table: pa.Table, lengths: Sequence[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, table.schema) as writer:
        at = 0
        for length in lengths:
            writer.write_table(table.slice(at, length))
            at += length


def _info(version: str, features: Any, lengths: Sequence[int], tasks: int) -> dict[str, Any]:
    v3 = version == "v3.0"
    return {
        "codebase_version": version,
        "fps": 10,
        "features": features,
        "total_episodes": len(lengths),
        "total_frames": sum(lengths),
        "total_tasks": tasks,
        **({} if v3 else {"total_chunks": 1, "total_videos": 0}),
        "chunks_size": 1000,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
        if v3
        else "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": None,
        "robot_type": "toy_arm",
        "splits": {"train": f"0:{len(lengths)}"},
    }


def _tasks_of(episode: int, lengths: Sequence[int], tasks: Sequence[str]) -> list[str]:
    first = sum(lengths[:episode])
    return list(dict.fromkeys(tasks[n % len(tasks)] for n in range(first, first + lengths[episode])))


def _write_v3_meta(root: Path, lengths: Sequence[int], tasks: Sequence[str], per_file: int) -> None:
    rows = [
        {
            "episode_index": n,
            "tasks": _tasks_of(n, lengths, tasks),
            "length": length,
            "data/chunk_index": 0,
            "data/file_index": n // per_file,
            "dataset_from_index": sum(lengths[:n]),
            "dataset_to_index": sum(lengths[: n + 1]),
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
        }
        for n, length in enumerate(lengths)
    ]
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    write_tasks(root, list(enumerate(tasks)))


def write_tasks(root: Path, tasks: Sequence[tuple[int, str | None]], *, column: str = "task") -> None:
    """tasks.parquet with the texts in the column of this name; the pandas index, where it is no plain one."""
    table = pa.table(
        {
            "task_index": pa.array([n for n, _ in tasks], pa.int64()),
            column: pa.array([text for _, text in tasks], pa.string()),
        }
    )
    pandas = {"index_columns": [column], "columns": [], "column_indexes": []}
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), root / "meta/tasks.parquet")


def _write_v2_meta(root: Path, lengths: Sequence[int], tasks: Sequence[str]) -> None:
    episodes = [
        {"episode_index": n, "tasks": _tasks_of(n, lengths, tasks), "length": length}
        for n, length in enumerate(lengths)
    ]
    named = [{"task_index": n, "task": task} for n, task in enumerate(tasks)]
    for name, rows in (("episodes", episodes), ("tasks", named)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (root / f"meta/{name}.jsonl").write_text(lines, encoding="utf-8")
