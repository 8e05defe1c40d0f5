"""Splitting: exact counts, disjoint parts, and merging them gives the original set back."""

import json
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import digest
from support.effort import few, thorough
from support.independent import assert_composed, read

import lecompose
from lecompose.cli import main
from lecompose.engine import Engine
from lecompose.errors import EmptyOutput, OutputExists, RequestError, UnknownEpisode

Record = Callable[..., Path]
TASKS = ("cup", "cup", "cup", "pen", "box")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture
def ten(recorded: Record) -> Path:
    """10 episodes of 3 to 12 frames with one camera."""
    return recorded(frames=tuple(range(3, 13)), cameras=("front",), tasks=TASKS, frames_per_data_file=20)


@pytest.fixture
def hundred(recorded: Record) -> Path:
    """100 episodes of 2 frames, no pictures; 60 cup, 20 pen, 20 box."""
    return recorded(frames=(2,) * 100, cameras=(), tasks=TASKS)


def origin(part: Path) -> list[int]:
    """The source episode of each episode of a part, told by the state of its first frame."""
    return [episode.rows["observation.state"][0].as_py() for episode in read(part).episodes]


def sources_of(part: Path, source: Path) -> list[int]:
    known = {tuple(state): n for n, state in enumerate(origin(source))}
    return [known[tuple(state)] for state in origin(part)]


@pytest.mark.parametrize("version", few(("v2.0", "v2.1", "v3.0"), kept=lambda n: n == 1))
def test_parts_are_disjoint_and_together_the_source(recorded: Record, version: str, tmp_path: Path) -> None:
    source = recorded(version=version, frames=(5, 8, 3, 9, 4, 6, 7), tasks=("a", "b", "c"))
    report = lecompose.split(source, out=tmp_path / "parts", into={"train": 0.7, "val": 0.3}, seed=7)
    train, val = (tmp_path / "parts" / name for name in ("train", "val"))
    assert [(o.path, o.episodes) for o in report.outputs] == [(train, 5), (val, 2)]
    assert report.frames_decoded == 0
    picked = {part: sources_of(part, source) for part in (train, val)}
    assert sorted(picked[train] + picked[val]) == list(range(7))
    for part, episodes in picked.items():
        assert episodes == sorted(episodes), "inside a part episodes keep their order"
        assert_composed(part, [(source, n) for n in episodes])
        assert lecompose.check(part) == []
    lecompose.merge([train, val], out=tmp_path / "again")
    lecompose.sort(tmp_path / "again", out=tmp_path / "sorted", by=_by_origin(picked[train] + picked[val]))
    assert_composed(tmp_path / "sorted", [(source, n) for n in range(7)])


def _by_origin(places: list[int]) -> str:
    """SQL that puts the merged parts back into the order of the source."""
    return f"list_extract([{', '.join(map(str, places))}], src_episode + 1)"


@thorough
def test_counts_are_exact_whatever_the_seed(hundred: Path, tmp_path: Path) -> None:
    drawn = set()
    for seed in range(2):
        lecompose.split(
            hundred, out=tmp_path / f"{seed}", into={"a": 0.335, "b": 0.335, "c": 0.33}, seed=seed
        )
        parts = {name: sources_of(tmp_path / f"{seed}" / name, hundred) for name in "abc"}
        assert [len(p) for p in parts.values()] == [34, 33, 33]
        assert sorted(n for p in parts.values() for n in p) == list(range(100))
        drawn.add(tuple(parts["a"]))
        assert parts["a"] != list(range(34)), "shuffled"
    assert len(drawn) == 2, "seeds draw differently"
    lecompose.split(hundred, out=tmp_path / "again", into={"a": 0.335, "b": 0.335, "c": 0.33}, seed=1)
    assert [digest(tmp_path / "again" / n / "data") for n in "abc"] == [
        digest(tmp_path / "1" / n / "data") for n in "abc"
    ], "the same seed, the same bytes"


def test_in_order_takes_the_first(ten: Path, tmp_path: Path) -> None:
    lecompose.split(
        ten, out=tmp_path / "p", into={"a": "30%", "b": "1/2", "c": Fraction(1, 5)}, in_order=True
    )
    assert [sources_of(tmp_path / "p" / n, ten) for n in "abc"] == [[0, 1, 2], [3, 4, 5, 6, 7], [8, 9]]


def test_a_rest_is_left_out_with_a_note(ten: Path, tmp_path: Path) -> None:
    report = lecompose.split(ten, out=tmp_path / "p", into={"a": 0.3, "b": 0.25}, in_order=True)
    assert [o.episodes for o in report.outputs] == [3, 3]
    assert report.episodes == 6
    assert "4 of 10 episodes are in no part, and are left out" in report.notes


