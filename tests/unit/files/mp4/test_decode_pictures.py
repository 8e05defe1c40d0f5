"""The pictures asked for, and no others, are decoded; each is the one asked for."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from lecompose.errors import MediaError, SourceBroken
from lecompose.files import mp4

Record = Callable[..., Path]


def every(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("codec", ["h264", "hevc", "libsvtav1"])
@pytest.mark.parametrize("gop", [2, 30])
@pytest.mark.parametrize("wanted", [[0], [99], range(100), range(7, 100, 23), [3, 4, 50, 51], [15, 16]])
def test_each_is_the_one_asked_for(codec: str, gop: int, wanted: list[int], recorded: Record) -> None:
    root = recorded(frames=(60, 40), cameras=("front",), codec=codec, gop=gop, seed=2)
    (path,) = root.rglob("*.mp4")
    frames = every(path)
    found = list(mp4.decode_frames(path, mp4.read_display_times(path), list(wanted)))
    assert len(found) == len(wanted)
    for number, picture in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(picture, frames[number])


def test_what_lies_between_is_not_decoded(recorded: Record) -> None:
    root = recorded(frames=(60, 40), cameras=("front",), codec="h264", gop=2, seed=2)
    (path,) = root.rglob("*.mp4")
    decoded: list[None] = []
    list(
        mp4.decode_frames(
            path, mp4.read_display_times(path), [20, 60, 99], on_frame=lambda: decoded.append(None)
        )
    )
    assert len(decoded) <= 6


def test_frames_and_files_that_are_not_there(recorded: Record, tmp_path: Path) -> None:
    root = recorded(frames=(60, 40), cameras=("front",), codec="h264", gop=2, seed=2)
    (path,) = root.rglob("*.mp4")
    times = mp4.read_display_times(path)
    with pytest.raises(MediaError, match="has 100 frames, frame 100 is needed"):
        list(mp4.decode_frames(path, times, [5, 100]))
    with pytest.raises(SourceBroken, match="missing"):
        mp4.read_display_times(tmp_path / "none.mp4")
    broken = tmp_path / "broken.mp4"
    data = bytearray(path.read_bytes())
    data[len(data) // 4 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 4)
    broken.write_bytes(data)
    with pytest.raises(MediaError, match=r"broken\.mp4"):
        list(mp4.decode_frames(broken, times, list(range(100))))


def test_a_picture_in_memory(tmp_path: Path) -> None:
    from recorder.scene import png

    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    np.testing.assert_array_equal(mp4.decode_picture(png(image), name=tmp_path), image)
    with pytest.raises(MediaError, match="a picture in it"):
        mp4.decode_picture(b"no picture", name=tmp_path)
