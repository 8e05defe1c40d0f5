"""Videos that run at another rate than the dataset, with as many frames as rows."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from broken.damage import CAMERA, VIDEO
from broken.pointers import pointers
from broken.videos import encoded
from support.effort import few
from support.independent import read

import lecompose

Make = Callable[..., Path]
SETTINGS: dict[str, Any] = {
    "codec": "h264",
    "gop": 1,
    "fps": 10,
    "cameras": ("front",),
    "frames": (40, 50, 30),
    "frames_per_video_file": 90,
}
SCALE = 90_000


def slow_down(path: Path, fps: Fraction) -> None:
    """The same packets, at another rate than 10."""
    out = path.with_suffix(".new.mp4")
    with av.open(str(path)) as source, av.open(str(out), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in (p for p in source.demux(video=0) if p.size):
            assert packet.pts is not None
            assert packet.time_base is not None
            ticks = round(packet.pts * packet.time_base * 10 / fps * SCALE)
            packet.stream, packet.time_base = stream, Fraction(1, SCALE)
            packet.pts = packet.dts = ticks
            packet.duration = round(SCALE / fps)
            target.mux(packet)
    out.replace(path)


def made(make_dataset: Make, version: str) -> tuple[Path, list[list[str]]]:
    root = make_dataset(version=version, **SETTINGS)
    pictures = [episode.pictures(CAMERA) for episode in read(root).episodes]
    for path in root.glob(VIDEO):
        slow_down(path, Fraction("9.75"))
    if version == "v3.0":  # as a recorder that measures its files
        longer = 10 / 9.75
        times = ("from_timestamp", "to_timestamp")
        pointers(lambda _, held: held | {name: held[name] * longer for name in times})(root)
    return root, pictures


@pytest.mark.parametrize("version", few(("v3.0", "v2.1"), kept=lambda n: n == 0))
def test_frames_are_matched_by_number(version: str, make_dataset: Make, tmp_path: Path) -> None:
    root, pictures = made(make_dataset, version)
    with pytest.raises(lecompose.MediaError, match=r"skip-broken, which matches(.|\n)*9\.750 fps"):
        lecompose.merge(root, out=tmp_path / "merged")
    reports = [
        lecompose.repair(root, out=tmp_path / "0"),
        lecompose.edit_info(root, out=tmp_path / "1", retime=10),
        lecompose.edit_info(root, out=tmp_path / "2", retime=9.75),
        lecompose.delete(root, out=tmp_path / "3", episodes=[0], skip_broken=True),
    ]
    for n, report in enumerate(reports):
        out = tmp_path / str(n)
        assert [e.pictures(CAMERA) for e in read(out).episodes] == pictures[1 if n == 3 else 0 :]
        assert any("matched by number" in note and CAMERA in note for note in report.notes)
        assert not [finding for finding in lecompose.check(out) if finding.severity == "error"]


def test_other_numbers_of_frames_are_refused(make_dataset: Make, tmp_path: Path) -> None:
    root, _ = made(make_dataset, "v2.1")
    sorted(root.glob(VIDEO))[-1].write_bytes(encoded(29, fps=9))
    with pytest.raises(lecompose.MediaError, match=r"9\.000 fps"):
        lecompose.edit_info(root, out=tmp_path / "out", retime=10)
    report = lecompose.repair(root, out=tmp_path / "saved")
    assert [dropped.episode for dropped in report.dropped] == [2]
