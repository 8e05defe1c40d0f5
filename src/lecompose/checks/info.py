"""A source by an info.json that may say anything: what is wrong is a fault, and the usual is used instead."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lecompose import formats
from lecompose.checks.faults import NO_DAMAGE, Damage, Fault, as_damage, try_to
from lecompose.dataset.catalog import Source
from lecompose.dataset.catalog.feature_files import FeatureFiles
from lecompose.dataset.catalog.feature_specs import FeaturesRead, read_features
from lecompose.dataset.catalog.format_version import find_other_storage, find_version
from lecompose.dataset.catalog.hub_cache import name_dataset
from lecompose.errors import SourceBroken
from lecompose.files.json_files import read_json

_USUAL_FPS = 30
# Nothing records slower or faster; times and places computed with others would be none.
_LEAST_FPS, _MOST_FPS, _MOST_FILES = 1e-3, 1_000_000, 2**31
_SIZES = ("data_files_size_in_mb", "video_files_size_in_mb")
_Fields = dict[str, Any]
"""Fields of info.json by name."""


def read_info(root: Path, given: str) -> tuple[Source | None, Damage]:
    """Return the source in `root`, and what is wrong with its info.json.

    There is no source where info.json does not even say which features there are.
    """
    path = root / "meta" / "info.json"
    info, unread = try_to(lambda: read_json(path), otherwise=None, code="info_readable", path=path)
    if info is None:
        return None, unread
    if not isinstance(info.get("features"), dict):
        problem = f"features is {_json(info.get('features'))}, must be an object"
        return None, as_damage(Fault("info_readable", path, problem))
    version, faults = _version(root, info, path)
    if version is None:
        return None, faults
    if not isinstance(info.get("robot_type"), str | None):
        problem = f"robot_type is {_json(info['robot_type'])}, must be text or null"
        faults |= as_damage(Fault("robot_type", path, problem))
    fps, odd_fps = _usable_fps(info, path)
    limits, odd_limits = _usable_limits(info, version, path)
    templates, odd_templates = _usable_templates(info, version, root)
    known = info | fps | limits | templates
    files = FeatureFiles(root, version, known)
    read = read_features(info["features"], files)
    source = Source(
        *(name_dataset(root), 0, given, root, version, known, read.features),
        notes=read.notes,
        stored=files.schema,
        pictures=read.pictures,
        unusable=read.unusable,
    )
    return source, faults | odd_fps | odd_limits | odd_templates | _faults_of_features(read, path)


def _version(root: Path, info: Mapping[str, Any], path: Path) -> tuple[str | None, Damage]:
    """Return the format by which a dataset is read, and whether that is the one that info.json names."""
    storage = find_other_storage(info)
    if storage is not None:
        problem = f'storage_format is "{storage}"; only datasets of parquet and mp4 files can be read'
        return None, as_damage(Fault("info_version", path, problem))
    found = find_version(info, root)
    if found.contradiction is not None:
        problem = f"{found.contradiction}; it is read as {found.version}"
        return found.version, as_damage(Fault("info_version", path, problem))
    if found.is_newer:
        problem = f'codebase_version is "{found.said}"; it is read as {formats.V30}'
        return found.version, as_damage(Fault("version_newer", path, problem))
    if found.version is not None and found.said is not None:
        return found.version, NO_DAMAGE
    laid_out = found.version or find_version({**info, "codebase_version": None}, root).version
    as_what = f"; by its files it is read as {laid_out}" if laid_out else ", and its files do not tell either"
    shown = "missing" if found.said is None else _json(found.said)
    problem = f"codebase_version is {shown}, must be v2.0, v2.1 or v3.0{as_what}"
    return laid_out, as_damage(Fault("info_version", path, problem))


def _usable_fps(info: Mapping[str, Any], path: Path) -> tuple[_Fields, Damage]:
    """Return the usual fps in place of one that is no rate."""
    fps: Any = info.get("fps")
    if not _is_above_0(fps, (int, float)) or not _LEAST_FPS <= fps <= _MOST_FPS:
        shown = "missing" if "fps" not in info else _json(fps)
        problem = f"fps is {shown}, must be a number above 0"
        return {"fps": _USUAL_FPS}, as_damage(Fault("info_fps", path, problem, lacks="fps"))
    if fps != int(fps):
        return {}, as_damage(Fault("fps_whole", path, f"fps is {fps}"))
    return {}, NO_DAMAGE


def _usable_limits(info: Mapping[str, Any], version: str, path: Path) -> tuple[_Fields, Damage]:
    """Return the usual chunks_size in place of one that is of no use; the others are only told."""
    faults = []
    for name in ("chunks_size", *(_SIZES if version == formats.V30 else ())):
        said = info.get(name)
        if not (_is_chunk(said) if name == "chunks_size" else _is_above_0(said, (int, float))):
            shown = _json(said) if name in info else "missing"
            faults.append(Fault("info_limits", path, f"{name} is {shown}, must be a number above 0"))
    usable = _is_chunk(info.get("chunks_size"))
    return {} if usable else {"chunks_size": formats.CHUNK_FILES}, as_damage(*faults)


def _is_chunk(said: Any) -> bool:
    return _is_above_0(said, int) and bool(said < _MOST_FILES)


def _is_above_0(said: object, kind: Any) -> bool:
    return isinstance(said, kind) and not isinstance(said, bool) and bool(said > 0)


def _usable_templates(info: Mapping[str, Any], version: str, root: Path) -> tuple[_Fields, Damage]:
    """Return the usual templates in place of those that cannot be followed."""
    numbers, path = formats.place_fields(version), root / "meta" / "info.json"
    usual = {
        "data_path": (formats.usual_data_path(version), numbers),
        "video_path": (formats.usual_video_path(version), ("video_key", *numbers)),
    }
    instead, faults = {}, []
    for name, (template, fields) in usual.items():
        said = str(info.get(name) or template)
        try:
            formats.path_format(said, fields)
            if name == "video_path":
                _refuse_misleading(said, template, info, root)
        except SourceBroken as error:
            faults.append(Fault("path_templates", path, error.fault))
            instead[name] = template
    return instead, as_damage(*faults)


def _faults_of_features(read: FeaturesRead, path: Path) -> Damage:
    """Return what entries say otherwise than LeRobot or the files do, and those that nothing tells."""
    lost = [Fault("feature_specs", path, error.problem, feature=error.feature) for error in read.lost]
    odd = [Fault(note.code, path, note.problem, feature=note.feature) for note in read.notes]
    return as_damage(*lost, *odd)


def _refuse_misleading(template: str, usual: str, info: Mapping[str, Any], root: Path) -> None:
    """Refuse a template of videos that leads all cameras to the same files, if the usual one leads to files.

    Raises:
        SourceBroken: for such a template.
    """
    specs = info["features"].values()
    cameras = [spec for spec in specs if isinstance(spec, dict) and spec.get("dtype") == "video"]
    is_same = len(cameras) > 1 and "{video_key}" not in template
    if is_same and next(root.glob(formats.path_glob(usual)), None):
        raise SourceBroken(f'path template "{template}" in info.json leads all cameras to the same files')


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:200]
