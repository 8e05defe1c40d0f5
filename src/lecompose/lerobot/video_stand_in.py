"""Writes a stand-in for a dataset: a folder in scratch in which pictures of its data files are videos.

It has the data files without the pictures, a video for each episode, metadata that says so, and links to the
rest.
"""

import io
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.composition.open_sources import find_broken, open_one, refuse_broken
from lecompose.concurrency import map_ahead
from lecompose.dataset import stored_stats
from lecompose.dataset.catalog import Catalog, Source
from lecompose.dataset.catalog.data_files import data_files
from lecompose.dataset.frames import Frames
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
from lecompose.errors import SourceBroken
from lecompose.files.mp4.thread_priority import keep_thread_priority
from lecompose.formats import Feature
from lecompose.lerobot.compat import DepthEncoderConfig, RGBEncoderConfig

Encoders: TypeAlias = Mapping[str, RGBEncoderConfig | DepthEncoderConfig]
"""By camera."""


@dataclass(frozen=True)
class _EncodingJob:
    """A clip to encode of picture files; `note` says for errors which episode it is."""

    pictures: Path
    clip: Path
    encoder: RGBEncoderConfig | DepthEncoderConfig
    note: str


@dataclass(frozen=True)
class Conversion:
    """What is to be encoded, how, and how many episodes at a time."""

    root: Path
    encoders: Encoders
    episodes: list[int]
    workers: int

    def write_stand_in(self, scratch: Path) -> Path:
        """Write the dataset with its pictures in videos to a folder below `scratch`, and return that folder.

        Episodes keep their numbers; those that are not wanted have no videos.

        Raises:
            SourceBroken: if a picture cannot be read.
            UnknownEpisode: if an episode does not exist.
            Exception: what the encoder raises.
        """
        with open_one(self.root, None, None) as (catalog, _):
            refuse_broken(catalog, find_broken(catalog))
            (source,) = catalog.sources
            folder = scratch / "dataset" / source.root.name
            clips = {episode: n for n, episode in enumerate(sorted(self.episodes))}
            self._encode(catalog, clips, folder, scratch)
            _write_data(source, self.encoders, folder)
            write_metadata(_describe(catalog, self.encoders, clips, folder), folder)
            _link_rest(source, folder)
            return folder

    def _encode(self, catalog: Catalog, clips: Mapping[int, int], folder: Path, scratch: Path) -> None:
        def encode(job: _EncodingJob) -> None:
            _encode_episode(job.pictures, job.clip, catalog.sources[0].fps, job.encoder, job.note)

        jobs = self._list_jobs(Frames(catalog), clips, folder, scratch / "pictures")
        for _ in map_ahead(encode, jobs, threads=self.workers):
            pass

    def _list_jobs(
        self, frames: Frames, clips: Mapping[int, int], folder: Path, pictures: Path
    ) -> Iterator[_EncodingJob]:
        """Yield the clips to encode, whose pictures lie in files by then."""
        for camera, encoder in self.encoders.items():
            reader = frames.read(clips, ["src_episode", camera], batch_rows=formats.PICTURE_BATCH_ROWS)
            for episode, held in self._extract_pictures(reader, camera, pictures):
                clip = folder / _video_path(camera, clips[episode])
                yield _EncodingJob(
                    held, clip, encoder, f'camera "{camera}", episode {episode}. ({self.root})'
                )

    def _extract_pictures(
        self, reader: pa.RecordBatchReader, camera: str, folder: Path
    ) -> Iterator[tuple[int, Path]]:
        """Yield each episode, and a folder that holds its pictures as the files that the encoder looks for.

        Raises:
            SourceBroken: if a picture cannot be read, or differs in size from those before it.
        """
        pattern, first = _find_file_pattern(self.encoders[camera]), None
        rows = (row for batch in reader for row in batch.to_pylist())
        for episode, frames in groupby(rows, key=lambda row: int(row["src_episode"])):
            held = folder / camera / str(episode)
            held.mkdir(parents=True)
            for number, row in enumerate(frames):
                data: bytes = (row[camera] or {}).get("bytes") or b""
                where = f'camera "{camera}", episode {episode}, frame {number}. ({self.root})'
                size = _read_picture_size(data, where)
                first = first or size
                if size != first:
                    raise SourceBroken(f"a picture of {size}, those before are of {first}: {where}")
                (held / pattern.format(frame_index=number)).write_bytes(data)
            yield episode, held


def _find_file_pattern(encoder: RGBEncoderConfig | DepthEncoderConfig) -> str:
    """Return the pattern for the names of picture files that the encoder expects."""
    from lerobot.configs import video
    from lerobot.datasets.utils import DEPTH_FILE_PATTERN, IMAGE_FILE_PATTERN

    is_depth = isinstance(encoder, video.DepthEncoderConfig)
    return str(DEPTH_FILE_PATTERN if is_depth else IMAGE_FILE_PATTERN)


def _video_path(camera: str, number: int) -> str:
    return formats.VIDEO_PATH.format(
        video_key=camera, chunk_index=number // formats.CHUNK_FILES, file_index=number % formats.CHUNK_FILES
    )


