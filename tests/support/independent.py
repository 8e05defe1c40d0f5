"""What a dataset holds, read with pyarrow, PyAV and numpy alone: a second opinion beside lecompose's own.

`read` gives the episodes of any format version; `assert_merged` holds an output against the datasets it
was made of, frame by frame and promise by promise.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

BOOKKEEPING = ("index", "episode_index", "task_index")
DEFAULTS = ("timestamp", "frame_index", "episode_index", "index", "task_index")
QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
STATS = ("min", "max", "mean", "std", "count", *QUANTILES)
DATA = "data/chunk-{:03d}/file-{:03d}.parquet"
EPISODES = "meta/episodes/chunk-{:03d}/file-{:03d}.parquet"
VIDEO = "videos/{}/chunk-{:03d}/file-{:03d}.mp4"
MIB = 2**20


@dataclass(frozen=True)
class Episode:
    """One episode: its rows as stored, the task string of each, and where its pictures are."""

    rows: pa.Table
    tasks: tuple[str, ...]
    listed: tuple[str, ...]
    clips: Mapping[str, tuple[Path, int]]
    stats: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.rows)

    def pictures(self, camera: str, *, undecoded: bool = False) -> list[str]:
        """A digest of each frame's decoded picture, or of its packet."""
        path, first = self.clips[camera]
        return (packets if undecoded else decoded)(path)[1][first : first + len(self)]


@dataclass(frozen=True)
class Dataset:
    """A dataset of any format version; `stats` is stats.json, empty where there is none."""

    root: Path
    info: dict[str, Any]
    tasks: tuple[str, ...]
    episodes: tuple[Episode, ...]

    @property
    def features(self) -> dict[str, dict[str, Any]]:
        return self.info["features"]

    @property
    def cameras(self) -> list[str]:
        return [name for name, feature in self.features.items() if feature["dtype"] == "video"]

    @property
    def columns(self) -> list[str]:
        return [name for name, feature in self.features.items() if feature["dtype"] != "video"]

    @cached_property
    def stats(self) -> dict[str, Any]:
        path = self.root / "meta/stats.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


# Reading ----------------------------------------------------------------------------------------


def read(root: Path) -> Dataset:
    """The dataset in `root`; rows are found by their `episode_index`, whatever the pointers say."""
    info = json.loads((root / "meta/info.json").read_text(encoding="utf-8"))
    rows = _rows_by_episode(root)
    v3 = info["codebase_version"] == "v3.0"
    tasks = (
        _tasks(root) if v3 else {r["task_index"]: r["task"] for r in json_lines(root / "meta/tasks.jsonl")}
    )
    listed = episode_rows(root) if v3 else sorted(
        json_lines(root / "meta/episodes.jsonl"), key=lambda row: row["episode_index"]
    )  # fmt: skip
    kept, whole = ({}, {}) if v3 else (_v21_stats(root), _v20_stats(root, info))
    cameras = [name for name, feature in info["features"].items() if feature["dtype"] == "video"]
    episodes = []
    for row in listed:
        number = row["episode_index"]
        held = rows[number]
        numbers = held["task_index"].to_pylist()
        episodes.append(
            Episode(
                rows=held,
                tasks=tuple(tasks[n] for n in numbers),
                listed=tuple(row["tasks"]),
                clips={key: _clip(root, info, row, key, v3=v3) for key in cameras},
                stats=_v3_stats(row) if v3 else kept.get(number) or _of_length(whole, len(held)),
            )
        )
    return Dataset(root, info, tuple(tasks[n] for n in sorted(tasks)), tuple(episodes))


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def table(path: Path) -> pa.Table:
    """A Parquet file as it is: `pq.read_table` would read partitions out of folders named `run=3`."""
    with pq.ParquetFile(path) as file:
        return file.read()


def episode_rows(root: Path) -> list[dict[str, Any]]:
    """Every row of meta/episodes, files in string order."""
    return [row for path in sorted(root.glob("meta/episodes/*/*.parquet")) for row in table(path).to_pylist()]


