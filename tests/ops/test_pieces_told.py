"""Pieces: nothing is left out, doubled or moved in silence, and messages help."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ops.test_pieces import SMALL
from support.independent import read

import lecompose
from lecompose.errors import QueryError, RequestError

Record = Callable[..., Path]
PLAIN: dict[str, Any] = {**SMALL, "cameras": ()}


@pytest.fixture(scope="session")
def plain(recorded: Record) -> Path:
    return recorded(**PLAIN, seed=5)


def plan_of(report: lecompose.Report) -> list[tuple[int, int, int]]:
    assert report.plan is not None
    rows = report.plan.to_pylist()
    return [(row["src_episode"], row["from_frame"], row["to_frame"]) for row in rows]


def told(call: Callable[..., Any], *arguments: Any, **request: Any) -> str:
    return "\n".join(call(*arguments, out="nowhere/out", dry_run=True, **request).notes)


def test_a_null_start_is_told(plain: Path) -> None:
    recipe = """select src_dataset, src_episode, if(src_episode = 1, null, 2) as from_frame, null as to_frame
                from episodes"""
    notes = told(lecompose.compose, recipe, plain)
    assert "from_frame is null: 1 piece begins with its episode" in notes
    assert "to_frame is null: 3 pieces end with their episode" in notes


def test_frames_that_are_left_out_or_doubled_are_told(plain: Path) -> None:
    notes = told(lecompose.cut, plain, frames={0: "0:3,5:8,7:12", 2: "0:15"})
    assert "episode 0: frames 3:5 are in no piece" in notes
    assert "episode 0: frames 7:8 are in several pieces" in notes
    assert "episode 2" not in notes
    assert told(lecompose.cut, plain, frames={0: "0:3,3:12"}) == ""


def test_frames_of_sources_with_two_rates_are_told(plain: Path, recorded: Record) -> None:
    sources = {"a": plain, "b": recorded(**PLAIN, fps=15, seed=6)}
    notes = told(lecompose.trim, sources, head=3, fps=15)
    assert '--head 3 is of frames: 0.1 s of "a", 0.2 s of "b"' in notes
    assert "is of frames" not in told(lecompose.trim, sources, head="0.2s", fps=15)
    assert "is of frames" in told(lecompose.cut, sources, every=4, fps=15)


@pytest.mark.parametrize(
    ("how", "right", "says"),
    [
        (
            {"every": 3},
            [(0, 0, 8), (0, 8, 12), (1, 0, 8), (1, 8, 9), (2, 0, 8), (2, 8, 15)],
            "6 pieces are one",
        ),
        ({"every": 8}, [(0, 0, 8), (0, 8, 12), (1, 0, 8), (1, 8, 9), (2, 0, 8), (2, 8, 15)], ""),
        (
            {"every": 7},
            [(0, 0, 8), (0, 8, 12), (1, 0, 8), (1, 8, 9), (2, 0, 8), (2, 8, 15)],
            "3 starts moved",
        ),
    ],
)
def test_snapped_pieces_are_the_episode_once(
    how: dict[str, Any], right: list[tuple[int, int, int]], says: str, recorded: Record
) -> None:
    root = recorded(**SMALL | {"gop": 8, "codec": "libsvtav1"}, seed=6)
    report = lecompose.cut(root, out="nowhere/out", dry_run=True, snap="keyframe", **how)
    assert (plan_of(report), report.reencoded) == (right, ())
    assert says in "\n".join(report.notes)


def test_a_snapped_start_stays_behind_the_piece_before(recorded: Record, tmp_path: Path) -> None:
    root = recorded(**SMALL | {"gop": 8, "codec": "libsvtav1"}, task_of=lambda e, f: f"task {f // 8}", seed=6)
    where = "frame_index in (2, 6)"
    report = lecompose.drop_frames(root, out=tmp_path / "out", where=where, snap="keyframe")
    made = read(tmp_path / "out")
    assert [len(e) for e in made.episodes] == [2, 3, 4, 2, 3, 1, 2, 3, 7]
    assert [clip.episode for clip in report.reencoded] == [1, 4, 7]
    assert [set(e.listed) for e in made.episodes][:3] == [{"task 0"}, {"task 0"}, {"task 1"}]


def test_neighbours_see_the_whole_episode(plain: Path) -> None:
    with lecompose.open(plain) as day:
        assert_whole_episodes(lambda sql: day.query(sql).column(0).to_pylist())
    made = lecompose.filter(
        plain, out="nowhere/out", dry_run=True, where_frames="max(frame_index - lag_frame_index) = 1"
    )
    assert made.episodes == 3


def assert_whole_episodes(ask: Callable[[str], list[Any]]) -> None:
    where = "from frames where src_episode = 1 and frame_index in (0, 4)"
    assert ask(f"select lag(frame_index) {where} order by frame_index") == [0, 3]
    assert ask(f"select lag_frame_index {where} order by frame_index") == [0, 3]
    speeds = ask(
        "select s from (select *, speed(action) as s from frames) where src_episode = 1 order by frame_index"
    )
    assert ask(f"select speed(action) {where} order by frame_index") == [speeds[0], speeds[4]]
    assert ask("select frame_index from frames where src_episode = 1 and lag_frame_index = 6") == [7]
    within = "lag(frame_index) over (partition by src_episode order by frame_index)"
    assert ask(f"select {within} {where} order by frame_index") == [None, 0]  # as it is written out


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda d, o: lecompose.edit_episodes(d, out=o, remove="length"), "LeRobot's own"),
        (lambda d, o: lecompose.edit_episodes(d, out=o, remove="nothing"), "there are none"),
        (lambda d, o: lecompose.trim(d, out=o, margin="0.2s"), "--where-frames with one"),
        (lambda d, o: lecompose.query(d, "select speed(action)[1] from frames"), r"speed\(\[action"),
        (lambda d, o: lecompose.query(d, "select norm(speed(action)) from frames"), "without norm"),
        (
            lambda d, o: lecompose.compose("select *, 5.7 as from_frame from episodes", d, out=o),
            r"returns 5\.7 as from_frame; a whole number",
        ),
        (
            lambda d, o: lecompose.compose("select src_dataset, 'x' as src_episode from episodes", d, out=o),
            "returns x as src_episode; a whole number",
        ),
    ],
)
def test_messages(call: Any, says: str, plain: Path, tmp_path: Path) -> None:
    with pytest.raises((RequestError, QueryError), match=says) as error:
        call(plain, tmp_path / "out")
    assert "int64" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_with_an_order_is_run_once(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lecompose.engine.sandbox import Sandbox

    asked: list[str] = []
    ask = Sandbox.ask
    monkeypatch.setattr(Sandbox, "ask", lambda self, sql: (asked.append(sql), ask(self, sql))[1])
    lecompose.compose(
        "select src_dataset, src_episode from episodes order by length",
        plain,
        out="nowhere/out",
        dry_run=True,
    )
    assert len(asked) == 1


def test_trimmed_of_nothing_is_a_copy(recorded: Record, tmp_path: Path) -> None:
    day = recorded(**SMALL, seed=5)
    lecompose.trim(day, out=tmp_path / "trimmed", where_frames="true")
    lecompose.merge(day, out=tmp_path / "merged")
    files = {p.relative_to(tmp_path / "merged") for p in (tmp_path / "merged").rglob("*") if p.is_file()}
    assert files == {
        p.relative_to(tmp_path / "trimmed") for p in (tmp_path / "trimmed").rglob("*") if p.is_file()
    }
    for file in files - {Path("meta/lineage.parquet")}:  # which holds the command
        assert (tmp_path / "trimmed" / file).read_bytes() == (tmp_path / "merged" / file).read_bytes(), file


def test_cut_and_merged_is_the_original(plain: Path, tmp_path: Path) -> None:
    lecompose.cut(plain, out=tmp_path / "cut", every=4)
    lecompose.merge(tmp_path / "cut", out=tmp_path / "merged")
    made, source = read(tmp_path / "merged"), read(plain)
    for name in ("observation.state", "action"):
        rows = [row for e in made.episodes for row in e.rows[name].to_pylist()]
        assert rows == [row for e in source.episodes for row in e.rows[name].to_pylist()]
