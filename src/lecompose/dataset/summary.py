"""What a dataset holds, told in one value: what `lecompose info` prints."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lecompose.dataset.catalog import Catalog, Source
from lecompose.errors import MediaError, RequestError, SourceBroken
from lecompose.files import mp4
from lecompose.formats import Feature


@dataclass(frozen=True)
class Size:
    """How much some files take on disk."""

    files: int
    size_bytes: int


@dataclass(frozen=True)
class Task:
    """One task, and in how many episodes and frames it is done."""

    task: str
    episodes: int
    frames: int


@dataclass(frozen=True)
class Column:
    """One declared feature."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Camera:
    """The videos of one feature; what they are like is read off the first file, else off info.json."""

    key: str
    codec: str | None
    pix_fmt: str | None
    width: int | None
    height: int | None
    fps: float | None
    files: int
    size_bytes: int


@dataclass(frozen=True)
class _Totals:
    episodes: int
    frames: int


@dataclass(frozen=True)
class Summary:
    """One dataset at a glance. Units: `seconds` of recording, over all episodes.

    `problems` say what of it is missing or damaged, as far as that was met; `check` looks everywhere.
    """

    root: Path
    version: str
    robot_type: str | None
    fps: float
    episodes: int
    frames: int
    seconds: float
    tasks: tuple[Task, ...]
    features: tuple[Column, ...]
    cameras: tuple[Camera, ...]
    data: Size
    video: Size
    meta: Size
    problems: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the same as plain values for JSON."""
        return {**asdict(self), "root": str(self.root)}


def summarise(catalog: Catalog, *, of: Source | None = None, problems: Iterable[str] = ()) -> Summary:
    """Return the summary of the one dataset that the catalog holds, whose `problems` are known.

    `of` is the damaged dataset, where the catalog holds what can be read of it.

    Raises:
        RequestError: where it holds several.
    """
    if len(catalog.sources) != 1:
        raise RequestError(f"{len(catalog.sources)} datasets; a summary is of one", hint="one at a time")
    (source,) = catalog.sources
    given = of or source
    cameras = tuple(_camera(catalog, feature) for feature in source.cameras)
    (totals,) = catalog.engine.records("catalog/episode_totals", _Totals, src_dataset=source.name)
    files = catalog.data_files(source)
    return Summary(
        root=given.root,
        version=given.version,
        robot_type=source.info.get("robot_type"),
        fps=float(source.fps),
        episodes=totals.episodes,
        frames=totals.frames,
        seconds=float(totals.frames / source.fps),
        tasks=_tasks(catalog, source),
        features=tuple(Column(f.name, f.dtype, f.shape) for f in source.features),
        cameras=cameras,
        data=_size(map(Path, files)),
        video=Size(sum(c.files for c in cameras), sum(c.size_bytes for c in cameras)),
        meta=_size((given.root / "meta").rglob("*")),
        problems=(*problems, *(() if of else source.describe_unusable()), *_missing_videos(catalog)),
    )


def _missing_videos(catalog: Catalog) -> Iterator[str]:
    """Yield each camera of which videos are missing, and how many."""
    named, missing = Counter[str](), Counter[str]()
    for file in catalog.camera_files():
        named[file.camera] += 1
        missing[file.camera] += not Path(file.video_file).is_file()
    for camera, count in missing.items():
        if count:
            yield f'camera "{camera}": {count:,} of {named[camera]:,} video files are missing'


def _tasks(catalog: Catalog, source: Source) -> tuple[Task, ...]:
    return tuple(catalog.engine.records("catalog/task_totals", Task, src_dataset=source.name))


def _camera(catalog: Catalog, feature: Feature) -> Camera:
    paths = [Path(file.video_file) for file in catalog.camera_files() if file.camera == feature.name]
    size = _size(paths)
    try:
        first = mp4.probe(paths[0]) if paths else None
    except (MediaError, SourceBroken):
        first = None
    return Camera(
        key=feature.name,
        codec=first.codec if first else feature.info.get("video.codec"),
        pix_fmt=first.pix_fmt if first else feature.info.get("video.pix_fmt"),
        width=first.width if first else None,
        height=first.height if first else None,
        fps=float(first.fps) if first else None,
        files=size.files,
        size_bytes=size.size_bytes,
    )


def _size(paths: Iterable[Path]) -> Size:
    """Of those paths that are files."""
    sizes = [path.stat().st_size for path in paths if path.is_file()]
    return Size(len(sizes), sum(sizes))
