"""What holds where an output takes the place of a dataset: nothing is lost or changed unasked."""

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from lecompose.composition.jobs import ABSENT
from lecompose.composition.layout import Layout
from lecompose.composition.open_sources import OpenSources, repair_command
from lecompose.dataset.catalog import Catalog, Source
from lecompose.errors import OutputExists, RequestError, few
from lecompose.files.clutter import is_clutter
from lecompose.formats import DEFAULT_FEATURES

Stamps: TypeAlias = Mapping[str, tuple[int, int]]
"""Of every file below a folder its size in bytes and when it was changed, in ns."""

# Folders in which every file of these names is the dataset's own, or would be taken for it.
_FOLDERS = ("data", "videos", "meta/episodes")
_PART = re.compile(
    r"data/chunk-\d+/file-\d+\.parquet|videos/[^/]+/chunk-\d+/file-\d+\.mp4"
    r"|meta/episodes/chunk-\d+/file-\d+\.parquet"
)


def stamp_files(root: Path) -> Stamps:
    """Return what every file below a folder looks like from outside."""
    found = {}
    for at, _, names in os.walk(root):
        for name in names:
            path = os.path.join(at, name)  # noqa: PTH118 - there may be very many
            status = os.lstat(path)
            found[os.path.relpath(path, root)] = status.st_size, status.st_mtime_ns
    return found


def refuse_changed(root: Path, before: Stamps) -> None:
    """Refuse to replace a dataset that is another one now: somebody has recorded into it.

    Raises:
        OutputExists: naming what came, went or changed.
    """
    now = stamp_files(root)
    changed = sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))
    if changed:
        raise OutputExists(
            f"the dataset has changed while what takes its place was made: {few(changed)}",
            hint="the same command again, when nobody writes there",
            path=root,
        )


def refuse_losses(sources: OpenSources, root: Path) -> None:
    """Refuse a dataset that cannot be written in its own place, `root`, without a loss.

    Raises:
        RequestError: for one of another format, and for files of data and pictures that no episode names.
    """
    pairs = zip(sources.catalog.sources, sources.roots, strict=True)
    source = next((source for source, there in pairs if there.resolve() == root), None)
    if source is None:  # sources without an episode are passed over
        raise RequestError("this dataset has no episode yet", hint=_merge_command(root), path=root)
    if not source.is_v3:
        raise RequestError(
            f"outputs are of format v3.0, this dataset is {source.version}: it would not be the same one",
            hint=f"{_merge_command(root)}, which makes one of that format",
            path=source.root,
        )
    used = list_own_files(sources.catalog, source)
    unknown = sorted(name for name in _walk(root) if _PART.fullmatch(name) and name not in used)
    if unknown:
        raise RequestError(
            f"files that no episode names would be lost: {few(unknown)}",
            hint=f"move them away; or, if they hold an episode, {repair_command(root)}",
            path=root,
        )


def _merge_command(root: Path) -> str:
    return f"lecompose merge {shlex.quote(str(root))} -o FOLDER"


def list_own_files(catalog: Catalog, source: Source) -> set[str]:
    """Return the files of data, pictures and episode lists of a dataset, relative to its folder."""
    files = [*catalog.data_files(source)]
    files += [file.video_file for file in catalog.camera_files() if file.src_dataset == source.name]
    lists = (source.root / "meta/episodes").glob("*/*.parquet")
    return {os.path.relpath(path, source.root) for path in (*files, *map(str, lists))}


def list_strangers(root: Path, own: set[str]) -> Iterator[str]:
    """Yield the files among those of a dataset that are neither its own, nor left by systems and editors."""
    for name in _walk(root):
        if name not in own and not _PART.fullmatch(name):
            yield name


def _walk(root: Path) -> Iterator[str]:
    for folder in _FOLDERS:
        for at, folders, names in os.walk(root / folder):
            folders[:] = [name for name in folders if not is_clutter(name)]
            yield from (os.path.relpath(Path(at, name), root) for name in names if not is_clutter(name))


def refuse_changed_episodes(layout: Layout) -> None:
    """Refuse to append where the episodes that are there would be others.

    Raises:
        RequestError: naming what would change.
    """
    base = next(source for source in layout.catalog.sources if source.name == layout.replaced)
    changes = [*_list_changes(layout, base)]
    if changes:
        raise RequestError(
            f'append leaves the episodes of "{base.name}" as they are, and this would change them:'
            f" {few(changes)}",
            hint=f'options that name the source they are for, as --rename NAME:old=new; or edit "{base.name}"'
            " first",
        )


def _list_changes(layout: Layout, base: Source) -> Iterator[str]:
    planned = [e for job in layout.data_jobs for e in job.episodes if e.src_dataset == base.name]
    if len(planned) != len(layout.catalog.lengths(base)) or not all(e.is_whole for e in planned):
        yield "episodes left out"
    if layout.output_spec.resampling.of_source(base.name).stride != 1:
        yield "another rate"
    if layout.output_spec.robot_type != base.info.get("robot_type"):
        yield "another robot type"
    takes = layout.output_spec.feature_map[base.name]
    kept = {how.feature.name for how in takes.values() if how.feature is not None}
    yield from (f"{f.name} left out" for f in base.features if f.name not in kept | DEFAULT_FEATURES.keys())
    features = {feature.name: feature for feature in layout.output_spec.features}
    for name, how in takes.items():
        if how.feature is None:
            yield f"{name} added"
        elif how.feature.name != name:
            yield f"{how.feature.name} renamed"
        elif how.lossy or how.dimensions or how.feature.dtype != features[name].dtype:
            yield f"{name} of another type"
    computed = {
        column.name
        for job in layout.data_jobs
        for column in job.computed
        for row, episode in zip(column.rows, job.episodes, strict=True)
        if row != ABSENT and episode.src_dataset == base.name
    }
    yield from (f"{name} computed anew" for name in sorted(computed))
