"""One input dataset: where it is, what its info.json says."""

import json
import os
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from lecompose import formats
from lecompose.dataset.catalog.feature_files import FeatureFiles, Pictures
from lecompose.dataset.catalog.feature_specs import read_features
from lecompose.dataset.catalog.format_version import find_other_storage, find_version
from lecompose.dataset.catalog.hub_cache import find_snapshot
from lecompose.dataset.catalog.spec_notes import SpecNote
from lecompose.errors import RequestError, SourceBroken, SourceNotFound, UnsupportedVersion, few
from lecompose.files.clutter import glob_files
from lecompose.files.json_files import read_json
from lecompose.formats import Feature

# info.json of 10,000 features is 2 MB.
_INFO_BYTES = 2**26
# Where datasets may lie in a folder that is none: under their names, or those of owners and names.
_BELOW, _MOST_NAMED = ("*/meta/info.json", "*/*/meta/info.json"), 20
_LEAST_FPS, _MOST_FPS = 1e-3, 1e6

# What to do where nothing else says what info.json should have said.
SAME_ROBOT = "the meta/info.json of another recording of this robot, with its fps and features"
TRUE_FPS = "the true fps in meta/info.json"


@dataclass(frozen=True)
class Source:
    """One input dataset; `name` is its `src_dataset`, `given` the path as the user wrote it.

    `features` are read as LeRobot writes them, `notes` say in what info.json says them otherwise. `stored`
    are the columns of the first data file, `pictures` what the first file of each camera is like, where it
    can be read. `unusable` are by name what else info.json or that file have, and why it is no feature: the
    rest can be read, and nothing can be written before they are left out.
    """

    name: str
    position: int
    given: str
    root: Path
    version: str
    info: Mapping[str, Any]
    features: tuple[Feature, ...]
    notes: tuple[SpecNote, ...] = ()
    stored: pa.Schema | None = field(default=None, repr=False)
    pictures: Mapping[str, Pictures] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_v3(self) -> bool:
        return self.version == formats.V30

    @cached_property
    def fps(self) -> Fraction:
        return Fraction(str(self.info["fps"])).limit_denominator(100_000)

    @property
    def chunks_size(self) -> int:
        """How many files, in v2.x episodes, share a folder.

        Raises:
            SourceBroken: for what is no number.
        """
        said = self.info.get("chunks_size") or formats.CHUNK_FILES
        if isinstance(said, bool) or not isinstance(said, int) or not 1 <= said < 2**31:
            raise SourceBroken(
                f"chunks_size in info.json is {json.dumps(said)[:100]}; a whole number above 0 is needed",
                path=self.root / "meta/info.json",
            )
        return said

    @property
    def data_template(self) -> str:
        """The path template of its data files."""
        return str(self.info.get("data_path") or formats.usual_data_path(self.version))

    @property
    def video_template(self) -> str:
        """The path template of its video files."""
        return str(self.info.get("video_path") or formats.usual_video_path(self.version))

    @property
    def cameras(self) -> tuple[Feature, ...]:
        """The features whose pictures are in mp4 files."""
        return tuple(f for f in self.features if f.is_video)

    @property
    def columns(self) -> tuple[Feature, ...]:
        """The features that are columns of the data files."""
        return tuple(f for f in self.features if not f.is_video)

    @cached_property
    def episode_files(self) -> tuple[Path, ...]:
        """The files of its episode list, of v3.0.

        Raises:
            SourceBroken: where there is none.
        """
        folder = self.root / "meta" / "episodes"
        files = tuple(glob_files(folder, "*/*.parquet"))
        if not files:
            raise SourceBroken("no file under meta/episodes", path=folder)
        return files

    @property
    def has_subtasks(self) -> bool:
        """Whether texts stand behind the numbers in its feature subtask_index."""
        numbered = any(f.name == formats.SUBTASK_INDEX and f.is_numeric for f in self.columns)
        return numbered and (self.root / formats.SUBTASKS_PATH).is_file()

    def describe_unusable(self) -> Iterator[str]:
        """Yield what cannot be used, a line each."""
        yield from (f'feature "{name}": {why}' for name, why in self.unusable.items())

    def relation(self, name: str) -> str:
        """Return the name of this source's own share of a relation."""
        return f"source_{self.position}_{name}"


def locate(path: Path | str) -> Path:
    """Return the folder of a dataset named by path, or by repo id under $HF_LEROBOT_HOME.

    What LeRobot has downloaded by its id is found at the revision that was fetched last.

    Raises:
        SourceNotFound: where neither is a folder with meta/info.json.
        SourceBroken: for a path that cannot be read.
    """
    root = _find_root(path)
    if formats.is_misread_by_globs(str(root)):
        raise SourceBroken(
            "a path with a backslash and one of *?[ cannot be read", hint="rename its folders", path=root
        )
    return root


def _find_root(path: Path | str) -> Path:
    if not str(path):
        raise SourceNotFound("a source has no name", hint="the folder of a dataset")
    given = Path(path).expanduser()
    if any(len(part.encode(errors="replace")) > formats.MAX_NAME_BYTES for part in given.parts):
        raise SourceNotFound("no file or folder has so long a name", hint="check the path", path=path)
    if is_dataset(given):
        return given.resolve()
    at_home, snapshot = lerobot_home() / path, find_snapshot(str(path), lerobot_home())
    # LeRobot 0.6.1 passes over what its older versions have downloaded there.
    is_download = snapshot is not None and (at_home / ".cache/huggingface/download").is_dir()
    if is_dataset(at_home) and not is_download:
        return at_home.resolve()
    if snapshot is not None:
        return snapshot.resolve()
    if given.is_dir():
        raise _no_dataset(given)
    what = "is a file, not a dataset folder" if given.exists() else "not found"
    near = _near(given)
    raise SourceNotFound(
        f"source {what}: neither a folder, nor a repo id under {lerobot_home()}",
        hint=near or "check the path",
        path=path,
    )