def _read_picture_size(data: bytes, where: str) -> tuple[int, int]:
    """Return (width, height) of a picture file, as its header says."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise SourceBroken(f"there is no picture that can be read: {where}") from error
    return width, height


def _encode_episode(
    pictures: Path, clip: Path, fps: Fraction, encoder: RGBEncoderConfig | DepthEncoderConfig, note: str
) -> None:
    from lerobot.datasets.video_utils import encode_video_frames

    rate = int(fps) if fps.denominator == 1 else fps
    try:
        with keep_thread_priority():
            encode_video_frames(pictures, clip, rate, encoder)
    except Exception as error:
        error.add_note(note)
        raise
    finally:
        shutil.rmtree(pictures)


def _link_rest(source: Source, folder: Path) -> None:
    """Link to everything that stays as it is: what is not yet in the folder."""
    for entry in [*source.root.iterdir(), *(source.root / "meta").iterdir()]:
        link = folder / entry.relative_to(source.root)
        if not link.exists():
            link.symlink_to(entry)


def _write_data(source: Source, cameras: Collection[str], folder: Path) -> None:
    for file in data_files(source):
        path = folder / file.path.relative_to(source.root)
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetFile(file.path) as parquet:
            stored = parquet.schema_arrow
            schema = pa.schema([field for field in stored if field.name not in cameras])
            with pq.ParquetWriter(path, schema) as writer:
                for n in range(parquet.num_row_groups):
                    # By name it also gives columns whose names go on behind a point.
                    writer.write_table(parquet.read_row_group(n, columns=schema.names).select(schema.names))


@dataclass(frozen=True)
class _Listed:
    """What the source's episode list says of an episode."""

    src_episode: int
    length: int
    tasks: list[str]
    data_chunk: int
    data_file_index: int
    from_index: int
    to_index: int


def _describe(catalog: Catalog, encoders: Encoders, clips: Mapping[int, int], folder: Path) -> Metadata:
    """Return the metadata: the source's, with the places of the videos."""
    (source,), engine = catalog.sources, catalog.engine
    listed = engine.read_records("declared", _Listed, order=["src_episode"])
    features = _describe_features(source, encoders, folder)
    engine.load("stand_in_rows", _make_rows(source, listed, encoders, clips))
    stats = _read_stats(catalog)
    engine.load("stand_in_stats", stats)
    tasks = catalog.task_texts(source)
    return Metadata(
        name=source.name,
        info=DatasetInfo(
            fps=source.fps,
            features=features,
            robot_type=source.info.get("robot_type"),
            episodes=len(listed),
            frames=sum(e.length for e in listed),
            data_path=source.data_template,
            other={key: value for key, value in source.info.items() if key not in INFO_KEYS},
        ),
        tasks={number: text for number, text in enumerate(tasks) if text is not None},
        episodes=Episodes(
            engine=engine,
            rows="stand_in_rows",
            cameras=list(encoders),
            stats="stand_in_stats",
            stat_columns=[stat_column(f, stat) for f, stat in _list_stats(source, stats)],
            custom_columns=catalog.custom.columns,
        ),
        episodes_files=[EpisodesFile(0, 0, listed[0].src_episode, listed[-1].src_episode)],
    )


def _describe_features(source: Source, encoders: Encoders, folder: Path) -> dict[str, dict[str, Any]]:
    """Return the features' entries, those of the cameras with what the encoded videos are."""
    from lerobot.datasets.video_utils import get_video_info

    entries = {feature.name: dict(feature.spec) for feature in source.features}
    infos = {feature.name: feature.info for feature in source.features}
    for camera, encoder in encoders.items():
        info = infos[camera] | get_video_info(folder / _video_path(camera, 0), encoder)
        entries[camera] |= {"dtype": "video", "info": info}
    return entries


def _make_rows(
    source: Source, listed: Sequence[_Listed], cameras: Collection[str], clips: Mapping[int, int]
) -> pa.Table:
    """Return the rows of the episodes: the pointers to a video are null where an episode is not wanted."""
    numbers = [e.src_episode for e in listed]
    columns = {
        "out_dataset": [source.name] * len(listed),
        "src_dataset": [source.name] * len(listed),
        "src_episode": numbers,
        "episode_index": numbers,
        "tasks": [e.tasks for e in listed],
        "length": [e.length for e in listed],
        "data/chunk_index": [e.data_chunk for e in listed],
        "data/file_index": [e.data_file_index for e in listed],
        "dataset_from_index": [e.from_index for e in listed],
        "dataset_to_index": [e.to_index for e in listed],
    }
    files = [divmod(clips[n], formats.CHUNK_FILES) if n in clips else (None, None) for n in numbers]
    pointers = ClipPointers(
        chunk_index=[chunk for chunk, _ in files],
        file_index=[number for _, number in files],
        from_frame=[0] * len(listed),
        to_frame=[e.length for e in listed],
    )
    return make_episode_rows(columns, dict.fromkeys(cameras, pointers), fps=source.fps)


def _read_stats(catalog: Catalog) -> pa.Table:
    """Return the statistics that the source's episodes have."""
    stored_stats.register_stored_stats(catalog)
    stats = catalog.engine.read("stored_stats", catalog.engine.columns_of("stored_stats"))
    keys = {"src_dataset": "out_dataset", "src_episode": "out_episode"}
    return stats.rename_columns([keys.get(name, name) for name in stats.column_names])


def _list_stats(source: Source, stats: pa.Table) -> Iterator[tuple[Feature, str]]:
    """Yield the feature and the statistic of each column that some episode has."""
    features = {feature.name: feature for feature in source.features}
    for name in stats.column_names:
        feature, _, stat = name.rpartition("/")
        if feature in features and stats[name].null_count < len(stats):
            yield features[feature], stat
