"""Convert the pictures in data files to videos, encoded by LeRobot itself.

The dataset is read through a stand-in, a folder in scratch: its data files without the pictures, a video for
each episode, metadata that says so, and links to the rest. The output is composed from it and checked like
any other.
"""

import dataclasses
import io
import json
import shlex
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import chain, groupby
from operator import index
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.composition import plan
from lecompose.composition.destination import refuse_existing, single_destination
from lecompose.composition.named_sources import name_sources, output_folder
from lecompose.composition.open_sources import open_one, refuse_broken
from lecompose.composition.pipeline import run_request
from lecompose.composition.request import Request
from lecompose.composition.settings import parse_options
from lecompose.concurrency import map_ahead
from lecompose.dataset.catalog import Catalog, Source, locate
from lecompose.dataset.catalog.data_files import data_files, episode_files
from lecompose.dataset.frames import Frames
from lecompose.errors import SourceBroken
from lecompose.files.mp4.thread_priority import keep_thread_priority
from lecompose.lerobot import compat
from lecompose.lerobot.compat import DepthEncoderConfig, LeRobotDataset, RGBEncoderConfig

Encoders: TypeAlias = Mapping[str, RGBEncoderConfig | DepthEncoderConfig]
"""By camera."""


def convert_image_to_video_dataset(
    dataset: LeRobotDataset,
    output_dir: Path | None = None,
    repo_id: str | None = None,
    rgb_encoder: RGBEncoderConfig | None = None,
    depth_encoder: DepthEncoderConfig | None = None,
    episode_indices: list[int] | None = None,
    num_workers: int = 4,
    max_episodes_per_batch: int | None = None,
    max_frames_per_batch: int | None = None,
) -> LeRobotDataset:
    """Return a copy of a dataset with its pictures, the features `observation.image…`, in videos.

    Episodes are taken in the order of `episode_indices`, each once, and numbered from 0; by default all that
    the dataset was opened with. `num_workers` episodes are encoded at a time: their pictures are on disk
    meanwhile, some of one in memory. So memory is bounded, and the two `max_…` arguments change nothing.

    Raises:
        ValueError: if the dataset has no such pictures, or has videos, or an episode does not exist.
        FileExistsError: if the output exists.
        Exception: what LeRobot's encoder raises, with a note that names the episode.
    """
    cameras, episodes = _find_cameras(dataset), _list_episodes(dataset, episode_indices)
    if num_workers < 1:
        raise ValueError(f"num_workers is {num_workers}; at least 1 is needed")
    repo_id = f"{dataset.repo_id}_video" if repo_id is None else repo_id
    out = compat.choose_folder(output_dir, repo_id)
    usual = _read_default_encoders()
    rgb, depth = rgb_encoder or usual[0], depth_encoder or usual[1]
    conversion = _Conversion(
        root=Path(dataset.root),
        encoders={name: depth if name in dataset.meta.depth_keys else rgb for name in cameras},
        episodes=episodes,
        workers=num_workers,
    )
    to = single_destination(output_folder(out))
    sql = f"select src_dataset, unnest({episodes}) as src_episode from datasets"
    request = Request(
        "convert_image_to_video",
        name_sources(conversion.root),
        to,
        partial(plan.compose, output=to.root.name, sql=sql),
        parse_options(**compat.read_limits(dataset.meta)),
        stand_in=conversion.write_stand_in,
        other_command=_build_command(dataset, out, episodes, rgb, depth),
    )
    with compat.raise_as_lerobot():
        refuse_existing(to, overwrite=False, roots=[locate(conversion.root)])  # before hours of encoding
        compat.log_notes(run_request(request))
    return compat.open_dataset(repo_id, out)


def _find_cameras(dataset: LeRobotDataset) -> list[str]:
    from lerobot.utils.constants import OBS_IMAGE

    if dataset.meta.video_keys:
        raise ValueError(f"{dataset.repo_id} has videos already: {', '.join(dataset.meta.video_keys)}")
    cameras = [name for name in dataset.meta.image_keys if name.startswith(OBS_IMAGE)]
    if not cameras:
        raise ValueError(f"{dataset.repo_id} has no pictures called {OBS_IMAGE}…")
    return cameras


