"""Turns the pictures in data files into videos, encoded by LeRobot itself.

The dataset is read through a stand-in, a folder in scratch: its data files without the pictures, a video for
each episode, metadata that says so, and links to the rest. What is composed of it is checked like any output.
"""

import dataclasses
import io
import json
import shlex
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, groupby
from operator import index
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.composition import plan
from lecompose.composition.destination import Destinations, refuse_existing, single_destination
from lecompose.composition.pipeline import MakePlan, Request, open_one, refuse_broken, run_request
from lecompose.composition.request import Settings, name_sources, output_folder
from lecompose.dataset.catalog import Catalog, Source, locate
from lecompose.dataset.catalog.data_files import data_files, episode_files
from lecompose.dataset.frames import Frames
from lecompose.dataset.query_views import open_views
from lecompose.errors import SourceBroken
from lecompose.files.mp4.thread_priority import keep_thread_priority
from lecompose.lerobot import compat
from lecompose.lerobot.compat import DepthEncoderConfig, LeRobotDataset, RGBEncoderConfig

Encoders: TypeAlias = Mapping[str, RGBEncoderConfig | DepthEncoderConfig]
"""By camera."""

# Pictures that are held in memory at a time.
_BATCH_ROWS = 16
_CHUNK = 1000


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
    """A copy of a dataset with its pictures, the features `observation.image…`, in videos.

    `episode_indices` are taken in that order, each once, and numbered anew; without them all episodes that
    the dataset is open with. `num_workers` episodes are encoded at once, each by itself: their pictures are
    on disk meanwhile, some of one in memory. That is bounded as it is, and the two `max_…` change nothing.
    Errors: ValueError for a dataset without such pictures, or with videos, and for episodes that are not
    there; FileExistsError; what LeRobot's encoder raises, with a note on the episode.
    """
    cameras, episodes = _cameras(dataset), _episodes(dataset, episode_indices)
    if num_workers < 1:
        raise ValueError(f"num_workers is {num_workers}; at least 1 is needed")
    repo_id = f"{dataset.repo_id}_video" if repo_id is None else repo_id
    out = compat.folder_of(output_dir, repo_id)
    usual = _defaults()
    rgb, depth = rgb_encoder or usual[0], depth_encoder or usual[1]
    film = _Film(
        root=Path(dataset.root),
        encoders={name: depth if name in dataset.meta.depth_keys else rgb for name in cameras},
        episodes=episodes,
        workers=num_workers,
    )
    given, to = name_sources(film.root), single_destination(output_folder(out))
    request = Request(
        given,
        to,
        _in_order(episodes, to),
        Settings(**compat.limits(dataset.meta)),
        _command(dataset, out, episodes, rgb, depth),
        stand_in=film.made,
    )
    with compat.as_lerobot_raises():
        refuse_existing(to, overwrite=False, roots=[locate(film.root)])  # before hours of encoding
        compat.tell(run_request(request))
    return compat.opened(repo_id, out)


def _cameras(dataset: LeRobotDataset) -> list[str]:
    from lerobot.utils.constants import OBS_IMAGE

    if dataset.meta.video_keys:
        raise ValueError(f"{dataset.repo_id} has videos already: {', '.join(dataset.meta.video_keys)}")
    cameras = [name for name in dataset.meta.image_keys if name.startswith(OBS_IMAGE)]
    if not cameras:
        raise ValueError(f"{dataset.repo_id} has no pictures called {OBS_IMAGE}…")
    return cameras


def _episodes(dataset: LeRobotDataset, asked: Iterable[int] | None) -> list[int]:
    if asked is None:
        some = dataset.episodes
        return list(range(dataset.meta.total_episodes)) if some is None else sorted(set(some))
    episodes = list(dict.fromkeys(map(index, asked)))
    if not episodes:
        raise ValueError("no episode was asked for")
    return episodes


def _defaults() -> tuple[RGBEncoderConfig, DepthEncoderConfig]:
    from lerobot.configs.video import depth_encoder_defaults, rgb_encoder_defaults

    return rgb_encoder_defaults(), depth_encoder_defaults()


def _in_order(episodes: list[int], to: Destinations) -> MakePlan:
    def fill(catalog: Catalog) -> tuple[plan.Notes, Destinations]:
        sql = f"select src_dataset, unnest({episodes}) as src_episode from datasets"
        with open_views(catalog) as views:
            return plan.compose(catalog, views, output=to.root.name, sql=sql)[0], to

    return fill


