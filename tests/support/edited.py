"""What becomes of an edited dataset, told with pyarrow and numpy: for `independent.assert_composed`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from support.independent import Dataset, Episode

Column = Callable[[int, pa.Table], Any]
Edit = Callable[[Dataset], Dataset]
Tell = Callable[[int, str], str]


def unchanged(dataset: Dataset) -> Dataset:
    return dataset


def changed(
    remove: tuple[str, ...] = (),
    rename: Mapping[str, str] | None = None,
    add: Mapping[str, tuple[str, tuple[int, ...], Column]] | None = None,
) -> Edit:
    """The dataset without some features, others renamed, and new ones whose values numpy gives."""
    names, new = rename or {}, add or {}

    def of_episode(number: int, episode: Episode) -> Episode:
        rows = episode.rows.drop_columns([n for n in remove if n in episode.rows.column_names])
        rows = rows.rename_columns([names.get(n, n) for n in rows.column_names])
        for name, (_, _, values) in new.items():
            rows = rows.append_column(name, pa.array(values(number, episode.rows)))
        stats = {
            f"{names.get(key.rsplit('/', 1)[0], key.rsplit('/', 1)[0])}/{key.rsplit('/', 1)[1]}": value
            for key, value in episode.stats.items()
            if key.rsplit("/", 1)[0] not in remove
        }
        clips = {names.get(n, n): clip for n, clip in episode.clips.items() if n not in remove}
        return replace(episode, rows=rows, stats=stats, clips=clips)

    def edited(dataset: Dataset) -> Dataset:
        kept = {names.get(n, n): f for n, f in dataset.features.items() if n not in remove}
        at = list(kept).index("timestamp")
        added = {n: {"dtype": dtype, "shape": list(shape)} for n, (dtype, shape, _) in new.items()}
        features = dict([*list(kept.items())[:at], *added.items(), *list(kept.items())[at:]])
        episodes = tuple(of_episode(n, episode) for n, episode in enumerate(dataset.episodes))
        return replace(dataset, info=dataset.info | {"features": features}, episodes=episodes)

    return edited


def retold(tell: Tell) -> Edit:
    """The dataset with the tasks that `tell` gives, by episode and text."""

    def edited(dataset: Dataset) -> Dataset:
        episodes = [
            replace(
                episode,
                tasks=tuple(tell(n, text) for text in episode.tasks),
                listed=tuple(tell(n, text) for text in episode.listed),
            )
            for n, episode in enumerate(dataset.episodes)
        ]
        return replace(dataset, episodes=tuple(episodes))

    return edited


def retimed(fps: float) -> Edit:
    """The same frames at another rate."""

    def of_episode(episode: Episode) -> Episode:
        seconds = (np.arange(len(episode)) / fps).astype(np.float32)
        at = episode.rows.schema.get_field_index("timestamp")
        stats = {k: v for k, v in episode.stats.items() if not k.startswith("timestamp/")}
        return replace(episode, rows=episode.rows.set_column(at, "timestamp", pa.array(seconds)), stats=stats)

    def edited(dataset: Dataset) -> Dataset:
        episodes = tuple(map(of_episode, dataset.episodes))
        return replace(dataset, info=dataset.info | {"fps": fps}, episodes=episodes)

    return edited
