"""A dataset folder → relations. The same ones whatever the format version:

    datasets   one row a source: src_dataset, src_position, root, version, fps, robot_type
    features   src_dataset, position, feature, dtype, shape, names, info
    tasks      src_dataset, src_task, task
    episodes   src_dataset, src_episode, length, seconds, task, tasks, from/to_index, data_file, rows
    frames     every data column, with src_dataset and src_episode in front
    clips      one row per episode and camera: video_file, from_frame, to_frame

and two that say what meta/ declares and what the data files really hold, for the checks to compare:
`declared` and `placement`.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.engine import Engine
from lecompose.errors import (
    ComposeError,
    QueryError,
    RequestError,
    SourceBroken,
    SourceNotFound,
    UnsupportedVersion,
    listed,
)
from lecompose.formats import Feature

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Source:
    """One input dataset; `name` is its `src_dataset`."""

    name: str
    position: int
    root: Path
    version: str
    info: Mapping[str, Any]
    features: tuple[Feature, ...]

    @property
    def is_v3(self) -> bool:
        return self.version == formats.V30

    @property
    def fps(self) -> Fraction:
        return Fraction(str(self.info["fps"])).limit_denominator(100_000)

    @property
    def cameras(self) -> tuple[Feature, ...]:
        """The features whose pictures are in mp4 files."""
        return tuple(f for f in self.features if f.is_video)

    @property
    def columns(self) -> tuple[Feature, ...]:
        """The features that are columns of the data files."""
        return tuple(f for f in self.features if not f.is_video)

    def relation(self, name: str) -> str:
        """The name of this source's own share of a relation."""
        return f"source_{self.position}_{name}"


@dataclass(frozen=True)
class DataFile:
    """One data parquet file of a source; `size_bytes` is without its footer."""

    path: Path
    size_bytes: int


@dataclass(frozen=True)
class Catalog:
    """Open sources, and the engine whose relations describe them."""

    engine: Engine
    sources: tuple[Source, ...]

    def source(self, name: str) -> Source:
        return next(s for s in self.sources if s.name == name)


def open_catalog(
    engine: Engine, paths: Sequence[Path | str], *, names: Sequence[str] | None = None
) -> Catalog:
    """The catalog of the dataset folders (or repo ids under $HF_LEROBOT_HOME) in `paths`.

    Only metadata and the data files' bookkeeping columns are read.
    Errors: SourceNotFound, UnsupportedVersion, SourceBroken; all of a kind together.
    """
    if not paths:
        raise RequestError("no source was named. Try: lecompose merge A B -o OUT")
    roots = _all(paths, locate)
    labels = list(names) if names is not None else unique_names([root.name for root in roots])
    sources = tuple(
        _all(list(enumerate(zip(labels, roots, strict=True))), lambda at: _read_source(at[0], *at[1]))
    )
    _all(sources, lambda source: _register(engine, source))
    _register_together(engine, sources)
    return Catalog(engine, sources)


def locate(path: Path | str) -> Path:
    """The folder of a dataset named by path, or by repo id under $HF_LEROBOT_HOME.

    Errors: SourceNotFound where neither is a folder with meta/info.json.
    """
    tried = [Path(path).expanduser(), lerobot_home() / path]
    for root in tried:
        if (root / "meta" / "info.json").is_file():
            return root.resolve()
    if tried[0].is_dir():
        raise SourceNotFound(
            f"no LeRobot dataset here: meta/info.json is missing. Try: the folder that holds meta/. ({path})"
        )
    what = "is a file, not a dataset folder" if tried[0].exists() else "not found"
    raise SourceNotFound(
        f"source {what}: neither a folder, nor a repo id under {lerobot_home()}. Try: check the path."
        f" ({path})"
    )


def lerobot_home() -> Path:
    """Where LeRobot keeps its local datasets."""
    home = os.environ.get("HF_LEROBOT_HOME")
    if home:
        return Path(home).expanduser()
    cache = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    return Path(cache).expanduser() / "lerobot"