def _command(
    dataset: LeRobotDataset,
    out: Path,
    episodes: list[int],
    rgb: RGBEncoderConfig,
    depth: DepthEncoderConfig,
) -> str:
    """The request as a shell line; of the output only its name is told, as always."""
    said: dict[str, Any] = {
        "repo_id": dataset.repo_id,
        "root": str(dataset.root),
        "new_root": output_folder(out).name,
        "operation.type": "convert_image_to_video",
    }
    if episodes != list(range(dataset.meta.total_episodes)):
        said["operation.episode_indices"] = episodes
    for name, encoder, usual in zip(("rgb", "depth"), (rgb, depth), _defaults(), strict=True):
        for setting, value in dataclasses.asdict(encoder).items():
            if value != getattr(usual, setting, None):
                said[f"operation.{name}_encoder.{setting}"] = value
    words = ((f"--{key}", v if isinstance(v, str) else json.dumps(v)) for key, v in said.items())
    return shlex.join(["python", "-m", "lecompose.lerobot", *chain.from_iterable(words)])


# The stand-in -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Film:
    """What is to be encoded, how, and how many episodes at once."""

    root: Path
    encoders: Encoders
    episodes: list[int]
    workers: int

    def made(self, scratch: Path) -> Path:
        """A folder below `scratch`, now holding the dataset with its pictures in videos.

        Episodes keep their numbers; those that are not wanted have no videos.
        Errors: SourceBroken, UnknownEpisode; what the encoder raises.
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
        frames, pictures = Frames(catalog), scratch / "pictures"
        fps = catalog.sources[0].fps
        with ThreadPoolExecutor(self.workers) as pool:
            running: set[Future[None]] = set()
            for camera, encoder in self.encoders.items():
                reader = frames.read(clips, ["src_episode", camera], batch_rows=_BATCH_ROWS)
                for episode, held in self._written(reader, camera, pictures):
                    clip = folder / _clip(camera, clips[episode])
                    note = f'camera "{camera}", episode {episode}. ({self.root})'
                    running.add(pool.submit(_encode_episode, held, clip, fps, encoder, note))
                    running = _finished(running, most=self.workers - 1)
            _finished(running, most=0)

    def _written(self, reader: pa.RecordBatchReader, camera: str, folder: Path) -> Iterator[tuple[int, Path]]:
        """Each episode, and a folder that holds its pictures as the files that the encoder looks for.

        Errors: SourceBroken for what is no picture, or of another size than those before it.
        """
        pattern, first = _pattern(self.encoders[camera]), None
        rows = (row for batch in reader for row in batch.to_pylist())
        for episode, frames in groupby(rows, key=lambda row: int(row["src_episode"])):
            held = folder / camera / str(episode)
            held.mkdir(parents=True)
            for number, row in enumerate(frames):
                data: bytes = (row[camera] or {}).get("bytes") or b""
                where = f'camera "{camera}", episode {episode}, frame {number}. ({self.root})'
                size = _size(data, where)
                first = first or size
                if size != first:
                    raise SourceBroken(f"a picture of {size}, those before are of {first}: {where}")
                (held / pattern.format(frame_index=number)).write_bytes(data)
            yield episode, held


def _pattern(encoder: RGBEncoderConfig | DepthEncoderConfig) -> str:
    """How the encoder wants pictures to be called."""
    from lerobot.configs import video
    from lerobot.datasets.utils import DEPTH_FILE_PATTERN, IMAGE_FILE_PATTERN

    is_depth = isinstance(encoder, video.DepthEncoderConfig)
    return str(DEPTH_FILE_PATTERN if is_depth else IMAGE_FILE_PATTERN)


def _finished(running: set[Future[None]], *, most: int) -> set[Future[None]]:
    """Those that still run, when they are not more than so many. Errors: those of the others."""
    while len(running) > most:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
    return running


def _clip(camera: str, number: int) -> str:
    return formats.VIDEO_PATH.format(
        video_key=camera, chunk_index=number // _CHUNK, file_index=number % _CHUNK
    )


def _size(data: bytes, where: str) -> tuple[int, int]:
    """(width, height) of a picture file, by its head."""
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
    """Links to all that stays as it is."""
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
        info |= get_video_info(folder / _clip(camera, 0), encoder)
        features[camera] = spec | {"dtype": "video", "info": info}
    text = json.dumps({**source.info, "features": features, "video_path": formats.VIDEO_PATH})
    (folder / "meta/info.json").write_text(text, encoding="utf-8")


def _write_episodes(source: Source, cameras: Collection[str], clips: Mapping[int, int], folder: Path) -> None:
    """The episode lists, with the places of the videos."""
    for file in episode_files(source):
        table = pq.read_table(file, partitioning=None)
        table = table.select([name for name in table.column_names if not name.startswith("videos/")])
        episodes, lengths = table["episode_index"].to_pylist(), table["length"].to_pylist()
        places = [divmod(clips[n], _CHUNK) if n in clips else (None, None) for n in episodes]
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