def _rows_by_episode(root: Path) -> dict[int, pa.Table]:
    found: dict[int, pa.Table] = {}
    for path in sorted(root.glob("data/*/*.parquet")):
        held = table(path)
        numbers = held["episode_index"].to_numpy()
        for number in np.unique(numbers).tolist():
            assert number not in found, f"episode {number} lies in two files"
            found[number] = held.filter(pa.array(numbers == number))
    return found


def _tasks(root: Path) -> dict[int, str]:
    held = table(root / "meta/tasks.parquet")
    text = next(name for name in held.column_names if name != "task_index")
    return dict(zip(held["task_index"].to_pylist(), held[text].to_pylist(), strict=True))


def _clip(root: Path, info: dict[str, Any], row: dict[str, Any], key: str, *, v3: bool) -> tuple[Path, int]:
    if not v3:
        number = row["episode_index"]
        chunk = number // info["chunks_size"]
        return root / info["video_path"].format(video_key=key, episode_chunk=chunk, episode_index=number), 0
    place = {name: row[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index")}
    first = round(row[f"videos/{key}/from_timestamp"] * info["fps"])
    return root / info["video_path"].format(video_key=key, **place), first


def _v3_stats(row: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix("stats/"): value for name, value in row.items() if name.startswith("stats/")}


def _v21_stats(root: Path) -> dict[int, dict[str, Any]]:
    path = root / "meta/episodes_stats.jsonl"
    if not path.is_file():
        return {}
    return {
        row["episode_index"]: {
            f"{feature}/{stat}": value
            for feature, held in row["stats"].items()
            for stat, value in held.items()
        }
        for row in json_lines(path)
    }


def _v20_stats(root: Path, info: dict[str, Any]) -> dict[str, Any]:
    """v2.0 knows no episode's statistics; those of its cameras stand for each episode of it."""
    path = root / "meta/stats.json"
    if info["codebase_version"] != "v2.0" or not path.is_file():
        return {}
    visual = {name for name, feature in info["features"].items() if feature["dtype"] in ("video", "image")}
    held = json.loads(path.read_text(encoding="utf-8"))
    return {f"{name}/{stat}": held[name][stat] for name in visual for stat in ("min", "max", "mean", "std")}


def _of_length(whole: dict[str, Any], frames: int) -> dict[str, Any]:
    return whole | {f"{key.removesuffix('/mean')}/count": [frames] for key in whole if key.endswith("/mean")}


def decoded(path: Path) -> tuple[list[Fraction], list[str], Fraction]:
    """Of every frame its exact time and a digest of its decoded planes; and the rate in the header."""
    return _decoded(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=512)
def _decoded(path: Path, _changed: int) -> tuple[list[Fraction], list[str], Fraction]:
    times, digests = [], []
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        for frame in file.decode(stream):
            times.append(frame.pts * frame.time_base)
            digests.append(blake2b(frame.to_ndarray().tobytes(), digest_size=12).hexdigest())
        return times, digests, stream.average_rate


def packets(path: Path) -> tuple[list[Fraction], list[str], Fraction]:
    """The same as `decoded` says of packets: at a fortieth of the cost, where they are to be equal."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        held = sorted((p for p in file.demux(stream) if p.size), key=lambda packet: packet.pts)
        digests = [blake2b(bytes(packet), digest_size=12).hexdigest() for packet in held]
        return [packet.pts * packet.time_base for packet in held], digests, stream.average_rate


def packet_bytes(path: Path) -> int:
    """The media in a video file, without its tables."""
    with av.open(str(path)) as file:
        return sum(packet.size for packet in file.demux(video=0))


# Comparing --------------------------------------------------------------------------------------


def assert_same_values(one: pa.ChunkedArray, other: pa.ChunkedArray, what: str) -> None:
    """Every value equal bit for bit, whatever the layout of lists."""
    for ours, theirs in zip(_parts(one), _parts(other), strict=True):
        assert ours == theirs, f"{what}: values differ"


def _parts(column: pa.Array | pa.ChunkedArray) -> Iterator[bytes | list[Any]]:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    yield array.is_null().to_pylist()
    types = pa.types
    if types.is_list(array.type) or types.is_large_list(array.type) or types.is_fixed_size_list(array.type):
        yield pc.list_value_length(array).to_pylist()
        yield from _parts(array.flatten())
    elif types.is_struct(array.type):
        for n in range(array.type.num_fields):
            yield from _parts(pc.struct_field(array, [n]))
    elif types.is_floating(array.type):
        yield array.fill_null(0).to_numpy(zero_copy_only=False).tobytes()
    else:
        yield array.to_pylist()


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """A column as float64, a row a frame (or a leading index), a column a last dimension."""
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    rows = np.array(flat.to_pylist(), dtype=np.float64)
    return rows.reshape(-1, rows.shape[-1] if rows.ndim > 1 else 1)


def truth(x: np.ndarray) -> dict[str, np.ndarray]:
    """Exact statistics of the rows of `x`, a number a column. Quantiles are linear."""
    return {
        "min": x.min(axis=0),
        "max": x.max(axis=0),
        "mean": x.mean(axis=0),
        "std": x.std(axis=0),
        **{name: np.quantile(x, q, axis=0) for name, q in QUANTILES.items()},
    }


def _close(found: Any, wanted: Any, what: str, *, exact: bool = False) -> None:
    ours, theirs = np.ravel(np.asarray(found, np.float64)), np.ravel(np.asarray(wanted, np.float64))
    assert ours.shape == theirs.shape, f"{what}: {ours.shape}, not {theirs.shape}"
    if exact:
        assert np.array_equal(ours, theirs, equal_nan=True), f"{what}: {ours}, not {theirs}"
    else:
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9, err_msg=what)


# Declared types ---------------------------------------------------------------------------------


def is_numeric(feature: Mapping[str, Any]) -> bool:
    return feature["dtype"] not in ("video", "image", "string", "language")


def arrow_type(feature: Mapping[str, Any]) -> pa.DataType:
    """The column type that LeRobot declares for a feature; of arrays the storage."""
    dtype, shape = feature["dtype"], list(feature["shape"])
    if dtype == "image":
        return pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    kind = pa.string() if dtype == "string" else pa.from_numpy_dtype(np.dtype(dtype))
    if shape == [1]:
        return kind
    if len(shape) == 1:
        return pa.list_(pa.field("element", kind), shape[0])
    for _ in shape:
        kind = pa.list_(pa.field("element", kind))
    return kind


def hf_type(feature: Mapping[str, Any]) -> dict[str, Any]:
    """What `datasets` 4 calls the column."""
    dtype, shape = feature["dtype"], list(feature["shape"])
    if dtype == "image":
        return {"_type": "Image"}
    value = {"dtype": dtype, "_type": "Value"}
    if shape == [1]:
        return value
    if len(shape) == 1:
        return {"feature": value, "length": shape[0], "_type": "List"}
    return {"shape": shape, "dtype": dtype, "_type": f"Array{len(shape)}D"}


# An output against its sources ------------------------------------------------------------------


Pick = tuple[Path, int]


def every(*roots: Path) -> list[Pick]:
    """All episodes of the datasets, in order, by their places in the episode lists."""
    return [(root, n) for root in roots for n in range(len(read(root).episodes))]


def assert_merged(out: Path, sources: Sequence[Path], **settings: Any) -> Dataset:
    """The output, after it was found to hold every episode of the sources in order."""
    return assert_composed(out, every(*sources), **settings)


def assert_composed(
    out: Path,
    picks: Sequence[Pick],
    *,
    row_groups: str = "episode",
    robot_type: str | None = "toy_arm",
    pictures: bool = True,
    undecoded: bool = False,
    edited: Callable[[Dataset], Dataset] = lambda dataset: dataset,
) -> Dataset:
    """The output, after every frame, pointer, statistic and total in it was found true: the picked episodes
    and no others, in that order. `edited` says what became of each dataset. Without `pictures` videos are not
    looked at, and what stats.json says of them is not held against the episodes; `undecoded`, their packets
    are compared."""
    made = read(out)
    given = {root: edited(read(root)) for root in dict.fromkeys(root for root, _ in picks)}
    episodes = [given[root].episodes[n] for root, n in picks]
    _check_info(made, list(given.values()), episodes, robot_type)
    _check_tasks(made, episodes)
    _check_data(made, episodes, row_groups)
    _check_episode_list(made, episodes)
    if pictures:
        _check_video(made, episodes, undecoded=undecoded)
    _check_episode_stats(made, episodes)
    _check_stats(made, episodes, pooled=pictures)
    _check_no_other_file(made)
    return made


def _size_of_first_file(made: Dataset, camera: str) -> list[int] | None:
    """Height, width and channels of a camera's first file, by which readers know the others."""
    files = sorted((made.root / "videos" / camera).glob("*/*.mp4"))
    if not files:
        return None
    with av.open(str(files[0])) as container:
        stream = container.streams.video[0]
        return [stream.height, stream.width, made.features[camera]["shape"][2]]


def _check_info(
    made: Dataset, given: Sequence[Dataset], episodes: Sequence[Episode], robot_type: str | None
) -> None:
    info = made.info
    assert info["codebase_version"] == "v3.0"
    assert info["total_episodes"] == len(episodes)
    assert info["total_frames"] == sum(map(len, episodes))
    assert info["total_tasks"] == len(made.tasks)
    assert info["splits"] == {"train": f"0:{len(episodes)}"}
    assert info["fps"] == given[0].info["fps"]
    assert info["robot_type"] == robot_type
    assert info["data_path"] == "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    video_path = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    assert info["video_path"] == (video_path if made.cameras else None)
    assert list(made.features) == list(given[0].features)
    assert list(made.features)[-5:] == list(DEFAULTS)
    for name, feature in made.features.items():
        assert feature["dtype"] == given[0].features[name]["dtype"], name
        declared = given[0].features[name]["shape"]
        assert feature["shape"] == declared or feature["shape"] == _size_of_first_file(made, name), name
    for name in made.cameras:
        described = made.features[name]["info"]
        height, width, channels = made.features[name]["shape"]
        assert (described["video.height"], described["video.width"]) == (height, width)
        assert (described["video.channels"], described["video.fps"]) == (channels, info["fps"])
        assert described["has_audio"] is False
        assert described["is_depth_map"] is False


def _check_tasks(made: Dataset, episodes: Sequence[Episode]) -> None:
    seen = dict.fromkeys(task for e in episodes for task in (*_by_number(e), *e.listed))
    assert list(made.tasks) == list(seen), "tasks stand in order of first appearance"
    held = table(made.root / "meta/tasks.parquet")
    assert held["task_index"].to_pylist() == list(range(len(seen)))
    assert held.schema.field("task_index").type == pa.int64()
    assert held.schema.field("task").type == pa.string()
    pandas = json.loads(held.schema.metadata[b"pandas"])
    assert pandas["index_columns"] == ["task"]
    assert [column["name"] for column in pandas["columns"]] == ["task_index", "task"]
    for ours, theirs in zip(made.episodes, episodes, strict=True):
        assert ours.tasks == theirs.tasks
        assert set(ours.listed) == {*theirs.tasks, *theirs.listed}
        assert len(ours.listed) == len(set(ours.listed))


def _by_number(episode: Episode) -> list[str]:
    """The tasks of an episode's frames, in the order of their numbers there."""
    return [
        task for _, task in sorted(zip(episode.rows["task_index"].to_pylist(), episode.tasks, strict=True))
    ]


def _check_data(made: Dataset, episodes: Sequence[Episode], row_groups: str) -> None:
    position = 0
    for path in sorted(made.root.glob("data/*/*.parquet")):
        with pq.ParquetFile(path) as file:
            held, metadata, schema = file.read(), file.metadata, file.schema_arrow
        _check_schema(made, schema, path)
        lengths = np.unique(held["episode_index"].to_numpy(), return_counts=True)[1].tolist()
        groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
        assert groups == lengths if row_groups == "episode" else len(groups) == 1, path
        assert held["index"].to_pylist() == list(range(position, position + len(held))), path
        assert (np.diff(held["episode_index"].to_numpy()) >= 0).all(), path
        position += len(held)
    assert position == made.info["total_frames"]
    for number, (ours, theirs) in enumerate(zip(made.episodes, episodes, strict=True)):
        assert ours.rows["frame_index"].to_pylist() == list(range(len(theirs)))
        assert ours.rows["episode_index"].unique().to_pylist() == [number]
        for name in made.columns:
            if name not in BOOKKEEPING:
                assert_same_values(ours.rows[name], theirs.rows[name], f"episode {number}, {name}")


def _check_schema(made: Dataset, schema: pa.Schema, path: Path) -> None:
    assert schema.names == made.columns, path
    for name in made.columns:
        feature, field = made.features[name], schema.field(name)
        assert field.type == arrow_type(feature), f"{name}: {field.type}"
        assert field.nullable, name
        if is_numeric(feature) and len(feature["shape"]) > 1:
            kind = f"datasets.features.features.Array{len(feature['shape'])}DExtensionType"
            assert field.metadata[b"ARROW:extension:name"] == kind.encode()
            described = [list(feature["shape"]), feature["dtype"]]
            assert json.loads(field.metadata[b"ARROW:extension:metadata"]) == described
    declared = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert declared == {name: hf_type(made.features[name]) for name in made.columns}
    assert list(declared) == made.columns


def _check_episode_list(made: Dataset, episodes: Sequence[Episode]) -> None:
    position = number = 0
    fps = made.info["fps"]
    for path in sorted(made.root.glob("meta/episodes/*/*.parquet")):
        held = table(path)
        _check_episode_columns(made, held.schema)
        for row in held.to_pylist():
            length = len(episodes[number])
            assert row["episode_index"] == number
            assert row["length"] == length
            assert (row["dataset_from_index"], row["dataset_to_index"]) == (position, position + length)
            own = EPISODES.format(row["meta/episodes/chunk_index"], row["meta/episodes/file_index"])
            assert made.root / own == path
            data = made.root / DATA.format(row["data/chunk_index"], row["data/file_index"])
            assert number in _episodes_in(data, data.stat().st_mtime_ns)
            for camera in made.cameras:
                from_s, to_s = (row[f"videos/{camera}/{end}_timestamp"] for end in ("from", "to"))
                first = round(from_s * fps)
                assert (from_s, to_s) == (first / fps, (first + length) / fps), "seconds drifted"
            position, number = position + length, number + 1
    assert number == len(episodes)


def _check_episode_columns(made: Dataset, schema: pa.Schema) -> None:
    """Names, order and types, as LeRobot's recorder writes them."""
    ints, reals = pa.int64(), pa.float64()
    videos = [
        (f"videos/{camera}/{name}", reals if name.endswith("timestamp") else ints)
        for camera in made.cameras
        for name in ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    ]
    front = [
        ("episode_index", ints),
        ("tasks", pa.list_(pa.string())),
        ("length", ints),
        ("data/chunk_index", ints),
        ("data/file_index", ints),
        ("dataset_from_index", ints),
        ("dataset_to_index", ints),
        *videos,
    ]
    back = [("meta/episodes/chunk_index", ints), ("meta/episodes/file_index", ints)]
    fields = [(field.name, field.type) for field in schema]
    assert [name for name, _ in fields[: len(front)]] == [name for name, _ in front]
    assert [name for name, _ in fields[-2:]] == [name for name, _ in back]
    for name, kind in (*front, *back):
        assert schema.field(name).type.equals(kind) or kind == pa.list_(pa.string()), name
    # What a user added comes last before the pointers to the row's own file.
    middle = [name for name, _ in fields[len(front) : -2] if name.startswith("stats/")]
    assert [name for name, _ in fields[len(front) :]][: len(middle)] == middle
    known = [f"stats/{feature}/{stat}" for feature in made.features for stat in STATS]
    assert middle == [name for name in known if name in middle], "statistics in the order of the features"
    for name in middle:
        feature, stat = name.removeprefix("stats/").rsplit("/", 1)
        visual = made.features[feature]["dtype"] in ("video", "image")
        kind = schema.field(name).type
        for _ in range(3 if visual and stat != "count" else 1):
            assert pa.types.is_list(kind), name
            kind = kind.value_type
        assert kind == (ints if stat == "count" else reals), name


@lru_cache(maxsize=512)
def _episodes_in(path: Path, _changed: int) -> frozenset[int]:
    return frozenset(table(path)["episode_index"].to_pylist())


def _check_video(made: Dataset, episodes: Sequence[Episode], *, undecoded: bool) -> None:
    fps = made.info["fps"]
    for path in made.root.glob("videos/*/*/*.mp4"):
        times, _, rate = (packets if undecoded else decoded)(path)
        assert times == [Fraction(k, fps) for k in range(len(times))], f"frames off the grid ({path})"
        assert rate == fps, path
    last: dict[str, tuple[Path, int]] = {}
    for number, (ours, theirs) in enumerate(zip(made.episodes, episodes, strict=True)):
        for camera in made.cameras:
            found, wanted = (e.pictures(camera, undecoded=undecoded) for e in (ours, theirs))
            assert len(wanted) == len(theirs), "the source is too short: a test mistake"
            assert found == wanted, f"episode {number}, {camera}: pictures differ"
            assert ours.clips[camera] > last.get(camera, (Path(), 0)), "file numbers rise with the episode"
            last[camera] = ours.clips[camera]


# Statistics -------------------------------------------------------------------------------------


def _check_episode_stats(made: Dataset, episodes: Sequence[Episode]) -> None:
    """Carried statistics are the source's own, numbering moved along; all others are computed and true."""
    position = 0
    for number, (ours, theirs) in enumerate(zip(made.episodes, episodes, strict=True)):
        moved = {
            "index": np.arange(position, position + len(ours), dtype=np.float64)[:, None],
            "episode_index": np.full((len(ours), 1), float(number)),
            "task_index": numbers(ours.rows["task_index"]),
        }
        position += len(ours)
        for name, feature in made.features.items():
            where = f"episode {number}, {name}"
            if is_numeric(feature):
                _check_numeric(ours, theirs, name, moved.get(name), where)
            elif feature["dtype"] in ("video", "image"):
                for stat in STATS if theirs.stats else ():
                    key = f"{name}/{stat}"
                    if ours.stats.get(key) is not None:
                        _close(ours.stats[key], theirs.stats[key], f"{where}, {stat}", exact=True)
                for stat in ("min", "max", "mean", "std", "count"):
                    if theirs.stats:
                        assert ours.stats[f"{name}/{stat}"] is not None, f"{where}, {stat}"
            else:
                assert not any(key.startswith(f"{name}/") for key in ours.stats), where


def _check_numeric(
    ours: Episode, theirs: Episode, name: str, numbered: np.ndarray | None, where: str
) -> None:
    held = numbered if numbered is not None else numbers(ours.rows[name])
    true = truth(held)
    span = float(np.ptp(held)) if np.isfinite(held).all() else 0.0
    assert ours.stats[f"{name}/count"] == [len(ours)], where
    for stat in (s for s in STATS if s != "count"):
        found, carried = ours.stats[f"{name}/{stat}"], theirs.stats.get(f"{name}/{stat}")
        if numbered is None and carried is not None:
            _close(found, carried, f"{where}, {stat}", exact=True)
        elif name == "index" and stat in QUANTILES and carried is not None:
            np.testing.assert_allclose(found, true[stat], atol=1 + span / 100, err_msg=where)
        else:
            _close(found, true[stat], f"{where}, {stat}")


def _check_stats(made: Dataset, episodes: Sequence[Episode], *, pooled: bool) -> None:
    """stats.json over all frames: numbers exact, cameras pooled from what the sources know of them."""
    every = {name: made.features[name] for name in made.columns if is_numeric(made.features[name])}
    for name in every:
        held = np.concatenate([numbers(episode.rows[name]) for episode in made.episodes])
        found = made.stats[name]
        assert list(found) == list(STATS), name
        assert found["count"] == [made.info["total_frames"]], name
        for stat, value in truth(held).items():
            _close(found[stat], value, f"stats.json, {name}, {stat}")
    for name, feature in made.features.items():
        if feature["dtype"] == "string":
            assert name not in made.stats
        if feature["dtype"] in ("video", "image"):
            parts = [_visual(episode, name) for episode in episodes]
            if all(parts) and pooled:
                _check_pooled(made.stats[name], parts, [len(e) for e in episodes], name)


def _visual(episode: Episode, name: str) -> dict[str, np.ndarray]:
    """What the source says of a camera in one episode."""
    known = {stat: episode.stats.get(f"{name}/{stat}") for stat in STATS}
    return {stat: np.asarray(value, np.float64).ravel() for stat, value in known.items() if value is not None}


def _check_pooled(
    found: dict[str, Any], parts: Sequence[dict[str, np.ndarray]], lengths: Sequence[int], name: str
) -> None:
    weights = np.array(lengths, np.float64)[:, None] / sum(lengths)
    means, deviations = (np.stack([part[stat] for part in parts]) for stat in ("mean", "std"))
    mean = (weights * means).sum(axis=0)
    wanted = {
        "min": np.min([part["min"] for part in parts], axis=0),
        "max": np.max([part["max"] for part in parts], axis=0),
        "mean": mean,
        "std": np.sqrt((weights * (deviations**2 + (means - mean) ** 2)).sum(axis=0)),
    }
    for stat, value in wanted.items():
        assert np.shape(found[stat]) == (len(value), 1, 1), f"{name}, {stat}"
        _close(found[stat], value, f"stats.json, {name}, {stat}")
    assert len(found["count"]) == 1


def _check_no_other_file(made: Dataset) -> None:
    """Every file is one that the metadata names; every chunk and file is numbered from 0 without a gap."""
    rows = episode_rows(made.root)
    wanted = {"meta/info.json", "meta/stats.json", "meta/tasks.parquet", "meta/lineage.parquet"}
    for family, template in (("data", DATA), ("meta/episodes", EPISODES)):
        wanted |= _numbered(rows, family, template.format, made)
    for camera in made.cameras:
        wanted |= _numbered(rows, f"videos/{camera}", lambda c, f, key=camera: VIDEO.format(key, c, f), made)
    assert {p.relative_to(made.root).as_posix() for p in made.root.rglob("*") if p.is_file()} == wanted


def _numbered(rows: Iterable[dict[str, Any]], family: str, name: Any, made: Dataset) -> set[str]:
    chunk = made.info["chunks_size"]
    places = [row[f"{family}/chunk_index"] * chunk + row[f"{family}/file_index"] for row in rows]
    assert sorted(set(places)) == list(range(max(places) + 1)), f"{family}: file numbers have gaps"
    assert places == sorted(places), f"{family}: file numbers fall"
    assert all(row[f"{family}/file_index"] < chunk for row in rows)
    return {name(n // chunk, n % chunk) for n in places}