def _no_dataset(folder: Path) -> SourceNotFound:
    """Return the error of a folder that is no dataset; it names those that lie in it."""
    below = sorted(info.parents[1] for pattern in _BELOW for info in folder.glob(pattern) if info.is_file())
    if not below:
        problem, hint = "no LeRobot dataset here: meta/info.json is missing", "the folder that holds meta/"
        return SourceNotFound(problem, hint=hint, path=folder)
    named = few(str(path.relative_to(folder)) for path in below)
    datasets = "1 dataset" if len(below) == 1 else f"{len(below)} datasets"
    return SourceNotFound(
        f"no LeRobot dataset, but a folder with {datasets}: {named}",
        hint=" ".join(shlex.quote(str(path)) for path in below[:_MOST_NAMED]),
        path=folder,
    )


def _near(path: Path) -> str | None:
    """Return the dataset beside `path` whose name is most like its own."""
    try:
        beside = [entry.name for entry in path.parent.iterdir() if is_dataset(entry)]
    except OSError:
        return None
    import difflib  # slow to load, and few runs fail

    near = difflib.get_close_matches(path.name, beside, 1)
    return str(path.with_name(near[0])) if near else None


def lerobot_home() -> Path:
    """Return where LeRobot keeps its local datasets."""
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


def given_names(names: Sequence[str], *, sources: int) -> list[str]:
    """Return the names that the user gave the sources.

    Raises:
        RequestError: where they are not one for each source, empty, or used twice.
    """
    if len(names) != sources:
        raise RequestError(f"{len(names)} names for {sources} sources", hint="one name for each source")
    used = Counter(name for name in names if name)
    problems = [f"source {n} has an empty name" for n, name in enumerate(names) if not name]
    problems += [f'{count} sources are named "{name}"' for name, count in used.items() if count > 1]
    if problems:
        raise RequestError("sources are told apart by their names; each needs its own", parts=problems)
    return list(names)


def read_source(position: int, name: str, given: str, root: Path) -> Source:
    path = root / "meta" / "info.json"
    try:
        info = read_json(path, most_bytes=_INFO_BYTES)
    except SourceBroken as error:
        error.suggest(SAME_ROBOT)
        raise
    declared = info.get("features")
    if not isinstance(declared, dict):
        raise SourceBroken("meta/info.json declares no features", hint=SAME_ROBOT, path=path)
    if "fps" not in info:
        raise SourceBroken("meta/info.json does not say the fps", hint=TRUE_FPS, path=path)
    fps = info["fps"]
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < float("inf"):
        raise SourceBroken(
            f"fps in info.json is {json.dumps(fps)[:100]}; a number above 0 is needed",
            hint=TRUE_FPS,
            path=path,
        )
    if not _LEAST_FPS <= fps <= _MOST_FPS:
        problem = f"fps in info.json is {str(fps)[:100]}: no camera and no robot has it"
        raise SourceBroken(problem, hint=TRUE_FPS, path=path)
    version = _version(info, root)
    files = FeatureFiles(root, version, info)
    read = read_features(declared, files)
    _refuse_ambiguous(read.features, root)
    return Source(
        *(name, position, given, root, version, info, read.features, read.notes, files.schema, read.pictures),
        unusable=read.unusable,
    )


def _refuse_ambiguous(features: tuple[Feature, ...], root: Path) -> None:
    """Refuse features that SQL cannot tell apart.

    Raises:
        SourceBroken: for features that SQL, which ignores case, would take for one another.
    """
    seen = {name: name for name in ("filename", "file_row_number")}
    for feature in features:
        other = seen.setdefault(feature.name.lower(), feature.name)
        if other != feature.name or feature.name in ("filename", "file_row_number"):
            raise SourceBroken(
                f'feature "{feature.name}" cannot be told from "{other}" in SQL',
                hint="rename it in info.json and in the data files",
                path=root,
            )


def is_dataset(folder: Path) -> bool:
    """Return whether the folder has an info.json."""
    return (folder / "meta" / "info.json").is_file()


def episode_number(said: Any) -> int:
    """Return the number of an episode.

    Raises:
        ValueError, TypeError, OverflowError: for what is none.
    """
    number = int(said)
    if not 0 <= number < 2**63:
        raise ValueError(f"episode_index {str(number)[:40]}")
    return number


def _version(info: Mapping[str, Any], root: Path) -> str:
    """Return the format version that info.json says or, where it says none, that is on disk.

    Raises:
        UnsupportedVersion: for a version or a storage format that lecompose does not read.
        SourceBroken: if the folder is laid out as another version.
    """
    path = root / "meta/info.json"
    storage = find_other_storage(info)
    if storage is not None:
        raise UnsupportedVersion(
            f'storage_format "{storage}": lecompose reads datasets of parquet and mp4 files only',
            hint="an export in LeRobot's own files, whose meta/info.json names no storage_format",
            path=path,
        )
    found = find_version(info, root)
    if found.contradiction is not None:
        raise SourceBroken(
            found.contradiction,
            hint="--skip-broken, or lecompose repair, which read it by its files",
            path=path,
        )
    if found.version is None:
        said = found.said or "unknown"
        raise UnsupportedVersion(
            f"format version {said}; lecompose reads v2.0, v2.1 and v3.0",
            hint="codebase_version in meta/info.json as the folder is laid out",
            path=path,
        )
    return found.version


@contextmanager
def name_file(path: Path) -> Iterator[None]:
    """Name the file that says what was found wrong."""
    try:
        yield
    except SourceBroken as error:
        error.path = path
        raise
