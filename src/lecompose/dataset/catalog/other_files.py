"""What lies in the folder of a dataset and is no part of it; no operation carries it."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from lecompose import formats
from lecompose.dataset.catalog.source import Source
from lecompose.errors import few
from lecompose.files.clutter import is_clutter

# What a dataset has in meta/, of any version; what of it cannot be carried is told where that is found out.
META_PARTS = frozenset(
    {
        *("info.json", "stats.json", "modality.json", "episodes", "lineage.parquet"),
        *("tasks.parquet", "subtasks.parquet", "tasks.json", "tasks.jsonl"),
        *("episodes.jsonl", "episodes_stats.jsonl"),
    }
)
_README = "README.md"
_EPISODE = re.compile(r"(?i)\bep(isode)?[_-]?\d+|_ep(isode)?[_-]?\d+")
# How many names below another folder are looked at for numbers of episodes.
_MOST_NAMES = 200


@dataclass(frozen=True)
class OtherFiles:
    """Files and folders that are no part of a dataset, relative to its folder; folders end in "/".

    `numbered` is one whose name holds an episode's number, None if there is none.
    """

    names: tuple[str, ...]
    numbered: str | None


def find_other_files(source: Source) -> OtherFiles:
    """Return what lies in a dataset's folder beside it. Hidden files and a readme are expected there."""
    names = tuple(sorted(_list_others(source)))
    return OtherFiles(names, next(_list_numbered(source.root, names), None))


def describe_other_files(others: Iterable[tuple[Source, OtherFiles]]) -> str | None:
    """Say what lies beside datasets; None if there is nothing."""
    found = [(source, other) for source, other in others if other.names]
    if not found:
        return None
    is_one = len(found) == 1
    names = [name if is_one else f"{s.name}/{name}" for s, other in found for name in other.names]
    what = "1 file or folder" if len(names) == 1 else f"{len(names)} files and folders"
    where = f'beside source "{found[0][0].name}"' if is_one else f"beside {len(found)} sources"
    note = f"{what} {where}, no part of a dataset: {few(names)}"
    numbered = next((other.numbered for _, other in found if other.numbered), None)
    if numbered is None:
        return note
    return f'{note}. Some are numbered by episode, as "{numbered}": they no longer fit what is made of it'


def _list_others(source: Source) -> Iterator[str]:
    data, videos = source.data_template.split("/")[0], source.video_template.split("/")[0]
    for entry in _scan(source.root):
        if entry.name == "meta":
            yield from (
                f"meta/{_format_entry(e)}" for e in _scan(Path(entry.path)) if e.name not in META_PARTS
            )
        elif entry.name in (data, "data") and _is_folder(entry):
            yield from _list_in_data(source, Path(entry.path))
        elif entry.name in (videos, "videos") and _is_folder(entry):
            yield from _list_in_videos(source, Path(entry.path))
        elif entry.name == "images" and _is_folder(entry):
            yield from _list_in_images(source, Path(entry.path))
        elif entry.name != _README and "{" not in data + videos:
            yield _format_entry(entry)


def _scan(folder: Path) -> list["os.DirEntry[str]"]:
    """Return what is in a folder and not hidden; nothing where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return [e for e in entries if not e.name.startswith(".") and not is_clutter(e.name)]
    except OSError:
        return []


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """Return whether it is a folder; a link that leads round in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _format_entry(entry: "os.DirEntry[str]") -> str:
    return f"{entry.name}/" if _is_folder(entry) else entry.name


def _list_in_data(source: Source, folder: Path) -> Iterator[str]:
    """Yield files that are no data file by their names."""
    pattern = formats.path_glob(source.data_template)
    for file in _walk(folder):
        name = os.path.relpath(file, source.root)
        if not (fnmatchcase(name, pattern) or (source.is_v3 and fnmatchcase(name, "data/*/*.parquet"))):
            yield name


def _list_in_videos(source: Source, folder: Path) -> Iterator[str]:
    """Yield files that are no video, and folders with videos that are of no camera."""
    cameras = {camera.name for camera in source.cameras}
    by_folder = "{video_key}" in source.video_template.split("/")
    strange: set[str] = set()
    for file in _walk(folder):
        name = os.path.relpath(file, source.root)
        parts = name.split("/")
        if not name.endswith(".mp4"):
            yield name
        elif (by_folder or not cameras) and cameras.isdisjoint(parts):
            strange.add("/".join(parts[:-1]) + "/")
    yield from strange


def _list_in_images(source: Source, folder: Path) -> Iterator[str]:
    """Yield what is not of a feature whose pictures are columns: what a recorder left behind."""
    features = {f.name for f in source.features if f.is_visual and not f.is_video}
    yield from (f"images/{_format_entry(entry)}" for entry in _scan(folder) if entry.name not in features)


def _walk(folder: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder, but for what is hidden."""
    for entry in _scan(folder):
        if _is_folder(entry):
            # A folder that is a link may lead round in a circle.
            yield from () if entry.is_symlink() else _walk(Path(entry.path))
        else:
            yield entry.path


def _list_numbered(root: Path, names: Iterable[str]) -> Iterator[str]:
    """Yield those of the names, and of some below them, that hold the number of an episode."""
    for name in names:
        below = islice(_walk(root / name), _MOST_NAMES) if name.endswith("/") else ()
        for candidate in (name, *(os.path.relpath(path, root) for path in below)):
            if _EPISODE.search(candidate):
                yield candidate
                break