def unique_names(names: Iterable[str]) -> list[str]:
    """`names` with -2, -3, … behind those that repeat, so that each source can be told."""
    taken: set[str] = set()
    result = []
    for name in names:
        label, n = name, 1
        while label in taken:
            n += 1
            label = f"{name}-{n}"
        taken.add(label)
        result.append(label)
    return result


def _all(items: Sequence[T], do: Callable[[T], R]) -> list[R]:
    """`do` for each item; the errors of all items together, in the family of the first."""
    results: list[R] = []
    errors: list[ComposeError] = []
    for item in items:
        try:
            results.append(do(item))
        except ComposeError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        same = [e for e in errors if isinstance(e, type(errors[0]))]
        raise type(errors[0])(listed(f"{len(same)} sources cannot be read:", map(str, same))) from errors[0]
    return results


# One source -----------------------------------------------------------------------------------


def _read_source(position: int, label_root: str, root: Path) -> Source:
    path = root / "meta" / "info.json"
    info = read_json(path)
    declared = info.get("features")
    if not isinstance(declared, dict) or "fps" not in info:
        raise SourceBroken(f"meta/info.json needs at least fps and features. ({path})")
    fps = info["fps"]
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < float("inf"):
        raise SourceBroken(f"fps in info.json is {json.dumps(fps)}; a number above 0 is needed. ({path})")
    version = _version(info, root)
    with _located(path):
        features = tuple(formats.feature(name, spec) for name, spec in declared.items())
    _refuse_ambiguous(features, root)
    return Source(label_root, position, root, version, info, features)


def _refuse_ambiguous(features: tuple[Feature, ...], root: Path) -> None:
    """Errors: SourceBroken for features that SQL, which ignores case, would take for one another."""
    seen = {name: name for name in ("filename", "file_row_number")}
    for feature in features:
        other = seen.setdefault(feature.name.lower(), feature.name)
        if other != feature.name or feature.name in ("filename", "file_row_number"):
            raise SourceBroken(
                f'feature "{feature.name}" cannot be told from "{other}" in SQL.'
                f" Try: rename it in info.json and in the data files. ({root})"
            )


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Errors: SourceBroken where the file is missing or holds anything else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceBroken(f"{path.name} is missing. ({path})") from None
    except (ValueError, OSError) as error:
        raise SourceBroken(f"{path.name} cannot be read: {error}. ({path})") from error
    if not isinstance(value, dict):
        raise SourceBroken(f"{path.name} must hold a JSON object. ({path})")
    return value


def _version(info: Mapping[str, Any], root: Path) -> str:
    """The format version, by what info.json says and, where it says something else, what is on disk."""
    said = str(info.get("codebase_version", ""))
    if said in formats.VERSIONS:
        return said
    meta = root / "meta"
    if said.startswith("v3.") or (not said and (meta / "episodes").is_dir()):
        return formats.V30
    if not said and (meta / "episodes.jsonl").is_file():
        return formats.V21 if (meta / "episodes_stats.jsonl").is_file() else formats.V20
    raise UnsupportedVersion(
        f"format version {said or 'unknown'}; lecompose reads v2.0, v2.1 and v3.0."
        f" ({root / 'meta/info.json'})"
    )


@contextmanager
def _located(path: Path) -> Iterator[None]:
    """Name the file that says what was found wrong."""
    try:
        yield
    except SourceBroken as error:
        raise SourceBroken(f"{error}. ({path})") from error


@contextmanager
def _read_from(path: Path) -> Iterator[None]:
    """Name the file or folder that SQL could not read as what it should be."""
    try:
        yield
    except (SourceBroken, QueryError) as error:
        told = str(error.__cause__ or error).partition("\n")[0].rstrip(" .")
        reason = told.partition(" Error: ")[2] or told
        raise SourceBroken(f"{path.name} cannot be read: {reason}. ({path})") from error


