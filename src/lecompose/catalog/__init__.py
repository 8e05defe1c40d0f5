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

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lecompose.catalog.relations import register, register_together
from lecompose.catalog.source import Source, locate, read_json, read_source, unique_names
from lecompose.engine import Engine
from lecompose.errors import RequestError, collected

__all__ = ["Catalog", "Source", "open_catalog", "read_json"]


@dataclass(frozen=True)
class Catalog:
    """Open sources, and the engine whose relations describe them."""

    engine: Engine
    sources: tuple[Source, ...]


def open_catalog(engine: Engine, paths: Sequence[Path | str]) -> Catalog:
    """The catalog of the dataset folders (or repo ids under $HF_LEROBOT_HOME) in `paths`.

    Only metadata and the data files' bookkeeping columns are read.
    Errors: SourceNotFound, UnsupportedVersion, SourceBroken; all of a kind together.
    """
    if not paths:
        raise RequestError("no source was named. Try: lecompose merge A B -o OUT")
    roots = collected(paths, locate, what="sources")
    labels = unique_names([root.name for root in roots])
    sources = tuple(
        collected(
            list(enumerate(zip(labels, roots, strict=True))),
            lambda at: read_source(at[0], *at[1]),
            what="sources",
        )
    )
    collected(sources, lambda source: register(engine, source), what="sources")
    register_together(engine, sources)
    return Catalog(engine, sources)
