"""Frames in the order in which they are asked for, each with the episode it really belongs to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from lecompose.dataset import arrow_schema as types
from lecompose.dataset.catalog import Catalog, Source
from lecompose.dataset.frames.read_in_order import (
    PROOF_COLUMNS,
    WINDOW_ROWS,
    FrameColumns,
    PlacedEpisode,
    read_batches,
)
from lecompose.errors import FeatureMismatch, RequestError, UnknownEpisode, near
from lecompose.formats import Feature

Episode: TypeAlias = int | tuple[str, int]
Episodes: TypeAlias = Sequence[Episode] | Iterable[Episode]

_FRONT = {"src_dataset": pa.string(), "src_episode": pa.int64(), "task": pa.string()}


@dataclass(frozen=True)
class Frames:
    """The frames of a catalog, to be read any number of times."""

    catalog: Catalog

    @cached_property
    def _places(self) -> dict[tuple[str, int], PlacedEpisode]:
        places = self.catalog.engine.records("query_views/row_ranges", PlacedEpisode)
        return {(place.src_dataset, place.src_episode): place for place in places}

    @cached_property
    def _schema(self) -> pa.Schema:
        """All columns of the first source.

        Raises:
            SourceBroken: for files that are not as declared.
        """
        return types.data_schema(self.catalog, self.catalog.sources[0].columns)

    @cached_property
    def tasks(self) -> dict[str, pa.Array]:
        """The tasks of each source, each at the place of its number."""
        return {s.name: pa.array(self.catalog.task_texts(s), pa.string()) for s in self.catalog.sources}

    def read(
        self,
        episodes: Episodes | None = None,
        columns: Sequence[str] | None = None,
        *,
        batch_rows: int | None = None,
    ) -> pa.RecordBatchReader:
        """Return the frames of `episodes`, in that order, as a stream of record batches.

        An episode may come more than once; None is all of them in the order of the sources.
        Shape: `columns` in that order; by default src_dataset, src_episode, task and every data column.

        Raises:
            UnknownEpisode, RequestError: naming all that is not there.
            FeatureMismatch: where the sources do not share the columns.
            SourceBroken: where rows are not what the catalog saw.
        """
        if batch_rows is not None and batch_rows < 1:
            raise RequestError(f"batch_rows is {batch_rows}; at least 1 is needed")
        places = self.places(episodes)
        shape = self._shape(columns)
        return pa.RecordBatchReader.from_batches(
            shape.schema, read_batches(places, shape, batch_rows or WINDOW_ROWS)
        )

    def places(self, episodes: Episodes | None) -> list[PlacedEpisode]:
        """Return where the rows of `episodes` are, in that order. Raises UnknownEpisode, RequestError."""
        if episodes is None:
            return list(self._places.values())
        names = [source.name for source in self.catalog.sources]
        keys = [_key(names, episode) for episode in episodes]
        unknown = [key for key in dict.fromkeys(keys) if key not in self._places]
        if unknown:
            lines = [f'source "{name}" has no episode {number}' for name, number in unknown]
            raise UnknownEpisode("episodes that are not there", parts=lines)
        return [self._places[key] for key in keys]

    def features(self, names: Sequence[str] | None) -> tuple[Feature, ...]:
        """Return the features of these names, cameras too, in the order of the first source.

        All without names.

        Raises:
            RequestError: with every name that is not there.
            FeatureMismatch: where sources differ in them.
        """
        first = self.catalog.sources[0]
        known = {f.name: f for f in first.features}
        why = first.unusable
        unknown = [
            f'feature "{n}" cannot be read: {why[n]}'
            if n in why
            else f'there is no feature "{n}"{near(n, known)}'
            for n in names or ()
            if n not in known
        ]
        if unknown:
            raise RequestError("features that cannot be read", parts=unknown)
        found = tuple(f for f in first.features if names is None or f.name in set(names))
        _refuse_differing(self.catalog.sources, found, option="features=")
        return found

    def schema(self, features: Iterable[Feature]) -> pa.Schema:
        """Return the exact types of the columns among `features`.

        Raises:
            SourceBroken: for files of others.
        """
        return pa.schema([self._schema.field(f.name) for f in features if not f.is_video])

    def _shape(self, asked: Sequence[str] | None) -> FrameColumns:
        first = self.catalog.sources[0]
        features = {_choose_name(f.name): f for f in first.columns}
        names = [*_FRONT, *features] if asked is None else list(dict.fromkeys(asked))
        _refuse_unknown(names, features, first)
        _refuse_differing(self.catalog.sources, [features[name] for name in names if name in features])
        stored = tuple(features[name].name if name in features else None for name in names)
        data = [self._schema.field(name) for name in stored if name]
        fields = [
            self._schema.field(column).with_name(name) if column else pa.field(name, _FRONT[name])
            for name, column in zip(names, stored, strict=True)
        ]
        proof = [pa.field(name, pa.int64()) for name in PROOF_COLUMNS if name not in stored]
        return FrameColumns(pa.schema(fields), stored, pa.schema([*proof, *data]), self.tasks)


# What is asked for ------------------------------------------------------------------------------


def _key(names: Sequence[str], episode: Episode) -> tuple[str, int]:
    """Return source and number of an episode.

    Raises:
        RequestError, UnknownEpisode: where it is not clear which episode is meant.
    """
    if isinstance(episode, tuple):
        name, number = episode
        if name not in names:
            raise UnknownEpisode(
                f'no source is called "{name}", but {_quote_names(names)}{near(name, names)}'
            )
        return name, _number(number)
    if len(names) > 1:
        raise RequestError(
            f"episode {episode} of which source?",
            hint=f"pairs, such as ({names[0]!r}, {episode}), of {_quote_names(names)}",
        )
    return names[0], _number(episode)


def _number(episode: object) -> int:
    if isinstance(episode, bool) or not isinstance(episode, int | np.integer):
        raise RequestError(f"episode {episode!r}: a whole number is needed, or (src_dataset, number)")
    return int(episode)


def _quote_names(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _choose_name(feature: str) -> str:
    """Return a feature's name, as in queries: "data.task" where it is one of ours."""
    return f"data.{feature}" if feature.lower() in _FRONT else feature


def _refuse_unknown(names: Sequence[str], features: Mapping[str, Feature], source: Source) -> None:
    cameras = {f.name for f in source.cameras}
    problems = [
        f'"{name}" is a camera: its pictures are in mp4 files, not among the frames\' columns'
        if name in cameras
        else f'column "{name}" cannot be read: {source.unusable[name]}'
        if name in source.unusable
        else f'there is no column "{name}"{near(name, [*_FRONT, *features])}'
        for name in names
        if name not in _FRONT and name not in features
    ]
    if problems:
        raise RequestError(
            "columns that cannot be read",
            parts=[*problems, f"there are {_quote_names([*_FRONT, *features])}"],
        )


def _refuse_differing(
    sources: Sequence[Source], wanted: Sequence[Feature], *, option: str = "columns="
) -> None:
    problems = []
    for source in sources[1:]:
        held = {f.name: (f.dtype, f.shape or (1,)) for f in source.features}
        for feature in wanted:
            said, first = held.get(feature.name), (feature.dtype, feature.shape or (1,))
            if said != first:
                found = "does not have it" if said is None else f"has {said[0]} {list(said[1])}"
                problems.append(
                    f'feature "{feature.name}": "{sources[0].name}" has {first[0]} {list(first[1])},'
                    f' "{source.name}" {found}'
                )
    if problems:
        raise FeatureMismatch(
            "the sources do not share their columns", hint=f"{option}, or one source", parts=problems
        )
