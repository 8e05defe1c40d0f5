"""Facts of the LeRobot dataset formats v2.0, v2.1 and v3.0: paths, columns, types, limits.

Source: LeRobot 0.3.3 (v2.x) and 0.6.1 (v3.0), read off what they write and what they refuse to read.
"""

import json
import math
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from lecompose.errors import SourceBroken

V20, V21, V30 = "v2.0", "v2.1", "v3.0"
VERSIONS = (V20, V21, V30)

# The five features every dataset has, last and in this order.
DEFAULT_FEATURES: dict[str, dict[str, Any]] = {
    "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    "frame_index": {"dtype": "int64", "shape": [1], "names": None},
    "episode_index": {"dtype": "int64", "shape": [1], "names": None},
    "index": {"dtype": "int64", "shape": [1], "names": None},
    "task_index": {"dtype": "int64", "shape": [1], "names": None},
}
# LeRobot's columns of language, by whose names it knows them; the first one has times.
LANGUAGE_COLUMNS = ("language_persistent", "language_events")
# What a composition numbers itself; every other column stays as it is.
BOOKKEEPING = ("index", "episode_index", "task_index")

MOMENTS = ("min", "max", "mean", "std")
# The quantiles that are written where no others are asked for.
QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
STATS = (*MOMENTS, "count", *QUANTILES)

# v3.0 readers find files by these patterns whatever info.json says, so they are the only ones written.
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
INFO_PATH = "meta/info.json"
STATS_PATH = "meta/stats.json"
TASKS_PATH = "meta/tasks.parquet"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
# What a row of it tells at least, but for its videos.
EPISODE_COLUMNS = (
    *("episode_index", "length", "tasks", "dataset_from_index", "dataset_to_index"),
    *("data/chunk_index", "data/file_index", "meta/episodes/chunk_index", "meta/episodes/file_index"),
)
V2_DATA_PATH = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
V2_VIDEO_PATH = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"

# Readers sort files by their path as a string: chunk-1000 would come before chunk-101.
MAX_INDEX = 1000
# LeRobot refuses a video frame whose time is further than this from the one asked for.
TOLERANCE_S = 1e-4
# A video whose rate is further than this share from the dataset's runs at another rate.
FPS_TOLERANCE = 0.01
# How many files share a folder, unless something else is asked for.
CHUNK_FILES = 1000
# How many picture files are held in memory at a time, where they are columns.
PICTURE_BATCH_ROWS = 16
# How many lengths depth videos tell apart.
DEPTH_CODES = 4096
# What a frame of one feature may hold; parquet cannot store the length of a longer list.
MAX_DIMENSIONS, MAX_NUMBERS = 8, 2**31 - 1
# What file systems allow.
MAX_NAME_BYTES, MAX_PATH_BYTES = 255, 1024

