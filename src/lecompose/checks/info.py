"""A source by an info.json that may say anything: what is wrong is noted, and the usual taken instead."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lecompose import formats
from lecompose.checks.faults import Reading
from lecompose.dataset.catalog import Source, read_json
from lecompose.errors import SourceBroken
from lecompose.formats import Feature

_USUAL_FPS = 30
# Nothing records faster; times and places computed with more would overflow.
_MOST_FPS, _MOST_FILES = 1_000_000, 2**31
_SIZES = ("data_files_size_in_mb", "video_files_size_in_mb")


def source_of(root: Path, given: str, reading: Reading) -> Source | None:
    """The source in `root`; None where info.json does not even say which features there are."""
    path = root / "meta" / "info.json"
    try:
        info = read_json(path)
    except SourceBroken as error:
        reading.broken("info_readable", path, error)
        return None
    if not isinstance(info.get("features"), dict):
        reading.note("info_readable", path, f"features is {_json(info.get('features'))}, must be an object")
        return None
    version = _version(root, info, path, reading)
    if version is None:
        return None
    if not isinstance(info.get("robot_type"), str | None):
        reading.note("robot_type", path, f"robot_type is {_json(info['robot_type'])}, must be text or null")
    known = {**info, **_fps(info, path, reading), **_limits(info, version, path, reading)}
    known |= _templates(info, version, path, reading)
    return Source(
        root.name, 0, given, root, version, known, tuple(_features(info["features"], path, reading))
    )


def _version(root: Path, info: Mapping[str, Any], path: Path, reading: Reading) -> str | None:
    """The format, by what info.json says, else by what lies in the folder; None where neither tells."""
    said, laid_out = info.get("codebase_version"), _laid_out(root / "meta")
    if said in formats.VERSIONS:
        return str(said)
    if isinstance(said, str) and said.startswith("v3."):
        reading.note("version_newer", path, f'codebase_version is "{said}"; it is read as {formats.V30}')
        return formats.V30
    as_what = f"; by its files it is read as {laid_out}" if laid_out else ", and its files do not tell either"
    shown = "missing" if said is None else _json(said)
    reading.note("info_version", path, f"codebase_version is {shown}, must be v2.0, v2.1 or v3.0{as_what}")
    return laid_out


def _laid_out(meta: Path) -> str | None:
    if (meta / "episodes").is_dir() or (meta / "tasks.parquet").is_file():
        return formats.V30
    if (meta / "episodes.jsonl").is_file() or (meta / "tasks.jsonl").is_file():
        return formats.V21 if (meta / "episodes_stats.jsonl").is_file() else formats.V20
    return None


def _fps(info: Mapping[str, Any], path: Path, reading: Reading) -> dict[str, Any]:
    fps: Any = info.get("fps")
    if not _is_above_0(fps, (int, float)) or fps > _MOST_FPS:
        shown = "missing" if "fps" not in info else _json(fps)
        reading.note("info_fps", path, f"fps is {shown}, must be a number above 0", lacks="fps")
        return {"fps": _USUAL_FPS}
    if fps != int(fps):
        reading.note("fps_whole", path, f"fps is {fps}")
    return {}


def _limits(info: Mapping[str, Any], version: str, path: Path, reading: Reading) -> dict[str, Any]:
    """chunks_size, where it is none of use, and notes about the others."""
    is_v3 = version == formats.V30
    for name in ("chunks_size", *(_SIZES if is_v3 else ())):
        said = info.get(name)
        if not (_is_chunk(said) if name == "chunks_size" else _is_above_0(said, (int, float))):
            shown = _json(said) if name in info else "missing"
            reading.note("info_limits", path, f"{name} is {shown}, must be a number above 0")
    return {} if _is_chunk(info.get("chunks_size")) else {"chunks_size": 1000}


def _is_chunk(said: Any) -> bool:
    return _is_above_0(said, int) and bool(said < _MOST_FILES)


def _is_above_0(said: object, kind: Any) -> bool:
    return isinstance(said, kind) and not isinstance(said, bool) and bool(said > 0)


def _templates(info: Mapping[str, Any], version: str, path: Path, reading: Reading) -> dict[str, Any]:
    """The usual templates in place of those that cannot be followed."""
    is_v3 = version == formats.V30
    numbers = ("chunk_index", "file_index") if is_v3 else ("episode_chunk", "episode_index")
    usual = {
        "data_path": (formats.DATA_PATH if is_v3 else formats.V2_DATA_PATH, numbers),
        "video_path": (formats.VIDEO_PATH if is_v3 else formats.V2_VIDEO_PATH, ("video_key", *numbers)),
    }
    instead = {}
    for name, (template, fields) in usual.items():
        try:
            formats.path_format(str(info.get(name) or template), fields)
        except SourceBroken as error:
            reading.note("path_templates", path, str(error).replace(" in info.json", ""))
            instead[name] = template
    return instead


def _features(declared: Mapping[str, Any], path: Path, reading: Reading) -> Iterator[Feature]:
    for name, spec in declared.items():
        try:
            yield formats.feature(name, spec)
        except SourceBroken as error:
            reading.note("feature_specs", path, str(error).partition(": ")[2], feature=name)
            reading.left_out.add(name)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:200]
