"""What `concat` writes is decoded by FFmpeg and compared with the sources, plane by plane."""

import errno
import os
import pickle
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.files.mp4.test_clips import CLOSED, FPS, OPEN, RECIPES, clip, decoded, encode, packets, pixels

from lecompose.errors import MediaError, OutputUnwritable
from lecompose.files.mp4 import (
    Segment,
    Video,
    WrittenVideo,
    concat,
    may_link,
    measure_grid_deviation_s,
    probe,
    probe_clip,
    probe_truncated,
)
from lecompose.files.mp4.write_sample_tables import Movie, build_head, choose_time_scale

TICK = 512
RATE = Fraction(FPS)


def whole(video: Video) -> Segment:
    return Segment(video, 0, video.frames)


def check(segments: list[Segment], out: Path, written: WrittenVideo) -> None:
    """Each segment's frames stand where `starts` says, with the source's planes, on the exact grid."""
    found = decoded(out)
    assert [pts for _, pts in found] == [TICK * number for number in range(written.frames)]
    assert out.stat().st_size == written.size_bytes
    for segment, start in zip(segments, written.starts, strict=True):
        low, high = segment.from_frame, segment.to_frame
        got = tuple(planes for planes, _ in found[start : start + high - low])
        assert got == pixels(segment.video.path)[low:high]
    again = probe(out)
    assert again.frames == written.frames
    assert measure_grid_deviation_s(again, RATE) == 0.0
    assert again.warnings == ()


@pytest.mark.parametrize("recipe", CLOSED)
def test_whole_clips_in_a_row(recipe: str, tmp_path: Path) -> None:
    segments = [whole(probe(clip(recipe, frames, seed))) for seed, frames in enumerate((25, 7, 3, 18))]
    out = tmp_path / "out.mp4"

    written = concat(segments, out, fps=RATE)

    assert written.starts == (0, 25, 32, 35)
    assert written.frames == 53
    check(segments, out, written)


@pytest.mark.parametrize("recipe", [*CLOSED, *OPEN])
def test_a_cut_starts_a_file(recipe: str, tmp_path: Path) -> None:
    video = probe(clip(recipe))
    for low, high in ((0, 1), (3, 4), (5, 11), (11, 25), (24, 25), (1, 24)):
        segments = [Segment(video, low, high)]
        out = tmp_path / f"{low}.mp4"
        written = concat(segments, out, fps=RATE)
        found = probe_clip(video, low, high)
        assert written.frames == found.preroll + high - low + found.postroll
        check(segments, out, written)


@pytest.mark.parametrize("recipe", [*CLOSED, *OPEN])
def test_of_a_cut_file_the_frames_in_front_are_whole(recipe: str, tmp_path: Path) -> None:
    front, out, bad = (tmp_path / name for name in ("front.mp4", "out.mp4", "cut.mp4"))
    concat([whole(probe(clip(recipe)))], front, fps=RATE)  # with its tables in front
    content, recorded = front.read_bytes(), pixels(front)
    media = content.index(b"mdat") + 4
    found = []
    for share in (0.7, 0.8, 0.9, 0.99):
        bad.write_bytes(content[: media + int(share * (len(content) - media))])
        video = probe_truncated(bad)
        found.append(video.frames)
        concat([whole(video)], out, fps=RATE)
        assert tuple(planes for planes, _ in decoded(out)) == recorded[: video.frames]
    assert found == sorted(found)
    assert found[-1] >= len(recorded) - 8  # some frames are decoded long before they are shown
    bad.write_bytes(content[: media - 20])
    with pytest.raises(MediaError):
        probe_truncated(bad)


POOL = [(recipe, frames, seed) for recipe in CLOSED for frames, seed in ((25, 0), (18, 3))]
POOL += [(recipe, 25, 0) for recipe in (*OPEN, "h264-late", "h264-crf40", "h264-inband", "h264-crf40-inband")]