_VISUAL = ("video", "image")
_ARROW = {
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "float16": pa.float16(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
}
# The dtypes of numbers, bool among them.
NUMERIC = frozenset(_ARROW) - {"string"}
# The order of a picture's dimensions that LeRobot's recorders write.
PICTURE_NAMES = ("height", "width", "channels")
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

# Legacy texts that an ordinary feature numbers, as LeRobot 0.4.4 to 0.5.1 wrote them.
SUBTASKS_PATH = "meta/subtasks.parquet"
SUBTASK_INDEX = "subtask_index"
# Other training stacks' own metadata; it names parts of the features.
MODALITY_PATH = "meta/modality.json"


@dataclass(frozen=True)
class Limits:
    """Sizes at which a new file or a new folder starts.

    Units: MiB (2**20 bytes), files a chunk, seconds. The seconds are ours: past 1,024 s into a
    file LeRobot's float32 frame times are coarser than its own tolerance. What is not to be concatenated
    has an output file for each source file, whatever its size. With `link_videos` a video file that goes
    whole into the output stays a file of its own, which may be linked.
    """

    data_mb: float = 100
    video_mb: float = 200
    chunk_files: int = CHUNK_FILES
    video_s: float = 1000
    concatenate_data: bool = True
    concatenate_videos: bool = True
    link_videos: bool = False


@dataclass(frozen=True)
class Feature:
    """One entry of `info.json`'s features.

    Shape: as declared; `(1,)` is a scalar column, `(n,)` a vector, 2 to 5 dimensions an array.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    spec: Mapping[str, Any]

    @property
    def is_video(self) -> bool:
        return self.dtype == "video"

    @property
    def is_visual(self) -> bool:
        return self.dtype in _VISUAL

    @property
    def has_stats(self) -> bool:
        return self.dtype not in ("string", "language")

    @property
    def is_language(self) -> bool:
        return self.dtype == "language"

    @property
    def is_numeric(self) -> bool:
        return self.dtype in NUMERIC

    @property
    def info(self) -> dict[str, Any]:
        """The feature's `info`, or `video_info` as v2.0 spelled it; empty if there is none."""
        return dict(self.spec.get("info") or self.spec.get("video_info") or {})

    @property
    def is_depth(self) -> bool:
        info = self.info
        return bool(info.get("is_depth_map") or info.get("video.is_depth_map"))

    @property
    def picture_shape(self) -> tuple[int, ...]:
        """Height, width and channels of a visual feature, whatever their order in the shape."""
        names = self.spec.get("names")
        if self.is_visual and isinstance(names, list) and names[:1] in (["channel"], ["channels"]):
            return (*self.shape[1:], *self.shape[:1])
        return self.shape

    @property
    def stat_shape(self) -> tuple[int, ...]:
        """Shape of its min, max, mean, std and quantiles.

        Source: LeRobot reduces all axes but the last; visual features per channel as (C, 1, 1).
        """
        if self.is_visual:
            return (1 if self.is_depth else 3, 1, 1)
        return (self.shape[-1] if self.shape else 1,)

    @property
    def stat_size(self) -> int:
        """How many numbers one of its statistics has."""
        return self.stat_shape[0]


def is_dtype(said: object) -> bool:
    """Return whether a feature may have this dtype, in LeRobot's spelling."""
    return isinstance(said, str) and (said in _ARROW or said in (*_VISUAL, "language"))


def feature(name: str, spec: object) -> Feature:
    """Return the feature that an entry of `info.json` declares as LeRobot writes it.

    Raises:
        SourceBroken: if the entry has no dtype or shape, or a name that cannot be a folder.
    """
    said: Mapping[str, Any] = spec if isinstance(spec, Mapping) else {}
    dtype, shape = said.get("dtype"), said.get("shape")
    if not isinstance(dtype, str) or not isinstance(shape, list | tuple) or not all(map(_is_size, shape)):
        raise SourceBroken(f"needs a dtype and a shape, has {json.dumps(spec)[:200]}", feature=name)
    if len(shape) > MAX_DIMENSIONS or math.prod(shape) > MAX_NUMBERS:
        size = str(list(shape[: MAX_DIMENSIONS + 1]))[:100]
        raise SourceBroken(f"shape {size} is larger than a frame can be", feature=name)
    if not is_dtype(dtype):
        raise SourceBroken(f'dtype "{dtype}" is not one that LeRobot knows', feature=name)
    for key in ("info", "video_info"):
        if not isinstance(said.get(key), Mapping | None):
            raise SourceBroken(f"{key} is {json.dumps(said[key])[:200]}, must be an object", feature=name)
    refuse_name(name)
    return Feature(name, dtype, tuple(int(n) for n in shape), dict(said))


def refuse_name(name: str) -> None:
    """Refuse a feature's name that cannot be a folder.

    Raises:
        SourceBroken: if it cannot.
    """
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        raise SourceBroken('a feature name may not contain "/"', feature=name)
    if len(name.encode(errors="replace")) > MAX_NAME_BYTES:
        raise SourceBroken(f'feature "{name[:40]}…": a name may have {MAX_NAME_BYTES} bytes, as a folder may')


def default_feature(name: str) -> Feature:
    """Return one of the features that every dataset has."""
    return feature(name, DEFAULT_FEATURES[name])


def language_feature(name: str) -> Feature:
    """Return one of LeRobot's language features."""
    return feature(name, {"dtype": "language", "shape": [1], "names": None})


def _is_size(n: object) -> bool:
    return isinstance(n, int) and not isinstance(n, bool) and n > 0


def arrow_field(feature: Feature) -> pa.Field | None:
    """Return the parquet column that stores a feature, as LeRobot's writer declares it.

    None for a dtype whose column type the dataset's own files decide (language).
    """
    if feature.dtype == "image":
        return pa.field(feature.name, _IMAGE)
    scalar = _ARROW.get(feature.dtype)
    if scalar is None:
        return None
    if feature.shape in ((), (1,)):
        return pa.field(feature.name, scalar)
    if len(feature.shape) == 1:
        return pa.field(feature.name, pa.list_(pa.field("element", scalar), feature.shape[0]))
    return _array_field(feature, scalar)


def _array_field(feature: Feature, scalar: pa.DataType) -> pa.Field:
    # The extension is named in the field's metadata: `datasets` need not be installed to write it.
    storage = scalar
    for _ in feature.shape:
        storage = pa.list_(pa.field("element", storage))
    kind = f"datasets.features.features.Array{len(feature.shape)}DExtensionType"
    return pa.field(
        feature.name,
        storage,
        metadata={
            "ARROW:extension:name": kind,
            "ARROW:extension:metadata": json.dumps([list(feature.shape), feature.dtype]),
        },
    )


def language_field(name: str, *, timestamp: pa.DataType) -> pa.Field:
    """Return the parquet column of a language feature; its writers take each file's type from its content.

    Source: LeRobot 0.6.1 declares it so, with a float32 `timestamp` in the persistent column only.
    """
    time = [pa.field("timestamp", timestamp)] if name == LANGUAGE_COLUMNS[0] else []
    row = [
        pa.field("role", pa.string()),
        pa.field("content", pa.string()),
        pa.field("style", pa.string()),
        *time,
        pa.field("camera", pa.string()),
        pa.field("tool_calls", pa.list_(pa.json_())),
    ]
    return pa.field(name, pa.list_(pa.struct(row)))


def hf_language(field: pa.Field) -> dict[str, Any]:
    """Return how `datasets` declares the column that `language_field` returns."""
    row: dict[str, Any] = {}
    for part in field.type.value_type:
        if pa.types.is_list(part.type):
            row[part.name] = {"feature": {"_type": "Json"}, "_type": "List"}
        else:
            dtype = f"float{part.type.bit_width}" if pa.types.is_floating(part.type) else "string"
            row[part.name] = {"dtype": dtype, "_type": "Value"}
    return {"feature": row, "_type": "List"}


def hf_feature(feature: Feature) -> dict[str, Any] | None:
    """Return how `datasets` declares the column in `huggingface` schema metadata; None for language."""
    if feature.dtype == "image":
        return {"_type": "Image"}
    if feature.dtype not in _ARROW:
        return None
    value = {"dtype": feature.dtype, "_type": "Value"}
    if feature.shape in ((), (1,)):
        return value
    if len(feature.shape) == 1:
        return {"feature": value, "length": feature.shape[0], "_type": "List"}
    return {
        "shape": list(feature.shape),
        "dtype": feature.dtype,
        "_type": f"Array{len(feature.shape)}D",
    }


def is_list(kind: pa.DataType) -> bool:
    """Return whether an Arrow type is a list of any layout."""
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


# Path templates -------------------------------------------------------------------------------

_FIELDS = ("video_key", "chunk_index", "file_index", "episode_chunk", "episode_index")
# How a number may be printed; a width of a billion would fill the memory with zeros.
_SPEC = re.compile(r"(0?[0-9]{1,2})?d?")


@dataclass(frozen=True)
class DepthScale:
    """What the codes 0 to `DEPTH_CODES` - 1 of a depth video stand for. Units: metres.

    They divide the lengths from `low` to `high`; if `is_log`, the logarithms of the lengths plus `shift`.
    """

    low: float
    high: float
    shift: float
    is_log: bool

    @property
    def ends(self) -> tuple[float, float]:
        """What the first and the last code stand for, as logarithms if `is_log`."""
        ends = self.low, self.high
        return (math.log(ends[0] + self.shift), math.log(ends[1] + self.shift)) if self.is_log else ends


# Source: what LeRobot 0.6.1 assumes where info.json says nothing.
_USUAL_DEPTHS = {"video.depth_min": 0.01, "video.depth_max": 10.0, "video.shift": 3.5}


def depth_scale(feature: Feature) -> DepthScale:
    """Return what the codes of a depth video stand for.

    Raises:
        SourceBroken: if info.json gives numbers from which no lengths follow.
    """
    info = {key: value for key, value in feature.info.items() if value is not None}
    for key, usual in _USUAL_DEPTHS.items():
        said = info.get(key, usual)
        if isinstance(said, bool) or not isinstance(said, int | float) or not abs(said) < 1e9:
            raise SourceBroken(f"{key} is {str(said)[:100]}; a number is needed", feature=feature.name)
    low, high, shift = (float(info.get(key, usual)) for key, usual in _USUAL_DEPTHS.items())
    if not -shift < low < high:
        raise SourceBroken(f"depths from {low} to {high} with a shift of {shift}", feature=feature.name)
    return DepthScale(low, high, shift, bool(info.get("video.use_log", True)))


def usual_data_path(version: str) -> str:
    """Return the path template of data files, unless info.json has another one."""
    return DATA_PATH if version == V30 else V2_DATA_PATH


def usual_video_path(version: str) -> str:
    """Return the path template of video files, unless info.json has another one."""
    return VIDEO_PATH if version == V30 else V2_VIDEO_PATH


def place_fields(version: str) -> tuple[str, str]:
    """Return the fields of path templates that number the files."""
    return ("chunk_index", "file_index") if version == V30 else ("episode_chunk", "episode_index")


@lru_cache
def _parts(template: str) -> tuple[tuple[str, str | None, str], ...]:
    """Return (literal, field name or None, format spec) for each piece of a path template.

    Raises:
        SourceBroken: if the template leaves the dataset folder, names an unknown field, or prints one in
            another way than as a number of some digits.
    """
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise SourceBroken(f'path template "{template}" in info.json', reason=error) from None
    parts = tuple((lit, name, spec or "") for lit, name, spec, _ in pieces)
    unknown = [name for _, name, _ in parts if name is not None and name not in _FIELDS]
    if unknown:
        raise SourceBroken(f'path template "{template}" in info.json: unknown field {{{unknown[0]}}}')
    if template.startswith("/") or ".." in template.split("/") or "\\" in template:
        raise SourceBroken(f'path template "{template}" in info.json leaves the dataset folder')
    odd = [s for _, name, s in parts if s and (name == "video_key" or not _SPEC.fullmatch(s))]
    if odd or any(conversion for *_, conversion in pieces) or not template.isprintable():
        raise SourceBroken(f'path template "{template}" in info.json: fields are numbers of a few digits')
    if not PurePosixPath(template).parts or len(template.encode()) > MAX_PATH_BYTES or _is_long(parts):
        raise SourceBroken(f'path template "{template[:100]}" in info.json names no file')
    return parts


def _is_long(parts: tuple[tuple[str, str | None, str], ...]) -> bool:
    """Return whether a path template names a file or folder with a longer name than is allowed."""
    shown = "".join(lit + "0" * int(spec.rstrip("d") or 0) for lit, _, spec in parts)
    return any(len(name.encode()) > MAX_NAME_BYTES for name in shown.split("/"))


def path_glob(template: str) -> str:
    """Return a glob that matches every file that a path template can name."""
    return "".join(escaped_glob(lit) + ("" if name is None else "*") for lit, name, _ in _parts(template))


def path_format(template: str, fields: tuple[str, ...]) -> str:
    """Return a path template as a DuckDB `format` string with the arguments `fields`, in that order."""
    text = ""
    for lit, name, spec in _parts(template):
        text += lit.replace("{", "{{").replace("}", "}}")
        if name is not None:
            if name not in fields:
                raise SourceBroken(f'path template "{template}" in info.json: {{{name}}} has no value here')
            text += f"{{{fields.index(name)}:{spec}}}" if spec else f"{{{fields.index(name)}}}"
    return text


def is_misread_by_globs(path: str) -> bool:
    """Return whether DuckDB, which reads every path as a glob, cannot be told of this one."""
    return "\\" in path and any(c in path for c in "*?[")


def escaped_glob(path: str) -> str:
    """Return a path with its glob characters made literal; DuckDB reads every path as a glob.

    Raises:
        SourceBroken: for one that has a backslash, too, which DuckDB takes for a slash in globs.
    """
    if is_misread_by_globs(path):
        raise SourceBroken(
            "a path with a backslash and one of *?[ cannot be read", hint="rename its folders", path=path
        )
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)