def test_strata_are_divided_alike(hundred: Path, tmp_path: Path) -> None:
    report = lecompose.split(hundred, out=tmp_path / "p", into={"train": 0.8, "val": 0.2}, by="task", seed=3)
    counts = {
        name: Counter(e.tasks[0] for e in read(tmp_path / "p" / name).episodes) for name in ("train", "val")
    }
    assert counts == {"train": {"cup": 48, "pen": 16, "box": 16}, "val": {"cup": 12, "pen": 4, "box": 4}}
    assert report.notes == ()


def test_a_small_stratum_is_named(recorded: Record, tmp_path: Path) -> None:
    source = recorded(
        frames=(2,) * 20, cameras=(), task_of=lambda episode, _: "rare" if episode == 4 else "usual"
    )
    report = lecompose.split(source, out=tmp_path / "p", into={"train": 0.8, "val": 0.2}, by="task")
    assert [o.episodes for o in report.outputs] == [16, 4]
    (note,) = report.notes
    assert "strata of task" in note
    assert '"rare" (1 episode): none in val' in note


def test_strata_may_be_any_expression(ten: Path, tmp_path: Path) -> None:
    lecompose.split(ten, out=tmp_path / "p", into={"a": 0.5, "b": 0.5}, by="length > 7 and task <> 'pen'")
    halves = [[len(e) for e in read(tmp_path / "p" / n).episodes] for n in "ab"]
    assert [len(h) for h in halves] == [5, 5]
    long = [sum(n > 7 for n in h) for h in halves]
    assert abs(long[0] - long[1]) <= 1


def test_by_episode_numbers(ten: Path, tmp_path: Path) -> None:
    into = {"a": "0:4", "b": "4,6,8:"}
    report = lecompose.split(ten, out=tmp_path / "p", into=into)
    assert [sources_of(tmp_path / "p" / n, ten) for n in "ab"] == [[0, 1, 2, 3], [4, 6, 8, 9]]
    assert "2 of 10 episodes are in no part, and are left out" in report.notes
    lecompose.split(ten, out=tmp_path / "q", into={"a": range(4), "b": [9, 4, 8, 6]})
    for name in "ab":
        assert digest(tmp_path / "p" / name / "data") == digest(tmp_path / "q" / name / "data")


@pytest.mark.parametrize(
    ("into", "error", "says"),
    [
        ({"a": 0.8, "b": 0.3}, RequestError, "sum to 1.1, over 1"),
        ({"a": 0.0}, RequestError, "above 0"),
        ({"a": "-0.5"}, RequestError, "above 0"),
        ({"a": "150%"}, RequestError, "at most 1"),
        ({"a": 0.5, "b": "0:3"}, RequestError, "not both"),
        ({"a": 1}, RequestError, "Try: 0.8"),
        ({}, RequestError, "no part"),
        ({"a": "0:5", "b": "4:6"}, RequestError, "episode 4: in a and b"),
        ({"a": "0:5", "b": "9:12"}, UnknownEpisode, "episodes 10 to 11"),
        ({"a": 0.99, "b": 0.01}, EmptyOutput, "- b"),
        ({"../a": 0.5}, RequestError, "cannot be named"),
        ({"": 0.5}, RequestError, "cannot be named"),
    ],
)
def test_impossible_requests_change_nothing(
    into: dict[str, Any], error: type[Exception], says: str, ten: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=says):
        lecompose.split(ten, out=tmp_path / "p", into=into)
    assert list(tmp_path.iterdir()) == []


def test_several_sources_split_by_fractions_only(ten: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="takes one dataset, 2 were given"):
        lecompose.split([ten, ten], out=tmp_path / "p", into={"a": "0:3"})
    report = lecompose.split([ten, ten], out=tmp_path / "p", into={"a": 0.5, "b": 0.5})
    assert [o.episodes for o in report.outputs] == [10, 10]


# Where outputs go -----------------------------------------------------------------------------------


def test_parts_join_a_folder_that_is_there(ten: Path, tmp_path: Path) -> None:
    out = tmp_path / "p"
    lecompose.split(ten, out=out, into={"a": "0:4", "b": "4:"})
    before = digest(out)
    lecompose.split(ten, out=out, into={"c": "0:2", "d": "2:3"})
    assert sorted(p.name for p in out.iterdir()) == ["a", "b", "c", "d"]
    with pytest.raises(OutputExists):
        lecompose.split(ten, out=out, into={"e": "0:4", "b": "4:"})
    assert sorted(p.name for p in out.iterdir()) == ["a", "b", "c", "d"], "all or nothing"
    lecompose.split(ten, out=out, into={"e": "0:1", "b": "1:2"}, overwrite=True)
    assert sorted(p.name for p in out.iterdir()) == ["a", "b", "c", "d", "e"]
    assert sources_of(out / "b", ten) == [1]
    assert digest(out) != before


