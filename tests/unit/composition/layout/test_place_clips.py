"""Where clips land: files, runs of source frames that are cut out as one, and each episode's own frames."""

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

from lecompose.composition.layout.copy_or_encode import OrderedClip
from lecompose.composition.layout.place_clips import PlacedClip, place_clips
from lecompose.formats import Limits


def clip(episode: int, file: str, span: tuple[int, int], **facts: Any) -> OrderedClip:
    usual = {
        "out_dataset": "out", "camera": "front", "frames": span[1] - span[0], "size_bytes": 10,
        "copy_from": span[0], "in_front": False, "joins": False, "continues": False, "must_break": False,
        "item": episode,
    }  # fmt: skip
    return OrderedClip(
        out_episode=episode, video_file=file, from_frame=span[0], to_frame=span[1], **usual | facts
    )


def spec(**limits: Any) -> Any:
    return SimpleNamespace(limits=Limits(**limits), fps=Fraction(10))


def test_clips_that_continue_are_one_run_and_files_break_where_they_must() -> None:
    ordered = [
        clip(0, "/a", (4, 9)),
        clip(1, "/a", (9, 12), continues=True),
        clip(2, "/b", (0, 2)),
        clip(3, "/c", (0, 4), must_break=True),
        clip(0, "/w", (0, 3), camera="wrist"),
    ]
    placed = place_clips(spec(chunk_files=1), ordered, {})
    assert [(job.camera, job.path, job.episodes, job.frames, job.size_bytes) for job in placed.jobs] == [
        ("front", "videos/front/chunk-000/file-000.mp4", 3, 10, 30),
        ("front", "videos/front/chunk-001/file-000.mp4", 1, 4, 10),
        ("wrist", "videos/wrist/chunk-000/file-000.mp4", 1, 3, 10),
    ]
    first = placed.jobs[0].clips
    assert [(c.span, c.from_frame, c.frames, c.episodes) for c in first] == [
        (("/a", 4, 12, False), 0, 8, 2),
        (("/b", 0, 2, False), 8, 2, 1),
    ]
    assert placed.of_cameras["out", "front"] == (
        PlacedClip(0, 0, 0, 5),
        PlacedClip(0, 0, 5, 8),
        PlacedClip(0, 0, 8, 10),
        PlacedClip(1, 0, 0, 4),
    )


def test_a_run_is_cut_where_a_file_is_full_but_no_item_is() -> None:
    ordered = [
        clip(0, "/a", (0, 60)),
        clip(1, "/a", (60, 90), continues=True),
        clip(2, "/a", (90, 120), continues=True, item=1),
    ]
    placed = place_clips(spec(video_s=9), ordered, {})
    assert [[c.span[:3] for c in job.clips] for job in placed.jobs] == [[("/a", 0, 60)], [("/a", 60, 120)]]


def test_first_frames_that_are_encoded_come_by_themselves() -> None:
    ordered = [
        clip(0, "/a", (4, 7), copy_from=7, in_front=True),
        clip(1, "/a", (7, 20), copy_from=9, in_front=True, size_bytes=130),
        clip(2, "/a", (20, 25), continues=True, item=1),
    ]
    encode: Any = {("/a", 4, 7, True): job(True), ("/a", 7, 9, True): job(True)}
    placed = place_clips(spec(), ordered, encode)
    (file,) = placed.jobs
    assert [(c.span, c.from_frame, c.frames, c.episodes, c.size_bytes) for c in file.clips] == [
        (("/a", 4, 7, True), 0, 3, 1, 10),
        (("/a", 7, 9, True), 3, 2, 1, 20),
        (("/a", 9, 25, False), 5, 16, 1, 120),
    ]
    assert (file.frames, file.episodes, file.size_bytes) == (21, 3, 150)
    assert placed.of_cameras["out", "front"] == (
        PlacedClip(0, 0, 0, 3),
        PlacedClip(0, 0, 3, 16),
        PlacedClip(0, 0, 16, 21),
    )


def job(in_front: bool) -> Any:
    return SimpleNamespace(encoding=SimpleNamespace(in_front=in_front))


def test_pieces_of_an_episode_are_one_clip() -> None:
    ordered = [
        clip(0, "/a", (4, 9), copy_from=6, in_front=True),
        clip(0, "/a", (12, 15), joins=True, item=0),
        clip(1, "/a", (15, 20), continues=True),
    ]
    encode = {("/a", 4, 6, True): SimpleNamespace()}
    placed = place_clips(spec(), ordered, encode)  # type: ignore[arg-type]
    assert placed.of_cameras["out", "front"] == (PlacedClip(0, 0, 0, 8), PlacedClip(0, 0, 8, 13))
    (job,) = placed.jobs
    assert [(c.src_from_frame, c.src_to_frame, c.from_frame, c.episodes) for c in job.clips] == [
        (4, 6, 0, 1),
        (6, 9, 2, 0),
        (12, 20, 5, 1),
    ]
