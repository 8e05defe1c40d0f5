"""Pieces of episodes: trim, cut, drop-frames, and compose with from_frame and to_frame."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ops.test_rate_of_videos import made as at_another_rate
from ops.test_rates import marks
from support import typed
from support.effort import every_nth, examples, few
from support.independent import Dataset, Episode, assert_composed, assert_same_values, read
from support.typed import Kind

import lecompose
from lecompose.cli import main
from lecompose.errors import EmptyOutput, QueryError, RequestError, UnknownEpisode

Record = Callable[..., Path]
Spans = Sequence[tuple[int, int, int]]

LENGTHS = (12, 9, 15)
# Every frame is a keyframe: every piece is copied, and its pictures are equal bit for bit.
SMALL: dict[str, Any] = {
    "codec": "h264",
    "gop": 1,
    "frames": LENGTHS,
    "size": (64, 48),
    "cameras": ("front",),
    "state_dim": 2,
    "action_dim": 2,
}


def halves(episode: int, frame: int) -> str:
    return "reach" if frame < 5 or episode == 2 else "grasp"


@pytest.fixture(scope="session", params=few(("v3.0", "v2.1"), kept=lambda n: n == 0))
def day(recorded: Record, request: pytest.FixtureRequest) -> Path:
    return recorded(**SMALL, version=request.param, task_of=halves, seed=5)


def piece(episode: Episode, start: int, end: int, fps: int) -> Episode:
    """What the frames [start, end) of an episode are by themselves, by numpy."""
    rows = episode.rows.slice(start, end - start)
    if (start, end) == (0, len(episode.rows)):
        return episode
    numbers = np.arange(end - start)
    for name, values in (("frame_index", numbers), ("timestamp", (numbers / fps).astype(np.float32))):
        at = rows.column_names.index(name)
        rows = rows.set_column(at, rows.schema.field(at), pa.array(values))
    tasks = episode.tasks[start:end]
    clips = {name: (path, first + start) for name, (path, first) in episode.clips.items()}
    return replace(episode, rows=rows, tasks=tasks, listed=tuple(dict.fromkeys(tasks)), clips=clips, stats={})


def assert_pieces(out: Path, root: Path, spans: Spans) -> Dataset:
    """The output holds these pieces (episode, start, end) of a dataset, and nothing else."""

    def edited(dataset: Dataset) -> Dataset:
        fps = dataset.info["fps"]
        pieces = tuple(piece(dataset.episodes[n], start, end, fps) for n, start, end in spans)
        return replace(dataset, episodes=pieces)

    return assert_composed(out, [(root, n) for n in range(len(spans))], edited=edited)


def command(*words: object) -> Mapping[str, Any]:
    done = CliRunner().invoke(main, [*map(str, words), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_trim_takes_the_same_from_every_episode(day: Path, tmp_path: Path) -> None:
    report = lecompose.trim(day, out=tmp_path / "out", head=2, tail="0.1s")
    made = assert_pieces(tmp_path / "out", day, [(n, 2, length - 3) for n, length in enumerate(LENGTHS)])
    assert report.frames == sum(LENGTHS) - 5 * len(LENGTHS)
    assert report.bytes_encoded_video == 0
    assert made.episodes[0].rows["timestamp"][0].as_py() == 0
    plan = lecompose.trim(day, out=tmp_path / "dry", head=2, dry_run=True).plan
    assert plan is not None
    assert plan["from_frame"].to_pylist() == [2, 2, 2]
    assert plan["to_frame"].to_pylist() == list(LENGTHS)


def test_trim_by_a_condition(day: Path, tmp_path: Path) -> None:
    where = "frame_index in (4, 6) and src_episode < 2"
    report = lecompose.trim(day, out=tmp_path / "out", where_frames=where, margin=1)
    assert_pieces(tmp_path / "out", day, [(0, 3, 8), (1, 3, 8)])
    assert any("1 episode is left out, no frame passes" in note for note in report.notes)


def test_trim_knows_the_frame_before(day: Path, tmp_path: Path) -> None:
    report = lecompose.trim(day, out=tmp_path / "out", where_frames="frame_index - lag_frame_index = 1")
    assert_pieces(tmp_path / "out", day, [(n, 1, length) for n, length in enumerate(LENGTHS)])
    assert not any("neither true nor false" in note for note in report.notes)


AT = [(0, 0, 4), (0, 4, 9), (0, 9, 12), (1, 0, 4), (1, 4, 9), (2, 0, 4), (2, 4, 9), (2, 9, 15)]


@every_nth(3)
@pytest.mark.parametrize(
    ("how", "spans"),
    [
        ({"at": "frame_index in (4, 5, 9)"}, AT),
        ({"every": 7}, [(0, 0, 7), (0, 7, 12), (1, 0, 7), (1, 7, 9), (2, 0, 7), (2, 7, 14), (2, 14, 15)]),
        ({"into": 2}, [(0, 0, 6), (0, 6, 12), (1, 0, 4), (1, 4, 9), (2, 0, 7), (2, 7, 15)]),
        ({"frames": {1: "5:,0:6"}}, [(0, 0, 12), (1, 5, 9), (1, 0, 6), (2, 0, 15)]),
    ],
    ids=["at", "every", "into", "frames"],
)  # fmt: skip
def test_cut(how: dict[str, Any], spans: Spans, day: Path, tmp_path: Path) -> None:
    lecompose.cut(day, out=tmp_path / "out", **how)
    assert_pieces(tmp_path / "out", day, spans)


def test_frames_are_dropped(day: Path, tmp_path: Path) -> None:
    where = "frame_index between 3 and 5 or src_episode = 1 or frame_index = 14"
    report = lecompose.drop_frames(day, out=tmp_path / "out", where=where)
    assert_pieces(tmp_path / "out", day, [(0, 0, 3), (0, 6, 12), (2, 0, 3), (2, 6, 14)])
    assert any("1 episode is left out, every frame is dropped" in note for note in report.notes)


def test_the_command_line_says_the_same(day: Path, tmp_path: Path) -> None:
    command("trim", day, "-o", tmp_path / "t", "--head", "2", "--tail", "0.1s")
    command("cut", day, "-o", tmp_path / "c", "--frames", "0=0:5,5:", "--frames", "2=1:2")
    command("drop-frames", day, "-o", tmp_path / "d", "--where", "frame_index < 5")
    assert_pieces(tmp_path / "t", day, [(n, 2, length - 3) for n, length in enumerate(LENGTHS)])
    assert_pieces(tmp_path / "c", day, [(0, 0, 5), (0, 5, 12), (1, 0, 9), (2, 1, 2)])
    assert_pieces(tmp_path / "d", day, [(n, 5, length) for n, length in enumerate(LENGTHS)])
    rows = lecompose.query(tmp_path / "c", "select from_episode, from_frame, to_frame from lineage")
    assert [tuple(row.values()) for row in rows.to_pylist()] == [(0, 0, 5), (0, 5, 12), (1, 0, 9), (2, 1, 2)]
    (said,) = lecompose.query(tmp_path / "c", "select distinct command from lineage").to_pylist()
    assert said["command"].endswith("-o c --frames 0=0:5,5: --frames 2=1:2")


def test_compose_takes_pieces_and_whole_episodes(day: Path, tmp_path: Path) -> None:
    recipe = """select src_dataset, src_episode, if(src_episode = 1, 3, null) as from_frame,
                       if(src_episode = 2, 4, null) as to_frame from episodes order by src_episode desc"""
    lecompose.compose(recipe, day, out=tmp_path / "out")
    made = assert_pieces(tmp_path / "out", day, [(2, 0, 4), (1, 3, 9), (0, 0, 12)])
    assert made.episodes[2].stats == {**read(day).episodes[0].stats, **made.episodes[2].stats}


def test_pieces_in_order_are_the_original(day: Path, tmp_path: Path) -> None:
    lecompose.cut(day, out=tmp_path / "out", every=4)
    made, source = read(tmp_path / "out"), read(day)
    for name in ("observation.state", "action"):
        ours = pa.concat_tables([e.rows.select([name]) for e in made.episodes])
        assert ours.equals(
            pa.concat_tables([e.rows.select([name]) for e in source.episodes]).cast(ours.schema)
        )


def test_what_leans_on_frames_outside_is_encoded(recorded: Record, tmp_path: Path) -> None:
    root = recorded(**SMALL | {"gop": 30, "codec": "libsvtav1"}, seed=6)
    report = lecompose.trim(root, out=tmp_path / "out", head=3)
    assert [clip.frames > 0 and clip.psnr_db is not None and clip.psnr_db > 40 for clip in report.reencoded]
    assert all((clip.psnr_db or 0) > 40 for clip in report.reencoded)
    assert [finding.code for finding in lecompose.check(tmp_path / "out", decode=True)] == []


def test_pictures_of_pieces_are_measured(recorded: Record, tmp_path: Path) -> None:
    root = recorded(**SMALL, image_features=("top",), seed=7)
    lecompose.stats(root, out=tmp_path / "known", images=True)
    recipe = """select src_dataset, src_episode, if(src_episode = 1, 3, 0) as from_frame from episodes
                order by src_episode"""
    lecompose.compose(recipe, tmp_path / "known", out=tmp_path / "out")
    lecompose.stats(tmp_path / "out", out=tmp_path / "again", images=True)
    ours, true = read(tmp_path / "out"), read(tmp_path / "again")
    for camera in ("observation.images.front", "observation.images.top"):
        for n, (found, wanted) in enumerate(zip(ours.episodes, true.episodes, strict=True)):
            for stat in ("min", "max", "mean", "std", "count", "q50"):
                key = f"{camera}/{stat}"
                np.testing.assert_allclose(found.stats[key], wanted.stats[key], err_msg=f"{n}, {key}")
        np.testing.assert_allclose(ours.stats[camera]["mean"], true.stats[camera]["mean"], rtol=1e-3)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda d, o: lecompose.trim(d, out=o), RequestError, "nothing is to be trimmed"),
        (lambda d, o: lecompose.trim(d, out=o, head="two"), RequestError, '--head "two"'),
        (lambda d, o: lecompose.trim(d, out=o, head=1, where_frames="true"), RequestError, "either"),
        (lambda d, o: lecompose.trim(d, out=o, head=5, tail=4), EmptyOutput, "episode 1: 9 frames"),
        (lambda d, o: lecompose.trim(d, out=o, where_frames="false"), EmptyOutput, "no episode"),
        (lambda d, o: lecompose.trim(d, out=o, where_frames="frame_index"), QueryError, "true or false"),
        (lambda d, o: lecompose.trim(d, out=o, where_frames="nonsense > 1"), QueryError, "nonsense"),
        (lambda d, o: lecompose.cut(d, out=o), RequestError, "one way to cut"),
        (lambda d, o: lecompose.cut(d, out=o, every="0s"), RequestError, "one frame at least"),
        (lambda d, o: lecompose.cut(d, out=o, into=10), EmptyOutput, "episode 1: 9 frames"),
        (lambda d, o: lecompose.cut(d, out=o, frames={0: "3:3"}), UnknownEpisode, "frames 3 to 3"),
        (lambda d, o: lecompose.cut(d, out=o, frames={0: "3:13"}), UnknownEpisode, "it has 12"),
        (lambda d, o: lecompose.cut(d, out=o, frames={7: "0:1"}), UnknownEpisode, "no episode 7"),
        (lambda d, o: lecompose.drop_frames(d, out=o, where="true"), EmptyOutput, "no episode"),
        (
            lambda d, o: lecompose.compose(
                "select src_dataset, src_episode, 3 as from_fram, 1 as note from episodes", d, out=o
            ),
            QueryError,
            'did you mean "from_frame"',
        ),
    ],
)
def test_what_cannot_be(call: Any, error: type, says: str, recorded: Record, tmp_path: Path) -> None:
    with pytest.raises(error, match=says):
        call(recorded(**SMALL, task_of=halves, seed=5), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_starts_snap_to_where_videos_can_be_copied(recorded: Record, tmp_path: Path) -> None:
    root = recorded(**SMALL | {"gop": 4, "codec": "libsvtav1"}, seed=6)
    report = lecompose.trim(root, out=tmp_path / "out", head=5, snap="keyframe")
    assert (report.frames_decoded, report.reencoded) == (0, ())
    rows = lecompose.query(tmp_path / "out", "select from_frame from lineage").to_pylist()
    assert [row["from_frame"] for row in rows] == [4, 4, 4]
    assert any("3 starts moved" in note for note in report.notes)
    with pytest.raises(RequestError, match='only "keyframe"'):
        lecompose.trim(root, out=tmp_path / "no", head=5, snap="second")


def test_what_was_said_is_cut_to_the_piece(tmp_path: Path) -> None:
    def row(text: str, time_s: float, style: str = "subtask") -> dict[str, Any]:
        said = {"role": "assistant", "content": text, "style": style, "timestamp": time_s}
        return said | {"camera": None, "tool_calls": None}

    said = [row("plan", 0.0, "plan"), row("reach", 0.0), row("grasp", 0.4), row("lift", 0.8)]

    def stored(rows: int) -> pa.Array:
        return typed.stored_language("language_persistent", [said] * rows, json_type=False)

    cells = Kind("language", (1,), lambda rng, n: stored(n))
    root = typed.write(tmp_path / "said", {"language_persistent": cells}, lengths=[12])
    lecompose.cut(root, out=tmp_path / "out", frames={0: "5:9,0:12,8:10"})
    rows = lecompose.query(tmp_path / "out", "select src_episode, language_persistent as said from frames")
    found = {
        episode: [(each["content"], round(each["timestamp"] * 10)) for each in lists]
        for episode, lists in zip(rows["src_episode"].to_pylist(), rows["said"].to_pylist(), strict=True)
    }
    assert found[0] == [("plan", 0), ("grasp", 0), ("lift", 3)]
    assert found[1] == [("plan", 0), ("reach", 0), ("grasp", 4), ("lift", 8)]
    assert found[2] == [("plan", 0), ("lift", 0)]


# With other options -------------------------------------------------------------------------------

SPANS = ((0, 3, 10), (1, 1, 9), (2, 0, 5), (2, 5, 6), (2, 4, 15), (0, 0, 12))


def recipe_of(spans: Spans, more: str = "") -> str:
    rows = ", ".join(f"({n}, {start}, {end}, {k})" for k, (n, start, end) in enumerate(spans))
    return f"""select e.src_dataset, e.src_episode, p.a as from_frame, p.b as to_frame {more}
               from (values {rows}) p(n, a, b, k) join episodes e on e.src_episode = p.n order by p.k"""


def test_pieces_at_another_rate(recorded: Record, tmp_path: Path) -> None:
    """What is left out is counted from the start of a piece, in rows and in pictures."""
    extra = {"note": ("string", (1,), lambda episode, frame: f"{episode}.{frame}")}
    root = recorded(**SMALL, extra_features=extra, seed=8)
    lecompose.compose(recipe_of(SPANS), root, out=tmp_path / "out", fps=15, row_groups="packed")
    assert lecompose.check(tmp_path / "out", decode=True) == []
    made = read(tmp_path / "out")
    for episode, (n, start, end) in zip(made.episodes, SPANS, strict=True):
        frames = list(range(start, end, 2))
        rows = episode.rows
        assert rows["note"].to_pylist() == [f"{n}.{frame}" for frame in frames]
        assert rows["timestamp"].to_pylist() == [float(np.float32(k / 15)) for k in range(len(frames))]
        assert marks(*episode.clips["observation.images.front"], len(frames)) == [(n, f) for f in frames]


def test_pieces_of_pieces_timed_anew(recorded: Record, tmp_path: Path) -> None:
    lecompose.compose(recipe_of(SPANS), recorded(**SMALL, seed=5), out=tmp_path / "pieces")
    lecompose.edit_info(tmp_path / "pieces", out=tmp_path / "out", retime=15)
    assert lecompose.check(tmp_path / "out", decode=True) == []
    for episode, (_, start, end) in zip(read(tmp_path / "out").episodes, SPANS, strict=True):
        wanted = [float(np.float32(k / 15)) for k in range(end - start)]
        assert episode.rows["timestamp"].to_pylist() == wanted


def test_pieces_of_the_oldest_format_in_two_outputs(recorded: Record, tmp_path: Path) -> None:
    root = recorded(**SMALL, version="v2.0", task_of=halves, image_features=("top",), seed=5)
    recipe = recipe_of(SPANS, ", if(p.k % 2 = 0, 'even', 'odd') as out_dataset")
    lecompose.compose(recipe, root, out=tmp_path / "out")
    assert_pieces(tmp_path / "out" / "even", root, SPANS[::2])
    assert_pieces(tmp_path / "out" / "odd", root, SPANS[1::2])


def test_seconds_are_of_each_source(recorded: Record, tmp_path: Path) -> None:
    slow = recorded(**SMALL | {"fps": 10, "frames": (25, 30)}, seed=5)
    fast = recorded(**SMALL | {"fps": 20, "frames": (50,)}, seed=6)
    lecompose.trim({"slow": slow, "fast": fast}, out=tmp_path / "out", head="2s", fps=10)
    made = read(tmp_path / "out")
    assert [len(episode) for episode in made.episodes] == [5, 10, 5]
    clip = made.episodes[2].clips["observation.images.front"]
    assert marks(*clip, 5) == [(0, frame) for frame in (40, 42, 44, 46, 48)]


def test_pieces_of_what_can_be_saved(day: Path, tmp_path: Path) -> None:
    lecompose.compose(recipe_of(SPANS), day, out=tmp_path / "out", skip_broken=True)
    assert lecompose.check(tmp_path / "out", decode=True) == []
    source = read(day)
    for episode, (n, start, end) in zip(read(tmp_path / "out").episodes, SPANS, strict=True):
        whole = source.episodes[n]
        assert episode.rows["action"].to_pylist() == whole.rows["action"].to_pylist()[start:end]
        assert episode.tasks == whole.tasks[start:end]
        for camera in source.cameras:
            assert episode.pictures(camera) == whole.pictures(camera)[start:end]


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_pieces_of_videos_at_another_rate(version: str, make_dataset: Record, tmp_path: Path) -> None:
    """They are refused, or matched by number as whole episodes are."""
    root, pictures = at_another_rate(make_dataset, version)
    with pytest.raises(lecompose.MediaError, match=r"skip-broken, which matches(.|\n)*9\.750 fps"):
        lecompose.trim(root, out=tmp_path / "out", head=3)
    spans = ((0, 3, 30), (1, 45, 50), (1, 0, 5), (2, 0, 30), (0, 0, 40))
    report = lecompose.compose(recipe_of(spans), root, out=tmp_path / "out", skip_broken=True)
    assert any("matched by number" in note for note in report.notes)
    found = [episode.pictures("observation.images.front") for episode in read(tmp_path / "out").episodes]
    assert found == [pictures[n][start:end] for n, start, end in spans]


@pytest.mark.parametrize("row_groups", ["episode", "packed"])
def test_numbers_and_nulls_of_pieces(row_groups: str, tmp_path: Path) -> None:
    """Subtasks and task columns name the same texts, nulls stay, arrays are the same."""
    subtasks = iter([0, 0, None, 1, 1, 2, 2, None])
    goals = iter([1, 1, 0, 0, 1, 0, 1, 1])
    kinds = {
        "subtask_index": Kind("int64", (1,), lambda _, n: pa.array([next(subtasks) for _ in range(n)])),
        "annotation.human.goal": Kind("int64", (1,), lambda _, n: pa.array([next(goals) for _ in range(n)])),
        "grid": typed.array("float32", (2, 3), extension=True),
    }
    root = typed.write(tmp_path / "source", kinds, lengths=[5, 3], tasks=("pick", "place"))
    texts = pa.table({"subtask_index": [0, 1, 2], "subtask": ["reach", "grasp", "lift"]})
    pq.write_table(texts, root / "meta/subtasks.parquet")
    spans = ((1, 0, 2), (0, 2, 5), (0, 3, 4))
    lecompose.compose(recipe_of(spans), root, out=tmp_path / "out", row_groups=row_groups)
    made, source = read(tmp_path / "out"), read(root)
    named = pq.read_table(tmp_path / "out/meta/subtasks.parquet")["subtask"].to_pylist()
    said = [
        [None if k is None else named[k] for k in e.rows["subtask_index"].to_pylist()] for e in made.episodes
    ]
    assert said == [["lift", "lift"], [None, "grasp", "grasp"], ["grasp"]]
    for episode, (n, start, end) in zip(made.episodes, spans, strict=True):
        whole = source.episodes[n].rows.slice(start, end - start)
        assert_same_values(episode.rows["grid"], whole["grid"], "grid")
        goal = [made.tasks[k] for k in episode.rows["annotation.human.goal"].to_pylist()]
        assert goal == [source.tasks[k] for k in whole["annotation.human.goal"].to_pylist()]


@settings(max_examples=examples(3, whole=40), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_pieces(day: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    one = st.integers(0, len(LENGTHS) - 1).flatmap(
        lambda n: st.tuples(st.just(n), st.integers(0, LENGTHS[n] - 1), st.integers(1, LENGTHS[n]))
    )
    drawn = data.draw(st.lists(one.filter(lambda span: span[1] < span[2]), min_size=1, max_size=6))
    out = tmp_path_factory.mktemp("pieces") / "out"
    lecompose.compose(recipe_of(drawn), day, out=out)
    assert_pieces(out, day, drawn)