def test_a_part_is_never_a_source(ten: Path, make_dataset: Record, tmp_path: Path) -> None:
    source = make_dataset("day", frames=(3, 4), cameras=())
    before = digest(source)
    with pytest.raises(OutputExists, match="one of the sources"):
        lecompose.split(source, out=tmp_path, into={"day": "0", "val": "1"}, overwrite=True)
    assert digest(source) == before
    assert [p.name for p in tmp_path.iterdir()] == ["day"]


def test_many_parts_of_many_files_in_one_pass(
    recorded: Record, dataset_v30_many_files: Path, tmp_path: Path
) -> None:
    """Every file of every part is written once, and parts keep to the limits of their files."""
    settings = {"data_mb": 0.002, "video_mb": 0.004, "chunk_files": 2}
    into = {f"p{n}": [n, n + 4] for n in range(4)}
    report = lecompose.split(dataset_v30_many_files, out=tmp_path / "p", into=into, **settings)
    assert report.frames_decoded == 0
    for n in range(4):
        made = assert_composed(
            tmp_path / "p" / f"p{n}", [(dataset_v30_many_files, n), (dataset_v30_many_files, n + 4)]
        )
        assert len(made.tasks) == len(dict.fromkeys(t for e in made.episodes for t in e.tasks))


# The command ----------------------------------------------------------------------------------------


def test_command(ten: Path, tmp_path: Path) -> None:
    out = tmp_path / "p"
    done = run(
        "split", ten, "-o", out, "--into", "train=0.8", "--into", "val=0.2", "--seed", "7", "--by", "task"
    )
    assert done.exit_code == 0, done.output
    assert f"wrote {out / 'train'}: 8 episodes" in done.stdout
    assert f"wrote {out / 'val'}: 2 episodes" in done.stdout
    lecompose.split(ten, out=tmp_path / "q", into={"train": 0.8, "val": 0.2}, seed=7, by="task")
    assert digest(out / "train" / "data") == digest(tmp_path / "q" / "train" / "data")


def test_dry_run_shows_every_part(ten: Path, tmp_path: Path) -> None:
    done = run("split", ten, "-o", tmp_path / "p", "--into", "a=0:2", "--into", "b=2:", "--dry-run", "--json")
    told = json.loads(done.stdout)
    assert [(o["path"], o["episodes"]) for o in told["outputs"]] == [
        (str(tmp_path / "p" / "a"), 2), (str(tmp_path / "p" / "b"), 8),
    ]  # fmt: skip
    assert [(r["out_dataset"], r["out_episode"], r["src_episode"]) for r in told["plan"]][:3] == [
        ("a", 0, 0), ("a", 1, 1), ("b", 0, 2),
    ]  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("into", "says"), [(["a"], "NAME=PART"), (["=0.5"], "NAME=PART"), (["a=0.5", "a=0.2"], "named twice")]
)
def test_wrong_parts_on_the_command_line(into: list[str], says: str, ten: Path, tmp_path: Path) -> None:
    done = run("split", ten, "-o", tmp_path / "p", *[w for part in into for w in ("--into", part)])
    assert done.exit_code == 2
    assert says in done.stderr


# Cost -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packed", "row_groups"), few(product((False, True), ("episode", "packed")), kept=lambda n: n in (1, 2))
)
def test_scattered_episodes_are_not_a_query_each(
    packed: bool, row_groups: str, recorded: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query costs the footer of the file it reads: 10,000 of them would take minutes."""
    images: dict[str, Any] = {"image_features": ("hand",), "cameras": ("front",), "codec": "h264"}
    source = recorded(frames=tuple(1 + n % 5 for n in range(60)), tasks=("a", "b", "c"), **images)
    if packed:
        lecompose.merge(source, out=tmp_path / "packed", row_groups="packed")
        source = tmp_path / "packed"
    other = recorded(frames=(4, 2) * 15, tasks=("c", "d"), seed=1, **images)
    streamed = 0
    stream = Engine.stream

    def counted(engine: Engine, template: str, *arguments: Any, **values: Any) -> Any:
        nonlocal streamed
        streamed += template.startswith("write/frames")
        return stream(engine, template, *arguments, **values)

    monkeypatch.setattr(Engine, "stream", counted)
    sources = {"one": source, "two": other}
    lecompose.sample(sources, out=tmp_path / "out", seed=4, row_groups=row_groups)
    assert streamed == 0
    order = lecompose.query(tmp_path / "out", "from lineage where step = 0 order by src_episode").to_pylist()
    picks = [(sources[row["from_dataset"]], row["from_episode"]) for row in order]
    assert sorted(picks) == sorted([(source, n) for n in range(60)] + [(other, n) for n in range(30)])
    assert_composed(tmp_path / "out", picks, row_groups=row_groups)
