"""Two real recordings (v2.1, HEVC from a camera's own encoder), where they are at hand."""

from fractions import Fraction
from hashlib import blake2b
from pathlib import Path

import av
import pytest
from support.effort import thorough
from support.independent import assert_merged, packet_bytes, packets, read

import lecompose


@pytest.fixture(scope="module")
def parts(real: Path) -> list[Path]:
    return [real / "g1_pick_a", real / "g1_pick_b"]


@pytest.fixture(scope="module")
def out(parts: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The merge, made where FFmpeg cannot be opened."""

    def forbidden(*_args: object, **_settings: object) -> None:
        raise AssertionError("0 frames are decoded: no file is opened with FFmpeg")

    folder = tmp_path_factory.mktemp("real") / "g1"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("av.open", forbidden)
        patch.setattr("av.CodecContext.create", forbidden)
        report = lecompose.merge(parts, out=folder)
    assert (report.episodes, report.frames, report.frames_decoded) == (9, 3130, 0)
    assert report.bytes_copied + report.bytes_remuxed == sum(
        packet_bytes(path) for root in parts for path in root.rglob("*.mp4")
    )
    return folder


def test_every_row_pointer_and_statistic(parts: list[Path], out: Path) -> None:
    made = assert_merged(out, parts, robot_type="Unitree_G1_Inspire", pictures=False)
    assert len(made.tasks) == 1
    assert lecompose.check(out) == []


def test_every_packet_and_the_place_of_all(parts: list[Path], out: Path) -> None:
    made = read(out)
    given = [episode for root in parts for episode in read(root).episodes]
    (camera,) = made.cameras
    (video,) = {episode.clips[camera][0] for episode in made.episodes}
    first = 0
    for ours, theirs in zip(made.episodes, given, strict=True):
        assert ours.clips[camera] == (video, first)
        assert theirs.clips[camera][1] == 0
        assert ours.pictures(camera, undecoded=True) == theirs.pictures(camera, undecoded=True)
        first += len(theirs)
    times, _, rate = packets(video)
    assert (len(times), rate) == (3130, 30)
    assert packet_bytes(video) == sum(packet_bytes(episode.clips[camera][0]) for episode in given)


@pytest.mark.parametrize("count", [8, pytest.param(267, marks=thorough)])
def test_pictures_beside_the_seam(count: int, parts: list[Path], out: Path) -> None:
    """The two episodes are told apart: the last pictures of one recording, the first of the other."""
    made = read(out)
    (camera,) = made.cameras
    last, first = read(parts[0]).episodes[-1], read(parts[1]).episodes[0]
    video, seam = made.episodes[5].clips[camera]
    ours = shown(video, seam - count, 2 * count)
    theirs = [
        *shown(last.clips[camera][0], len(last) - count, count),
        *shown(first.clips[camera][0], 0, count),
    ]
    assert ours == theirs
    assert ours[:count] != ours[count:]


def shown(video: Path, first: int, count: int) -> list[str]:
    """Digests of so many decoded pictures, from the keyframe before the first of them on."""
    with av.open(str(video)) as file:
        stream = file.streams.video[0]
        assert stream.time_base is not None
        file.seek(int(Fraction(first, 30) / stream.time_base), stream=stream)
        found = {}
        for frame in file.decode(stream):
            assert frame.pts is not None
            number = round(frame.pts * stream.time_base * 30)
            found[number] = blake2b(frame.to_ndarray().tobytes()).hexdigest()
            if number >= first + count - 1:
                break
        return [found[n] for n in range(first, first + count)]
