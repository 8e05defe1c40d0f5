"""What LeRobot's own reader shows of datasets that the toy recorder's frames went into."""

import io
import random
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from recorder import Barcode, read_barcode, value
from support import typed
from support.typed import Kind

TASKS = ("pick the cup", "place the cup", "wave")
# torchcodec reads HEVC wrongly in random order, merged or not; see `without_seeking` for PyAV.
CODECS = (("libsvtav1", "torchcodec"), ("libsvtav1", "pyav"), ("h264", "torchcodec"), ("hevc", "pyav"))

# torch, in which LeRobot gives all numbers, has these.
TORCH = ("bool", "int8", "int16", "int32", "int64", "uint8", "float16", "float32", "float64")
SHAPES = ((2, 3), (1, 2, 2), (2, 1, 1, 2), (1, 2, 1, 2, 1))


class Moment(NamedTuple):
    """One frame as it was recorded."""

    seed: int
    episode: int
    frame: int
    task: str


def opened(root: Path, **settings: Any) -> Any:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset("lecompose/test", root=root, return_uint8=True, **settings)


def without_seeking(monkeypatch: pytest.MonkeyPatch) -> None:
    """LeRobot decodes each file from its start on.

    FFmpeg seeks by decoding times and lands behind some HEVC frames, of any dataset. Which ones has a
    test of its own; elsewhere all frames are to be seen.
    """
    from lerobot.datasets import dataset_reader

    decode = dataset_reader.decode_video_frames

    def decode_all(path: Path, times: list[float], *rest: Any, **settings: Any) -> Any:
        return decode(path, [0.0, *times], *rest, **settings)[1:]

    monkeypatch.setattr(dataset_reader, "decode_video_frames", decode_all)


def halves(episode: int, frame: int) -> str:
    """Two tasks an episode, not in the order of the first episode."""
    return TASKS[(episode + frame // 4) % 3]


RECORDING: dict[str, Any] = {
    "seed": 3,
    "frames": (7, 3, 12, 5),
    "task_of": halves,
    "tasks": TASKS,
    "codec": "libsvtav1",
    "cameras": ("front", "wrist"),
}


def moments(*recordings: dict[str, Any]) -> list[Moment]:
    """The frames of a merge of what `record` makes of these settings."""
    return [
        Moment(
            settings["seed"],
            episode,
            frame,
            settings["task_of"](episode, frame)
            if "task_of" in settings
            else settings["tasks"][episode % len(settings["tasks"])],
        )
        for settings in recordings
        for episode, length in enumerate(settings["frames"])
        for frame in range(length)
    ]


def episodes_of(frames: Iterable[Moment], *numbers: int) -> list[Moment]:
    """The frames of the episodes with these numbers in the merged dataset."""
    number, kept = -1, []
    for moment in frames:
        number += moment.frame == 0
        if number in numbers:
            kept.append(moment)
    return kept


def in_far_chunks(source: Path, root: Path) -> Path:
    """A copy of a dataset of two episodes, in data chunks 999 and 1000: LeRobot sorts 1000 first."""
    shutil.copytree(source, root)
    rows = pq.read_table(root / "data/chunk-000/file-000.parquet")
    listed = root / "meta/episodes/chunk-000/file-000.parquet"
    episodes = pq.read_table(listed)
    for episode, chunk in enumerate((999, 1000)):
        (root / f"data/chunk-{chunk}").mkdir()
        own = rows.filter(pc.equal(rows["episode_index"], episode))
        pq.write_table(own, root / f"data/chunk-{chunk}/file-000.parquet")
    shutil.rmtree(root / "data/chunk-000")
    place = episodes.schema.get_field_index("data/chunk_index")
    pq.write_table(episodes.set_column(place, "data/chunk_index", pa.array([999, 1000])), listed)
    return root


def assert_recorded(dataset: Any, expected: list[Moment]) -> None:
    """Every item is the frame that belongs there; visited in random order, as training does."""
    assert len(dataset) == len(expected)
    order = list(range(len(expected)))
    random.Random(5).shuffle(order)
    for index in order:
        item, moment = dataset[index], expected[index]
        assert (int(item["index"]), item["task"]) == (index, moment.task)
        assert int(item["frame_index"]) == moment.frame
        assert item["timestamp"] == np.float32(moment.frame / dataset.fps)
        for name in ("observation.state", "action"):
            recorded = value(name, moment.episode, moment.frame, seed=moment.seed)
            assert np.array_equal(item[name].numpy(), recorded)
        for number, key in enumerate(dataset.meta.video_keys + dataset.meta.image_keys):
            assert mark_of(item[key]) == (*moment[:3], number)


def mark_of(image: Any) -> Barcode:
    """The bar code in LeRobot's tensor: bytes out of videos, 0 to 1 out of image columns."""
    pixels = image.numpy().transpose(1, 2, 0)
    return read_barcode(pixels if pixels.dtype == np.uint8 else pixels * 255)


def pictures(path: Path, backend: str) -> Iterator[np.ndarray]:
    """Every picture of a file from its first to its last, by the decoder that LeRobot would use."""
    if backend == "pyav":
        with av.open(str(path)) as file:
            for frame in file.decode(video=0):
                yield frame.to_ndarray(format="rgb24").transpose(2, 0, 1)
    else:
        from torchcodec.decoders import VideoDecoder

        for frame in VideoDecoder(str(path), seek_mode="exact"):
            yield frame.numpy()


# Features of every kind ------------------------------------------------------------------------


def picture(ending: str, size: tuple[int, int] = (6, 4)) -> Kind:
    from PIL import Image

    mode, form = {"png": ("RGB", "PNG"), "jpg": ("RGB", "JPEG"), "tiff": ("I;16", "TIFF")}[ending]

    def cells(rng: np.random.Generator, n: int) -> pa.Array:
        files = []
        for number in range(n):
            file = io.BytesIO()
            Image.new(mode, size, int(rng.integers(0, 255))).save(file, form)
            files.append({"bytes": file.getvalue(), "path": f"frame-{number:06d}.{ending}"})
        return pa.array(files, typed.IMAGE)

    width, height = size
    info = {"is_depth_map": True, "depth_unit": "mm"} if ending == "tiff" else None
    return Kind("image", (height, width, 1 if ending == "tiff" else 3), cells, info)


def kinds_of(dtypes: tuple[str, ...]) -> dict[str, Kind]:
    kinds = {f"scalar.{dtype}": typed.scalar(dtype, typed.calm) for dtype in dtypes}
    kinds |= {f"vector.{dtype}": typed.vector(dtype, 3, fixed=True, draw=typed.calm) for dtype in dtypes}
    for shape in SHAPES:
        for dtype in ("float32", "int64", "bool"):
            name = f"array{len(shape)}.{dtype}"
            kinds[name] = typed.array(dtype, shape, extension=True, draw=typed.calm)
    return kinds | {
        "text": typed.text(),
        "nothing": typed.nulls("string", (1,), pa.string()),
        "observation.images.png": picture("png"),
        "observation.images.jpg": picture("jpg"),
        "observation.images.depth": picture("tiff"),
    }