def _register(engine: Engine, source: Source) -> None:
    """Make this source's own share of every relation."""
    files = data_files(source)
    engine.load(source.relation("data_files"), _data_file_rows(source, files))
    with _read_from(source.root / "data"):
        engine.view(
            source.relation("frames"),
            "catalog/frames_of_source",
            src_dataset=source.name,
            files=[formats.escaped_glob(str(f.path)) for f in files],
        )
        context = {"frames": source.relation("frames")}
        engine.table(source.relation("placement"), "catalog/placement", context, fps=float(source.fps))
    if source.is_v3:
        _register_v3(engine, source)
    else:
        _register_v2(engine, source)


def _register_v2(engine: Engine, source: Source) -> None:
    meta = source.root / "meta"
    for relation, template, name in (
        ("declared", "catalog/episodes_v2", "episodes.jsonl"),
        ("tasks", "catalog/tasks_v2", "tasks.jsonl"),
    ):
        file = _existing(meta / name)
        glob = formats.escaped_glob(str(file))
        with _read_from(file):
            engine.table(source.relation(relation), template, src_dataset=source.name, file=glob)
    for n, camera in enumerate(source.cameras):
        fields = ("video_key", "episode_chunk", "episode_index")
        engine.table(
            source.relation(f"clips_{n}"),
            "catalog/clips_v2",
            {"declared": source.relation("declared")},
            src_dataset=source.name,
            root=str(source.root),
            template=_video_format(source, formats.V2_VIDEO_PATH, fields),
            chunk_size=int(source.info.get("chunks_size") or 1000),
            camera=camera.name,
        )


def _register_v3(engine: Engine, source: Source) -> None:
    meta = source.root / "meta"
    episodes = [formats.escaped_glob(str(f)) for f in _episode_files(source)]
    tasks = _existing(meta / "tasks.parquet")
    with _read_from(meta / "episodes"):
        engine.table(
            source.relation("declared"), "catalog/episodes_v3", src_dataset=source.name, files=episodes
        )
    task_column = _task_column(tasks)
    with _read_from(tasks):
        engine.table(
            source.relation("tasks"),
            "catalog/tasks_v3",
            {"task_column": task_column},
            src_dataset=source.name,
            file=formats.escaped_glob(str(tasks)),
        )
    for n, camera in enumerate(source.cameras):
        pointers = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
        template = _video_format(source, formats.VIDEO_PATH, ("video_key", "chunk_index", "file_index"))
        with _read_from(meta / "episodes"):
            engine.table(
                source.relation(f"clips_{n}"),
                "catalog/clips_v3",
                {name: f"videos/{camera.name}/{name}" for name in pointers},
                src_dataset=source.name,
                files=episodes,
                root=str(source.root),
                template=template,
                fps=float(source.fps),
                camera=camera.name,
            )


def _video_format(source: Source, default: str, fields: tuple[str, ...]) -> str:
    with _located(source.root / "meta" / "info.json"):
        return formats.path_format(str(source.info.get("video_path") or default), fields)


def _task_column(path: Path) -> str:
    """The column with the task strings: `task`, or whatever stands beside task_index."""
    with _parquet(path):
        columns = [name for name in pq.read_schema(path).names if name != "task_index"]
    if not columns:
        raise SourceBroken(f"tasks.parquet has no column with the task strings. ({path})")
    return "task" if "task" in columns else columns[0]


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise SourceBroken(f"{path.name} is missing. ({path})")
    return path


def _episode_files(source: Source) -> list[Path]:
    files = sorted((source.root / "meta" / "episodes").glob("*/*.parquet"))
    if not files:
        raise SourceBroken(f"no file under meta/episodes. ({source.root / 'meta/episodes'})")
    _all(files, _payload_bytes)
    return files


def data_files(source: Source) -> list[DataFile]:
    """The data parquet files of a source, by its own path template.

    Errors: SourceBroken naming every file that is no whole parquet file.
    """
    default = formats.DATA_PATH if source.is_v3 else formats.V2_DATA_PATH
    with _located(source.root / "meta" / "info.json"):
        pattern = formats.path_glob(str(source.info.get("data_path") or default))
    paths = sorted(source.root.glob(pattern))
    if not paths:
        raise SourceBroken(f"no data file matches {pattern}. ({source.root})")
    sizes = _all(paths, _payload_bytes)
    return [DataFile(path, size) for path, size in zip(paths, sizes, strict=True)]


