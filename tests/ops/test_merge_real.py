"""Two real recordings (v2.1, HEVC from a camera's own encoder), where they are at hand."""

from pathlib import Path

import pytest
from independent import assert_merged, decoded, packet_bytes, read

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


def test_every_picture_of_two_episodes_and_the_place_of_all(parts: list[Path], out: Path) -> None:
    """Decoding all 3,130 frames twice takes a minute; the two episodes beside the seam are told apart."""
    made = read(out)
    given = [episode for root in parts for episode in read(root).episodes]
    (camera,) = made.cameras
    (video,) = {episode.clips[camera][0] for episode in made.episodes}
    first = 0
    for ours, theirs in zip(made.episodes, given, strict=True):
        assert ours.clips[camera] == (video, first)
        assert theirs.clips[camera][1] == 0
        first += len(theirs)
    assert packet_bytes(video) == sum(packet_bytes(episode.clips[camera][0]) for episode in given)
    times, found, rate = decoded(video)
    assert (len(times), rate) == (3130, 30)
    for n in (4, 5):
        first = made.episodes[n].clips[camera][1]
        assert found[first : first + len(given[n])] == given[n].pictures(camera)
