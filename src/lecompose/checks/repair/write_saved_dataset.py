"""Writes a dataset of format v3.0 around files that stay where they are: new metadata, links to the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import pyarrow as pa

from lecompose import formats
from lecompose.checks.repair.features import Features
from lecompose.checks.repair.find_sound_episodes import Salvage, SoundEpisode
from lecompose.dataset.catalog import LINEAGE_PATH, CustomColumn, Source
from lecompose.dataset.catalog.custom_columns import CustomValues, register_custom
from lecompose.dataset.write_metadata import (
    INFO_KEYS,
    ClipPointers,
    DatasetInfo,
    Episodes,
    EpisodesFile,
    Metadata,
    make_episode_rows,
    stat_column,
    write_metadata,
)
from lecompose.engine import Engine
from lecompose.formats import Feature

# Kept as they are where they can be read.
_BESIDE = (LINEAGE_PATH, formats.SUBTASKS_PATH, "meta/modality.json", "README.md")


@dataclass(frozen=True)
class SavedDataset:
    """What is to be written: the sound episodes of a source, and what is known of them.

    `custom` are its own columns, `stats` the relation `stored_stats` of it; None where they cannot be read.
    """

    source: Source
    features: Features
    salvage: Salvage
    custom: CustomValues | None
    stats: pa.Table | None

    @property
    def cameras(self) -> list[str]:
        """The cameras of which there are videos."""
        clips = self.salvage.episodes[0].clips
        return [f.name for f in self.features.features if f.is_video and f.name in clips]

    @property
    def kept(self) -> list[Feature]:
        """The features without the other cameras."""
        return [f for f in self.features.features if not f.is_video or f.name in self.cameras]


def write_saved_dataset(engine: Engine, saved_dataset: SavedDataset, root: Path) -> None:
    """Write the sound episodes as a dataset in `root`; they keep their numbers.

    Raises:
        OutputUnwritable: if a file cannot be written.
    """
    source, salvage = saved_dataset.source, saved_dataset.salvage
    numbers = [e.episode for e in salvage.episodes]
    metadata = Metadata(
        name=source.name,
        info=DatasetInfo(
            fps=source.fps,
            features={f.name: f.spec for f in saved_dataset.kept},
            robot_type=source.info.get("robot_type"),
            episodes=len(numbers),
            frames=sum(e.length for e in salvage.episodes),
            other={key: value for key, value in source.info.items() if key not in INFO_KEYS},
        ),
        tasks={number: salvage.texts[number] for number in sorted(salvage.texts)},
        episodes=_load_episodes(engine, saved_dataset, root),
        episodes_files=[EpisodesFile(0, 0, min(numbers), max(numbers))],
    )
    write_metadata(metadata, root)
    for name in _BESIDE:
        if (source.root / name).is_file():
            (root / name).symlink_to(source.root / name)


def _load_episodes(engine: Engine, saved_dataset: SavedDataset, root: Path) -> Episodes:
    """Link the files of the episodes, and make the relations that describe these."""
    engine.load("sound_rows", _make_rows(saved_dataset, root))
    stats = _take_stats(saved_dataset)
    engine.load("sound_stats", stats)
    features = {f.name: f for f in saved_dataset.kept}
    stored = [(features.get(name), stat) for name, _, stat in (c.rpartition("/") for c in stats.column_names)]
    return Episodes(
        engine=engine,
        rows="sound_rows",
        cameras=saved_dataset.cameras,
        stats="sound_stats",
        stat_columns=[stat_column(feature, stat) for feature, stat in stored if feature],
        custom_columns=_register_custom(engine, saved_dataset),
    )


def _make_rows(saved_dataset: SavedDataset, root: Path) -> pa.Table:
    source, episodes = saved_dataset.source, saved_dataset.salvage.episodes
    ends = list(accumulate(e.length for e in episodes))
    chunks, files = _link(root, formats.DATA_PATH, [e.data_file for e in episodes])
    columns = {
        "out_dataset": [source.name] * len(episodes),
        "src_dataset": [source.name] * len(episodes),
        "src_episode": [e.episode for e in episodes],
        "episode_index": [e.episode for e in episodes],
        "tasks": [list(e.tasks) for e in episodes],
        "length": [e.length for e in episodes],
        "data/chunk_index": chunks,
        "data/file_index": files,
        "dataset_from_index": [end - e.length for e, end in zip(episodes, ends, strict=True)],
        "dataset_to_index": ends,
    }
    clips = {camera: _link_clips(root, camera, episodes) for camera in saved_dataset.cameras}
    return make_episode_rows(columns, clips, fps=source.fps)


def _link_clips(root: Path, camera: str, episodes: Sequence[SoundEpisode]) -> ClipPointers:
    clips = [e.clips[camera] for e in episodes]
    template = formats.VIDEO_PATH.replace("{video_key}", _literal(camera))
    chunks, files = _link(root, template, [clip.video_file for clip in clips])
    ends = [clip.from_frame + e.length for clip, e in zip(clips, episodes, strict=True)]
    return ClipPointers(chunks, files, [clip.from_frame for clip in clips], ends)


def _link(root: Path, template: str, files: Sequence[Path]) -> tuple[list[int], list[int]]:
    """Link files under their new names, and return the chunk and the number there of each."""
    pointers = {file: divmod(n, formats.CHUNK_FILES) for n, file in enumerate(dict.fromkeys(files))}
    for file, (chunk_index, file_index) in pointers.items():
        link = root / template.format(chunk_index=chunk_index, file_index=file_index)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.resolve())
    return [pointers[file][0] for file in files], [pointers[file][1] for file in files]


def _literal(name: str) -> str:
    return name.replace("{", "{{").replace("}", "}}")


def _register_custom(engine: Engine, saved_dataset: SavedDataset) -> tuple[CustomColumn, ...]:
    """Make the relation `custom` of the dataset's own columns, where it has any; return these."""
    custom, episodes = saved_dataset.custom, saved_dataset.salvage.episodes
    if custom is None or not custom.columns:
        return ()
    numbers = [e.episode for e in episodes]
    rows = _find_rows(custom.episodes, numbers)
    values = {name: column.take(rows) for name, column in custom.columns.items()}
    taken = CustomValues(custom.source, pa.array(numbers, pa.int64()), values)
    return register_custom(engine, [taken]).columns


def _take_stats(saved_dataset: SavedDataset) -> pa.Table:
    """Return the statistics of the episodes, null where the length has changed."""
    stats, episodes = saved_dataset.stats, saved_dataset.salvage.episodes
    keys = {
        "out_dataset": [saved_dataset.source.name] * len(episodes),
        "out_episode": [e.episode for e in episodes],
    }
    if stats is None:
        return pa.table(keys)
    rows = _find_rows(stats["src_episode"], [None if e.is_changed else e.episode for e in episodes])
    taken = {name: stats[name].take(rows) for name in stats.column_names if "/" in name}
    return pa.table(keys | {name: c for name, c in taken.items() if c.null_count < len(c)})


def _find_rows(numbers: pa.Array | pa.ChunkedArray, episodes: Sequence[int | None]) -> pa.Array:
    """Return the row of each episode in a column of episode numbers; null where it is not there."""
    rows = {number: row for row, number in enumerate(numbers.to_pylist())}
    return pa.array([rows.get(episode) for episode in episodes], pa.int64())