@st.composite
def plans(draw: st.DrawFn) -> list[tuple[tuple[str, int, int], int, int]]:
    picks = []
    for _ in range(draw(st.integers(1, 7))):
        chosen = draw(st.sampled_from(POOL))
        low = draw(st.integers(0, chosen[1] - 1))
        picks.append((chosen, low, draw(st.integers(low + 1, chosen[1]))))
    return draw(st.permutations(sorted(picks)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=plans())
def test_any_plan_is_frame_exact(plan: list[tuple[tuple[str, int, int], int, int]], tmp_path: Path) -> None:
    segments = [Segment(probe(clip(*chosen)), low, high) for chosen, low, high in plan]
    for number, together in enumerate(planned(segments)):
        out = tmp_path / f"{number}.mp4"
        check(together, out, concat(together, out, fps=RATE))


def planned(segments: list[Segment]) -> list[list[Segment]]:
    """Files as a planner would lay them out: one for each splice key, and for each open start."""
    files: list[list[Segment]] = []
    facts = [
        (segment, probe_clip(segment.video, segment.from_frame, segment.to_frame)) for segment in segments
    ]
    facts.sort(key=lambda fact: fact[1].compat_key)
    for _, family in groupby(facts, key=lambda fact: fact[1].compat_key):
        for number, (segment, found) in enumerate(family):
            if number == 0 or not found.closed_gop:
                files.append([])
            files[-1].append(segment)
    return files


@pytest.mark.parametrize("recipe", ["av1", "h264-b", "hevc"])
def test_three_hundred_concatenations_do_not_drift(recipe: str, tmp_path: Path) -> None:
    video = probe(clip(recipe, 7, 1))
    out = tmp_path / "out.mp4"

    written = concat([whole(video)] * 300, out, fps=RATE)

    assert written.starts == tuple(range(0, 2100, 7))
    assert sorted(pts for pts, _, _ in packets(out)) == [TICK * number for number in range(2100)]
    assert measure_grid_deviation_s(probe(out), RATE) == 0.0


@pytest.mark.parametrize("recipe", ["av1", "h264-b", "hevc"])
def test_no_frame_is_shown_before_it_is_decoded(recipe: str, tmp_path: Path) -> None:
    segments = [whole(probe(clip(recipe, 7, 1))), Segment(probe(clip(recipe)), 3, 20)]
    concat(segments, tmp_path / "out.mp4", fps=RATE)

    found = packets(tmp_path / "out.mp4")
    steps = [dts for _, dts, _ in found]
    late = max(number - pts // TICK for number, (pts, _, _) in enumerate(found))
    assert (late > 0) == (recipe != "av1")
    assert steps == [TICK * (number - late) for number in range(len(found))]
    assert all(dts <= pts for pts, dts, _ in found)


def test_concatenating_again_and_again_gives_the_same_bytes(tmp_path: Path) -> None:
    segments = [whole(probe(clip("h264-b", 25, seed))) for seed in (0, 3, 5)]
    once, half, twice = tmp_path / "once.mp4", tmp_path / "half.mp4", tmp_path / "twice.mp4"

    concat(segments, once, fps=RATE)
    concat(segments[:2], half, fps=RATE)
    concat([whole(probe(half)), segments[2]], twice, fps=RATE)

    assert once.read_bytes() == twice.read_bytes()


@pytest.mark.parametrize("fps", [1, 7, 10, 24, 29, 50, 120, Fraction(30000, 1001)])
def test_the_header_has_exactly_the_rate(fps: int | Fraction, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    concat([whole(probe(clip("h264-b")))] * 2, out, fps=Fraction(fps))

    assert probe(out).fps == fps
    assert measure_grid_deviation_s(probe(out), Fraction(fps)) == 0.0
    scale, tick = choose_time_scale(Fraction(fps))
    assert scale >= 10_000
    assert Fraction(scale, tick) == fps
    assert [pts for _, pts in decoded(out)] == [tick * number for number in range(50)]


def test_different_reorder_depths_share_a_file_but_not_their_sets(tmp_path: Path) -> None:
    plain, reordered = probe(clip("h264")), probe(clip("h264-b"))

    with pytest.raises(MediaError, match="different encodings") as caught:
        concat([whole(plain), whole(reordered)], tmp_path / "out.mp4", fps=RATE)

    assert str(plain.path) in str(caught.value)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(("one", "other"), [("av1", "h264"), ("h264", "h264-crf40"), ("vp9", "mpeg4")])
def test_encodings_do_not_mix(one: str, other: str, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="different encodings"):
        concat([whole(probe(clip(one))), whole(probe(clip(other)))], tmp_path / "out.mp4", fps=RATE)


@pytest.mark.parametrize("recipe", OPEN)
def test_an_open_start_cannot_follow(recipe: str, tmp_path: Path) -> None:
    video = probe(clip(recipe))

    with pytest.raises(MediaError, match="depends on frames before"):
        concat([whole(video), Segment(video, 10, 20)], tmp_path / "out.mp4", fps=RATE)


def test_a_whole_clean_file_is_copied_as_a_file(tmp_path: Path) -> None:
    first, second = tmp_path / "first.mp4", tmp_path / "second.mp4"
    rebuilt = concat([whole(probe(clip("h264-b")))], first, fps=RATE)
    copied = concat([whole(probe(first))], second, fps=RATE)

    assert (rebuilt.bytes_copied, copied.bytes_remuxed) == (0, 0)
    assert copied.bytes_copied == copied.size_bytes == rebuilt.size_bytes
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("options", [{"movflags": "faststart"}, {}])
def test_a_file_of_another_writer_is_copied_only_with_its_tables_first(
    options: dict[str, str], tmp_path: Path
) -> None:
    source = encode(tmp_path / "in.mp4", "h264-b", 9, options=options)
    written = concat([whole(probe(source))], tmp_path / "out.mp4", fps=RATE)

    assert (written.bytes_copied > 0) == bool(options)
    check([whole(probe(source))], tmp_path / "out.mp4", written)


def test_part_of_a_file_or_another_rate_is_rebuilt(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    concat([whole(probe(clip("av1")))], source, fps=RATE)
    video = probe(source)

    assert concat([Segment(video, 0, 24)], tmp_path / "a.mp4", fps=RATE).bytes_copied == 0
    assert concat([whole(video)], tmp_path / "b.mp4", fps=Fraction(60)).bytes_copied == 0
    assert concat([whole(video)], tmp_path / "c.mp4", fps=RATE).bytes_copied == source.stat().st_size


def test_frames_of_the_dropped_part_leave_no_bytes(tmp_path: Path) -> None:
    video = probe(clip("av1"))
    written = concat([Segment(video, 4, 8)], tmp_path / "out.mp4", fps=RATE)

    assert written.bytes_remuxed == probe_clip(video, 4, 8).size_bytes


def test_tables_come_first_and_the_file_is_readable_by_all(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    concat([whole(probe(clip("av1")))], out, fps=RATE)
    mask = os.umask(0)
    os.umask(mask)

    data = out.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert stat.S_IMODE(out.stat().st_mode) == 0o644 & ~mask


def test_progress_adds_up_to_the_file(tmp_path: Path) -> None:
    seen: list[int] = []
    written = concat([whole(probe(clip("av1")))] * 3, tmp_path / "out.mp4", fps=RATE, on_bytes=seen.append)

    assert sum(seen) == written.size_bytes
    assert len(seen) > 1


def test_an_existing_output_is_replaced_not_written_into(tmp_path: Path) -> None:
    out, twin = tmp_path / "out.mp4", tmp_path / "twin.mp4"
    out.write_bytes(b"precious")
    twin.hardlink_to(out)

    concat([whole(probe(clip("av1")))], out, fps=RATE)

    assert twin.read_bytes() == b"precious"


def test_a_source_is_never_the_output(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(clip("av1").read_bytes())

    with pytest.raises(OutputUnwritable, match="own sources"):
        concat([whole(probe(source))], source, fps=RATE)

    assert source.read_bytes() == clip("av1").read_bytes()


def refusing(code: int) -> Callable[..., int]:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.mark.parametrize("gone", [("copy_file_range",), ("copy_file_range", "sendfile")])
@pytest.mark.parametrize("code", [errno.EXDEV, errno.ENOSYS, errno.EIO])
def test_refused_system_calls_are_replaced(
    gone: tuple[str, ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = [whole(probe(clip("h264-b", 25, seed))) for seed in (0, 3)]
    concat(segments, tmp_path / "usual.mp4", fps=RATE)
    for call in gone:
        monkeypatch.setattr(os, call, refusing(code))
    concat(segments, tmp_path / "other.mp4", fps=RATE)

    assert (tmp_path / "usual.mp4").read_bytes() == (tmp_path / "other.mp4").read_bytes()


def test_a_full_disk_is_the_output_s_fault_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "copy_file_range", refusing(errno.ENOSPC))

    with pytest.raises(OutputUnwritable, match="No space left"):
        concat([whole(probe(clip("av1")))], tmp_path / "out.mp4", fps=RATE)

    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_the_output_s_fault(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritable, match="No such file"):
        concat([whole(probe(clip("av1")))], tmp_path / "none" / "out.mp4", fps=RATE)


def test_a_read_error_is_the_source_s_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = probe(clip("av1"))
    for call in ("copy_file_range", "sendfile", "preadv"):
        monkeypatch.setattr(os, call, refusing(errno.EIO))

    with pytest.raises(MediaError, match="cannot be read"):
        concat([whole(video)], tmp_path / "out.mp4", fps=RATE)


def test_a_source_that_changed_since_it_was_probed(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(clip("av1").read_bytes())
    video = probe(source)
    os.truncate(source, video.size_bytes - 1000)

    with pytest.raises(MediaError, match="changed while it was used"):
        concat([whole(video)], tmp_path / "out.mp4", fps=RATE)
    source.unlink()
    with pytest.raises(MediaError, match="cannot be opened"):
        concat([whole(video)], tmp_path / "out.mp4", fps=RATE)


def test_a_source_that_shrinks_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = probe(clip("av1"))
    for call in ("copy_file_range", "sendfile", "preadv"):
        monkeypatch.setattr(os, call, lambda *_, **__: 0)

    with pytest.raises(MediaError, match="truncated while being read"):
        concat([whole(video)], tmp_path / "out.mp4", fps=RATE)
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_write_and_no_rate(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no video segments"):
        concat([], tmp_path / "out.mp4", fps=RATE)
    with pytest.raises(ValueError, match="positive"):
        concat([whole(probe(clip("av1")))], tmp_path / "out.mp4", fps=Fraction(0))


def test_files_beyond_four_gigabytes(tmp_path: Path) -> None:
    """The tables of a file too large to write here, before a hole as long as its media."""
    entry = probe(clip("av1")).track.descriptions[0]
    sizes = np.full(50_000, 100_001)
    ranks = np.arange(50_000)
    track = probe(clip("av1")).track
    start = build_head(Movie(entry, track.matrix, track.display, RATE, sizes, ranks, ranks[::2], 0))
    out = tmp_path / "large.mp4"
    out.write_bytes(start)
    os.truncate(out, len(start) + int(sizes.sum()))

    video = probe(out)

    assert b"co64" in start
    assert video.frames == 50_000
    assert video.track.offsets()[-1] == len(start) + 49_999 * 100_001
    assert (video.track.run_starts == [0]).all()
    with av.open(str(out)) as container:
        assert container.streams.video[0].frames == 50_000


def test_threads_and_processes_may_share_a_video(tmp_path: Path) -> None:
    video = pickle.loads(pickle.dumps(probe(clip("h264-b"))))
    outs = [tmp_path / f"{number}.mp4" for number in range(16)]

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda out: concat([Segment(video, 2, 22)] * 20, out, fps=RATE), outs))

    assert video == probe(clip("h264-b"))
    assert len(set(done)) == 1
    assert len({out.read_bytes() for out in outs}) == 1


def test_every_recipe_is_used() -> None:
    """Those of `test_splice.py` are used there."""
    mine = {recipe for recipe in RECIPES if not recipe.startswith("spliced-")}
    assert {recipe for recipe, _, _ in POOL} == mine


def test_the_delay_that_an_encoder_declares_stays(tmp_path: Path) -> None:
    """x264 starts decoding a frame early even where it reorders nothing; who appends relies on it."""
    source = probe(clip("h264-late"))
    assert source.track.delay == 1
    assert source.track.rank is None
    out = tmp_path / "out.mp4"
    concat([whole(source), whole(source)], out, fps=RATE)
    assert probe(out).track.delay == 1
    assert measure_grid_deviation_s(probe(out), RATE) == 0


# Links ------------------------------------------------------------------------------------------


def test_only_what_is_as_it_should_be_is_linked(tmp_path: Path) -> None:
    video = probe(clip("av1"))
    assert may_link(video, RATE)
    assert not may_link(video, Fraction(2) * RATE)
    assert not may_link(replace(video, is_all_shown=False), RATE)
    assert not may_link(replace(video, track=replace(video.track, stalls=1)), RATE)
    written = concat([whole(video)], tmp_path / "a.mp4", fps=RATE, link=True)
    assert (written.bytes_linked, written.bytes_copied) == (video.size_bytes, 0)
    assert (tmp_path / "a.mp4").samefile(video.path)
    (tmp_path / "a.mp4").unlink()
    part = concat([Segment(video, 0, 1)], tmp_path / "b.mp4", fps=RATE, link=True)
    assert part.bytes_linked == 0