_MAGIC = b"PAR1"


def _payload_bytes(path: Path) -> int:
    """Size of a parquet file without its footer.

    Errors: SourceBroken for what is no whole parquet file, told from its first and last bytes.
    """
    with path.open("rb") as file:
        head = file.read(64)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 8))
        tail = file.read(8)
    if head.startswith(b"version https://git-lfs"):
        raise SourceBroken(f"a Git LFS pointer, not the data. Try: git lfs pull. ({path})")
    if size < 12 or not head.startswith(_MAGIC):
        raise SourceBroken(f"not a parquet file ({size} bytes). Try: fetch or record it again. ({path})")
    if tail[4:] != _MAGIC:
        raise SourceBroken(
            f"truncated parquet file: {size} bytes and no footer (a recording or download that was cut"
            f" short?). Try: fetch it again, or leave the dataset's last episodes out. ({path})"
        )
    return max(1, size - int.from_bytes(tail[:4], "little") - 12)


class _parquet:  # noqa: N801 - reads as a verb at its one use
    """Translate pyarrow's errors on reading one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, pa.ArrowException | OSError):
            raise SourceBroken(f"parquet file cannot be read: {error}. ({self.path})") from error


def _data_file_rows(source: Source, files: list[DataFile]) -> pa.Table:
    return pa.table(
        {
            "src_dataset": pa.array([source.name] * len(files), pa.string()),
            "data_file": pa.array([str(f.path) for f in files], pa.string()),
            "size_bytes": pa.array([f.size_bytes for f in files], pa.int64()),
        }
    )


# All sources together ---------------------------------------------------------------------------


def _register_together(engine: Engine, sources: tuple[Source, ...]) -> None:
    engine.load("datasets", _dataset_rows(sources))
    engine.load("features", _feature_rows(sources))
    for relation in ("data_files", "declared", "placement", "tasks"):
        parts = [s.relation(relation) for s in sources]
        engine.table(relation, "catalog/union", {"relations": parts})
    frames = [s.relation("frames") for s in sources]
    engine.view("frames", "catalog/union", {"relations": frames})
    clips = [s.relation(f"clips_{n}") for s in sources for n in range(len(s.cameras))]
    if clips:
        engine.table("clips", "catalog/union", {"relations": clips})
    else:
        engine.table("clips", "catalog/no_clips")
    engine.table("episodes", "catalog/episodes")


def _dataset_rows(sources: tuple[Source, ...]) -> pa.Table:
    return pa.table(
        {
            "src_dataset": pa.array([s.name for s in sources], pa.string()),
            "src_position": pa.array([s.position for s in sources], pa.int64()),
            "root": pa.array([str(s.root) for s in sources], pa.string()),
            "version": pa.array([s.version for s in sources], pa.string()),
            "fps": pa.array([float(s.fps) for s in sources], pa.float64()),
            "robot_type": pa.array([s.info.get("robot_type") for s in sources], pa.string()),
        }
    )


def _feature_rows(sources: tuple[Source, ...]) -> pa.Table:
    rows = [(s.name, n, f) for s in sources for n, f in enumerate(s.features)]
    return pa.table(
        {
            "src_dataset": pa.array([name for name, _, _ in rows], pa.string()),
            "position": pa.array([n for _, n, _ in rows], pa.int64()),
            "feature": pa.array([f.name for _, _, f in rows], pa.string()),
            "dtype": pa.array([f.dtype for _, _, f in rows], pa.string()),
            "shape": pa.array([list(f.shape) for _, _, f in rows], pa.list_(pa.int64())),
            "names": pa.array([json.dumps(f.spec.get("names")) for _, _, f in rows], pa.string()),
            "info": pa.array([json.dumps(f.info) for _, _, f in rows], pa.string()),
        }
    )
