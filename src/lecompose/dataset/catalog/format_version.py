"""By which version of the format a dataset is read: what info.json says, held against the folder."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lecompose import formats
from lecompose.errors import SourceBroken
from lecompose.files.clutter import is_clutter

_SPELLED = re.compile(r"[vV]?(\d+)(?:\.(\d+))?(?:\.\d+)*")
_LISTS = {True: "meta/episodes/*/*.parquet", False: "meta/episodes.jsonl"}


@dataclass(frozen=True)
class FormatVersion:
    """`version` is what the dataset is read by; None where nothing tells. `said` is what info.json says.

    `contradiction` says how the folder contradicts info.json, where it does. `is_newer` for a version of v3
    that is not v3.0.
    """

    said: object
    version: str | None
    contradiction: str | None = None
    is_newer: bool = False


def find_version(info: Mapping[str, Any], root: Path) -> FormatVersion:
    """Return by which version a dataset is read, and whether info.json says the truth about it."""
    said = info.get("codebase_version")
    spelled = _SPELLED.fullmatch(said) if isinstance(said, str) else None
    named = _name(int(spelled[1]), spelled[2]) if spelled else None
    if named is None and said is not None and not (spelled and spelled[1] == "2"):
        return FormatVersion(said, None)
    laid_out = _find_layout(info, root, prefers_v3=named == formats.V30)
    if named is None:
        return FormatVersion(said, laid_out)
    is_newer = spelled is not None and named == formats.V30 and int(spelled[2] or 0) > 0
    is_newer |= isinstance(said, str) and re.search(r"\.0\.0*[1-9]", said) is not None
    if laid_out is None or (laid_out == formats.V30) == (named == formats.V30):
        return FormatVersion(said, named, is_newer=is_newer)
    evidence = ", ".join(_list_evidence(root, is_v3=laid_out == formats.V30))
    problem = f"codebase_version is {json.dumps(said)}, but the folder is laid out as {laid_out} ({evidence})"
    return FormatVersion(said, laid_out, problem)


def find_other_storage(info: Mapping[str, Any]) -> str | None:
    """Return the storage format of a dataset whose frames are not in LeRobot's own files; None for others.

    Source: a proposal for LeRobot of 2026 (its #4363), where "lerobot" is the default.
    """
    said = info.get("storage_format")
    return None if said is None or said == "lerobot" else str(said)[:100]


def _name(major: int, minor: str | None) -> str | None:
    if major == 3:
        return formats.V30
    return {"0": formats.V20, "1": formats.V21}.get(minor or "") if major == 2 else None


def _find_layout(info: Mapping[str, Any], root: Path, *, prefers_v3: bool) -> str | None:
    """Return the version as which a folder is laid out, the preferred one if it is both; None for neither.

    A list of episodes alone is enough if the other version has neither list nor data files.
    """
    lists = {is_v3: _first(root, pattern) is not None for is_v3, pattern in _LISTS.items()}
    data = {is_v3: _has_data(info, root, is_v3=is_v3) for is_v3 in _LISTS}
    for is_v3 in (prefers_v3, not prefers_v3):
        if lists[is_v3] and (data[is_v3] or not (lists[not is_v3] or data[not is_v3])):
            return formats.V30 if is_v3 else _v2(root)
    if lists[True] != lists[False]:
        return formats.V30 if lists[True] else _v2(root)
    meta = root / "meta"
    if prefers_v3 or not any(lists.values()):
        tells = {formats.V30: meta / "tasks.parquet", _v2(root): meta / "tasks.jsonl"}
        found = [version for version, path in tells.items() if path.is_file()]
        return found[0] if len(found) == 1 else None
    return None


def _v2(root: Path) -> str:
    return formats.V21 if (root / "meta/episodes_stats.jsonl").is_file() else formats.V20


def _has_data(info: Mapping[str, Any], root: Path, *, is_v3: bool) -> bool:
    """Return whether there are data files named as in a version, or by a template that fits it."""
    version = formats.V30 if is_v3 else formats.V21
    templates = [formats.usual_data_path(version), info.get("data_path")]
    for template in templates:
        try:
            formats.path_format(str(template or ""), formats.place_fields(version))
            if template and _first(root, formats.path_glob(str(template))) is not None:
                return True
        except SourceBroken:  # of the other version, or no template
            continue
    return False


def _list_evidence(root: Path, *, is_v3: bool) -> list[str]:
    """Return the first list of episodes and the first data file of a version."""
    version = formats.V30 if is_v3 else formats.V21
    patterns = (_LISTS[is_v3], formats.path_glob(formats.usual_data_path(version)))
    found = [_first(root, pattern) for pattern in patterns]
    return [path.relative_to(root).as_posix() for path in found if path is not None]


def _first(root: Path, pattern: str) -> Path | None:
    """Return a file that matches, without listing all of them."""
    return next((path for path in root.glob(pattern) if not is_clutter(path.name)), None)