def _list_episodes(dataset: LeRobotDataset, asked: Iterable[int] | None) -> list[int]:
    if asked is None:
        some = dataset.episodes
        return list(range(dataset.meta.total_episodes)) if some is None else sorted(set(some))
    episodes = list(dict.fromkeys(map(index, asked)))
    if not episodes:
        raise ValueError("no episode was asked for")
    return episodes


def _read_default_encoders() -> tuple[RGBEncoderConfig, DepthEncoderConfig]:
    from lerobot.configs.video import depth_encoder_defaults, rgb_encoder_defaults

    return rgb_encoder_defaults(), depth_encoder_defaults()


def _build_command(
    dataset: LeRobotDataset,
    out: Path,
    episodes: list[int],
    rgb: RGBEncoderConfig,
    depth: DepthEncoderConfig,
) -> str:
    """Return the request as a shell line; it holds only the name of the output, as always."""
    said: dict[str, Any] = {
        "repo_id": dataset.repo_id,
        "root": str(dataset.root),
        "new_root": output_folder(out).name,
        "operation.type": "convert_image_to_video",
    }
    if episodes != list(range(dataset.meta.total_episodes)):
        said["operation.episode_indices"] = episodes
    for name, encoder, usual in zip(("rgb", "depth"), (rgb, depth), _read_default_encoders(), strict=True):
        for setting, value in dataclasses.asdict(encoder).items():
            if value != getattr(usual, setting, None):
                said[f"operation.{name}_encoder.{setting}"] = value
    words = ((f"--{key}", v if isinstance(v, str) else json.dumps(v)) for key, v in said.items())
    return shlex.join(["python", "-m", "lecompose.lerobot", *chain.from_iterable(words)])


# The stand-in -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _EncodingJob:
    """A clip to encode of picture files; `note` says for errors which episode it is."""

    pictures: Path
    clip: Path
    encoder: RGBEncoderConfig | DepthEncoderConfig
    note: str


@dataclass(frozen=True)
class _Conversion:
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
            refuse_broken(catalog)
            (source,) = catalog.sources
            folder = scratch / "dataset" / source.root.name
            clips = {episode: n for n, episode in enumerate(sorted(self.episodes))}
            self._encode(catalog, clips, folder, scratch)
            _link_rest(source, folder)
            _write_data(source, self.encoders, folder)
            _write_info(source, self.encoders, folder)
            _write_episodes(source, self.encoders, clips, folder)
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
    """Link to everything that stays as it is."""
    (folder / "meta").mkdir()
    made = {folder / name for name in ("data", "meta", "videos", "meta/info.json", "meta/episodes")}
    for entry in [*source.root.iterdir(), *(source.root / "meta").iterdir()]:
        link = folder / entry.relative_to(source.root)
        if link not in made:
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


def _write_info(source: Source, encoders: Encoders, folder: Path) -> None:
    from lerobot.datasets.video_utils import get_video_info

    said = {feature.name: (dict(feature.spec), feature.info) for feature in source.features}
    features = {name: spec for name, (spec, _) in said.items()}
    for camera, encoder in encoders.items():
        spec, info = said[camera]
        info |= get_video_info(folder / _video_path(camera, 0), encoder)
        features[camera] = spec | {"dtype": "video", "info": info}
    text = json.dumps({**source.info, "features": features, "video_path": formats.VIDEO_PATH})
    (folder / "meta/info.json").write_text(text, encoding="utf-8")


def _write_episodes(source: Source, cameras: Collection[str], clips: Mapping[int, int], folder: Path) -> None:
    """Write the episode lists, with the places of the videos."""
    for file in episode_files(source):
        table = pq.read_table(file, partitioning=None)
        table = table.select([name for name in table.column_names if not name.startswith("videos/")])
        episodes, lengths = table["episode_index"].to_pylist(), table["length"].to_pylist()
        places = [divmod(clips[n], formats.CHUNK_FILES) if n in clips else (None, None) for n in episodes]
        pointers = {
            "chunk_index": pa.array([chunk for chunk, _ in places], pa.int64()),
            "file_index": pa.array([number for _, number in places], pa.int64()),
            "from_timestamp": pa.array([0.0] * len(episodes)),
            "to_timestamp": pa.array([length / float(source.fps) for length in lengths]),
        }
        for camera in cameras:
            for name, values in pointers.items():
                table = table.append_column(f"videos/{camera}/{name}", values)
        path = folder / file.relative_to(source.root)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
