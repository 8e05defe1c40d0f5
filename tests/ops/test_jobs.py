"""A job in a file, carried out alone in another process, twice: the bytes are those of the run."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import typed
from support.effort import every_nth
from support.typed import Kind

import lecompose
from lecompose.composition import execute
from lecompose.composition.jobs import DataFileJob, VideoFileJob, decode_job, encode_job
from lecompose.errors import RequestError

Record = Callable[..., Path]
CHILD = Path(__file__).parents[1] / "support" / "carry_out_twice.py"
SMALL: dict[str, Any] = {
    "codec": "h264",
    "size": (64, 48),
    "frames": (6, 5, 7),
    "state_dim": 2,
    "action_dim": 2,
}


class Jobs:
    """The jobs of a run by their files, each carried out alone and compared while the run goes on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data: list[DataFileJob] = []
        self.video: list[VideoFileJob] = []

    def carry_out(self, run: Any) -> None:
        self.data += run.layout.data_jobs
        self.video += run.layout.video_jobs
        self.folder.mkdir()
        for n, job in enumerate((*self.data, *self.video, *run.layout.encode_jobs.values())):
            text = encode_job(job)
            assert decode_job(text) == job
            (self.folder / f"{n}.json").write_text(text)
        subprocess.run([sys.executable, str(CHILD), str(self.folder)], check=True, timeout=300)
        for n, job in enumerate((*self.data, *self.video)):
            ordinary = (run.folders[job.out_dataset] / job.path).read_bytes()
            for time in ("1", "2"):
                made = self.folder / str(n) / time
                assert [p.relative_to(made).as_posix() for p in made.rglob("*") if p.is_file()] == [job.path]
                assert (made / job.path).read_bytes() == ordinary, f"{job.path}, time {time}"


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """The jobs of the run that the test begins."""
    jobs = Jobs(tmp_path / "jobs")
    stages = (*execute.STAGES[:2], ("jobs", jobs.carry_out), *execute.STAGES[2:])
    monkeypatch.setattr(execute, "STAGES", stages)
    return jobs


def test_row_groups_copied_and_videos_remuxed(jobs: Jobs, recorded: Record, tmp_path: Path) -> None:
    def task_of(episode: int, frame: int) -> str:
        return ("reach", "grasp")[frame % 2] if episode == 1 else "reach"

    a, b = recorded(**SMALL), recorded(**SMALL, seed=1, version="v2.1", task_of=task_of)
    report = lecompose.merge([a, b], out=tmp_path / "out", data_mb=0.001, rename={"action": "act"})
    assert report.bytes_spliced
    assert report.bytes_remuxed
    assert (len(jobs.data) > 1, len(jobs.video)) == (True, 2)


def test_whole_videos_copied(
    jobs: Jobs, recorded: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    with monkeypatch.context() as ordinary:
        ordinary.setattr(execute, "STAGES", [stage for stage in execute.STAGES if stage[0] != "jobs"])
        lecompose.merge(recorded(**SMALL, image_features=("top",)), out=source, video_mb=0.001)
    report = lecompose.delete(source, episodes="1", out=tmp_path / "out", video_mb=0.001)
    assert report.bytes_copied
    assert report.bytes_spliced


def test_clips_cut(jobs: Jobs, recorded: Record, tmp_path: Path) -> None:
    report = lecompose.delete(recorded(**SMALL), episodes="1", out=tmp_path / "out")
    assert (report.bytes_copied, report.reencoded) == (0, ())
    assert [len(job.clips) for job in jobs.video] == [2, 2]


def test_clips_encoded_and_frames_left_out(jobs: Jobs, recorded: Record, tmp_path: Path) -> None:
    a, b = recorded(**SMALL, fps=30), recorded(**SMALL, fps=10, seed=1)
    report = lecompose.merge([a, b], out=tmp_path / "out", fps=10)
    assert report.reencoded
    assert report.bytes_spliced == 0
    assert [clip.encode is not None for job in jobs.video for clip in job.clips].count(True) == 6


def test_a_video_that_the_tables_cannot_describe(jobs: Jobs, make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(**SMALL, cameras=("front",))
    (path,) = root.glob("videos/*/*/*.mp4")
    fragment(path)
    report = lecompose.merge(root, out=tmp_path / "out")
    assert any("remuxed first" in note for note in report.notes)


def fragment(path: Path) -> None:
    """Write a video again as a fragmented mp4."""
    new = path.with_suffix(".new.mp4")
    with (
        av.open(str(path)) as source,
        av.open(str(new), "w", options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    new.replace(path)


@every_nth(2)
@pytest.mark.parametrize(
    "settings",
    [
        {"row_groups": "packed", "cast": {"action": "float64"}},
        {"rewrite_data": True, "rename": {"action": "act"}, "remove": ["observation.state"]},
        {"features": "union", "fill": "zero", "rewrite_data": True},
    ],
    ids=str,
)
def test_rows_decoded(settings: dict[str, Any], jobs: Jobs, recorded: Record, tmp_path: Path) -> None:
    small = SMALL | {"cameras": ()}
    a = recorded(**small, fps=10)
    extra = {"extra": ("float32", (2,), lambda episode, frame: (episode, frame))}
    b = recorded(**small, fps=10, seed=1, extra_features=extra if "features" in settings else None)
    report = lecompose.merge([a, b], out=tmp_path / "out", **settings)
    assert report.bytes_spliced == 0


def test_rows_that_lie_scattered(jobs: Jobs, recorded: Record, tmp_path: Path) -> None:
    root = recorded(
        cameras=(), image_features=("top",), size=(32, 24), frames=(2,) * 20, state_dim=1, action_dim=1
    )
    lecompose.sort(root, by="src_episode % 7, src_episode", out=tmp_path / "out", rewrite_data=True)
    assert len(jobs.data[0].episodes) == 20


def test_features_computed(jobs: Jobs, recorded: Record, tmp_path: Path) -> None:
    add = {"speed:float32[2]": "action", "late": "frame_index > 2"}
    lecompose.edit_features(recorded(**SMALL | {"cameras": ()}), out=tmp_path / "out", add=add)
    assert [column.name for column in jobs.data[0].computed] == ["speed", "late"]


def test_subtasks_numbered(jobs: Jobs, tmp_path: Path) -> None:
    roots = [tmp_path / "a", tmp_path / "b"]
    for root, texts in zip(roots, (["reach", "grasp"], ["lift", "reach"]), strict=True):
        kind = Kind("int64", (1,), lambda _, n: pa.array([k % 2 for k in range(n)], pa.int64()))
        typed.write(root, {"subtask_index": kind}, lengths=[3, 3])
        pq.write_table(pa.table({"subtask_index": [0, 1], "subtask": texts}), root / "meta/subtasks.parquet")
    lecompose.merge(roots, out=tmp_path / "out")
    assert jobs.data[0].subtask_numbers is not None


def test_a_text_that_is_no_job() -> None:
    with pytest.raises(RequestError, match="the job cannot be read"):
        decode_job("{")
    with pytest.raises(RequestError, match="no job of version 1"):
        decode_job('{"lecompose job": 99}')
