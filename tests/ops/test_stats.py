"""Statistics are those of all frames, whatever the dataset says of itself."""

import io
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from broken.damage import DATA, column, edit_parquet
from click.testing import CliRunner
from conftest import digest
from support import typed

import lecompose
from lecompose.cli import main
from lecompose.errors import OutputExists, RequestError

Record = Callable[..., Path]
Stats = dict[str, dict[str, Any]]

LEVELS = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
LENGTHS = (7, 130, 12)
NUMBERS = ("observation.state", "action", "timestamp", "frame_index", "index", "episode_index", "task_index")


def table(root: Path) -> dict[str, np.ndarray]:
    """Every numeric column of a dataset, its frames in order. Shape: (frames, dimensions)."""
    files = sorted((root / "data").rglob("*.parquet"))
    columns = {name: [row for f in files for row in pq.read_table(f)[name].to_pylist()] for name in NUMBERS}
    return {name: np.array(rows, np.float64).reshape(len(rows), -1) for name, rows in columns.items()}


def expected(rows: np.ndarray, levels: dict[str, float] = LEVELS) -> dict[str, np.ndarray]:
    quantiles = np.quantile(rows, list(levels.values()), axis=0, method="linear")
    plain = {"min": rows.min(0), "max": rows.max(0), "mean": rows.mean(0), "std": rows.std(0)}
    return plain | dict(zip(levels, quantiles, strict=True))


def assert_stats(found: dict[str, Any], truth: dict[str, np.ndarray], count: int) -> None:
    assert found.keys() == truth.keys() | {"count"}
    assert found["count"] == [count]
    for stat, values in truth.items():
        exact = stat not in ("mean", "std")
        np.testing.assert_allclose(
            np.ravel(found[stat]), values, rtol=0 if exact else 1e-9, atol=0 if exact else 1e-12, err_msg=stat
        )


def of_episodes(root: Path) -> dict[str, list[Any]]:
    files = sorted((root / "meta/episodes").rglob("*.parquet"))
    tables = [pq.read_table(f).to_pydict() for f in files]
    return {name: [x for t in tables for x in t[name]] for name in tables[0]}


def stats_json(root: Path) -> Stats:
    return json.loads((root / "meta/stats.json").read_text())


@pytest.fixture
def source(recorded: Record) -> Path:
    return recorded(
        frames=LENGTHS, codec="h264", image_features=("side",), size=(320, 48), tasks=("a", "b"),
        frames_per_video_file={"observation.images.front": 100, "observation.images.wrist": 1000},
    )  # fmt: skip


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_of_numbers_and_nothing_is_written(recorded: Record, version: str) -> None:
    source = recorded(version=version, frames=(5, 8, 3), tasks=("a", "b"), codec="h264")
    before = digest(source)
    found = lecompose.stats(source)
    columns = table(source)
    assert isinstance(found, dict)
    assert found.keys() == columns.keys()
    for name, rows in columns.items():
        assert_stats(found[name], expected(rows), 16)
    assert digest(source) == before


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("index", lambda numbers: numbers + 100),
        ("index", lambda numbers: numbers[::-1]),
        ("index", lambda numbers: numbers * 3),
        ("task_index", lambda numbers: np.arange(len(numbers)) % 2),
    ],
    ids=["index from 100", "index that falls", "index with gaps", "several tasks an episode"],
)
def test_of_numbering_that_does_not_follow_from_the_lengths(
    make_dataset: Record, column: str, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    source = make_dataset(frames=(5, 8, 3), tasks=("a", "b"), cameras=())
    for path in source.glob("data/*/*.parquet"):
        held = pq.read_table(path)
        at = held.schema.get_field_index(column)
        numbers = pa.array(change(held[column].to_numpy()), pa.int64())
        pq.write_table(held.set_column(at, held.schema.field(at), numbers), path)
    found = lecompose.stats(source)
    assert isinstance(found, dict)
    for name, rows in table(source).items():
        assert_stats(found[name], expected(rows), 16)


def test_of_timestamps_that_begin_late(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("day", cameras=(), frames=LENGTHS)
    true = expected(table(root)["timestamp"])
    edit_parquet(DATA, column("timestamp", lambda values: [value + 0.5 for value in values]), whole=True)(
        root
    )
    lecompose.stats(root, out=tmp_path / "out")
    held = json.loads((tmp_path / "out/meta/stats.json").read_text())["timestamp"]
    found = lecompose.stats(root)["timestamp"]
    for stat, values in true.items():
        np.testing.assert_allclose([found[stat], held[stat]], [values, values], rtol=1e-6)


def test_a_copy_has_no_statistic_of_the_source_left(make_dataset: Record, tmp_path: Path) -> None:
    source = make_dataset(version="v2.1", frames=(5, 8, 3), codec="h264")
    said = source / "meta/episodes_stats.jsonl"
    lines = [json.loads(line) for line in said.read_text().splitlines()]
    for line in lines:
        line["stats"]["action"]["mean"] = [77.0] * 6
    said.write_text("\n".join(map(json.dumps, lines)))
    lecompose.merge(source, out=tmp_path / "merged")
    assert of_episodes(tmp_path / "merged")["stats/action/mean"][0] == [77.0] * 6
    lecompose.stats(source, out=tmp_path / "true")
    assert_true_episodes(tmp_path / "true", LEVELS)
    assert_same_but_statistics(tmp_path / "true", tmp_path / "merged")
    # Pictures keep what the source says of them.
    front = "observation.images.front"
    assert stats_json(tmp_path / "true")[front] == stats_json(tmp_path / "merged")[front]


def assert_same_but_statistics(root: Path, other: Path) -> None:
    for folder in ("data", "videos"):
        assert digest(root / folder) == digest(other / folder)
    for file in ("meta/info.json", "meta/tasks.parquet"):
        assert (root / file).read_bytes() == (other / file).read_bytes()
    assert lecompose.check(root) == []


def assert_true_episodes(root: Path, levels: dict[str, float]) -> None:
    held, columns, at = of_episodes(root), table(root), 0
    for n, length in enumerate(held["length"]):
        for name, rows in columns.items():
            found = {
                column.rpartition("/")[2]: values[n]
                for column, values in held.items()
                if column.startswith(f"stats/{name}/")
            }
            assert_stats(found, expected(rows[at : at + length], levels), length)
        at += length


@pytest.mark.parametrize("levels", ["0.05,0.5,0.95", (0.95, 0.5, 0.05)])
def test_other_quantiles(source: Path, levels: Any, tmp_path: Path) -> None:
    named = {"q05": 0.05, "q50": 0.5, "q95": 0.95}
    lecompose.delete(source, out=tmp_path / "a", episodes="0", quantiles=levels)
    held = of_episodes(tmp_path / "a")
    assert [c for c in held if c.startswith("stats/action/q")] == [f"stats/action/{q}" for q in named]
    columns = table(tmp_path / "a")
    for name, rows in columns.items():
        assert_stats(stats_json(tmp_path / "a")[name], expected(rows, named), 142)
    assert [q for q in stats_json(tmp_path / "a")["observation.images.front"] if q[0] == "q"] == ["q50"]
    assert lecompose.check(tmp_path / "a") == []


def test_other_quantiles_are_carried_and_can_be_asked_for(source: Path, tmp_path: Path) -> None:
    lecompose.stats(source, out=tmp_path / "a", quantiles="0.05,0.5", images=True)
    lecompose.delete(tmp_path / "a", out=tmp_path / "b", episodes="1", quantiles="0.05")
    one, other = of_episodes(tmp_path / "a"), of_episodes(tmp_path / "b")
    for name in ("action", "observation.images.front", "observation.images.side"):
        kept = [one[f"stats/{name}/q05"][n] for n in (0, 2)]
        assert other[f"stats/{name}/q05"] == kept
    assert not any(name.endswith(("/q50", "/q01")) for name in other)
    rows = lecompose.query(tmp_path / "b", "select stats.action.q05 as q from episodes").to_pylist()
    assert [row["q"] for row in rows] == other["stats/action/q05"]
    # The usual ones are computed again where a source lacks them.
    lecompose.merge([tmp_path / "b"], out=tmp_path / "c")
    assert_true_episodes(tmp_path / "c", LEVELS)


@pytest.mark.parametrize("levels", ["", "0.055", "1", "-0.01", "half,0.5", "nan", []])
def test_quantiles_without_a_name_are_refused(source: Path, levels: Any, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="two digits"):
        lecompose.merge(source, out=tmp_path / "out", quantiles=levels)
    assert list(tmp_path.iterdir()) == []


# Pictures ---------------------------------------------------------------------------------------


def decoded(root: Path, camera: str) -> list[np.ndarray]:
    """All frames of a camera in the order of their files, each (height, width, 3)."""
    videos = sorted((root / "videos" / camera).rglob("*.mp4"))
    if not videos:
        cells = [c for f in sorted((root / "data").rglob("*.parquet")) for c in pq.read_table(f)[camera]]
        return [in_memory(cell.as_py()["bytes"]) for cell in cells]
    frames = []
    for video in videos:
        with av.open(str(video)) as container:
            frames += [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return frames


def in_memory(png: bytes) -> np.ndarray:
    with av.open(io.BytesIO(png)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def sampled(length: int) -> list[int]:
    count = max(min(100, length), min(int(length**0.75), 10_000))
    return np.round(np.linspace(0, length - 1, count)).astype(int).tolist()


def pixels(frames: list[np.ndarray]) -> np.ndarray:
    """Of the sampled frames of one episode, every second row and column: 320 is over 300."""
    return np.concatenate([frames[n][::2, ::2].reshape(-1, 3) for n in sampled(len(frames))]) / 255


def test_of_pictures(source: Path, tmp_path: Path) -> None:
    report = lecompose.stats(source, out=tmp_path / "out", images=True)
    held = of_episodes(tmp_path / "out")
    starts = np.cumsum((0, *LENGTHS))
    for camera in ("observation.images.front", "observation.images.side"):
        frames = decoded(source, camera)
        assert len(frames) == sum(LENGTHS)
        episodes = [pixels(frames[a:b]) for a, b in pairwise(starts)]
        for n, (rows, count) in enumerate(zip(episodes, (7, 100, 12), strict=True)):
            found = {stat: held[f"stats/{camera}/{stat}"][n] for stat in (*expected(rows), "count")}
            assert np.shape(found["mean"]) == (3, 1, 1)
            assert_stats(found, expected(rows), count)
        assert_stats(stats_json(tmp_path / "out")[camera], expected(np.concatenate(episodes)), 119)
    assert lecompose.stats(source, images=True) == stats_json(tmp_path / "out")
    assert isinstance(report, lecompose.Report)
    assert report.frames_decoded >= 3 * 119
    lecompose.merge(source, out=tmp_path / "merged")
    assert_same_but_statistics(tmp_path / "out", tmp_path / "merged")


@pytest.mark.parametrize("size", [(6, 8), (310, 40)])
def test_of_depth_in_metres(size: tuple[int, int], tmp_path: Path) -> None:
    lengths, name = (5, 120, 3), "observation.depth"
    source = typed.write(tmp_path / "a", {name: typed.metres(size)}, lengths=lengths)
    lecompose.stats(source, out=tmp_path / "out", images=True)
    step = 2 if max(size) >= 300 else 1
    cells = [c.as_py() for f in sorted((source / "data").rglob("*.parquet")) for c in pq.read_table(f)[name]]
    # The strip of pixels follows the 8 bytes of the head.
    frames = [np.frombuffer(c["bytes"], "<f4", size[0] * size[1], 8).reshape(size) for c in cells]
    starts, held = np.cumsum((0, *lengths)), of_episodes(tmp_path / "out")
    episodes = [
        np.concatenate([frames[a + n][::step, ::step].reshape(-1, 1) for n in sampled(b - a)])
        for a, b in pairwise(starts)
    ]
    for n, (rows, count) in enumerate(zip(episodes, (5, 100, 3), strict=True)):
        found = {stat: held[f"stats/{name}/{stat}"][n] for stat in (*expected(rows), "count")}
        assert np.shape(found["mean"]) == (1, 1, 1)
        assert_stats(found, expected(rows.astype(np.float64)), count)
    every = expected(np.concatenate(episodes).astype(np.float64))
    assert_stats(stats_json(tmp_path / "out")[name], every, 108)
    assert lecompose.stats(source, images=True) == stats_json(tmp_path / "out")
    assert lecompose.check(tmp_path / "out") == []


# The command ------------------------------------------------------------------------------------


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [*map(str, arguments)])


def test_command_prints_a_table_or_json(source: Path) -> None:
    done = run("stats", source)
    assert done.exit_code == 0, done.output
    assert "frame_index" in done.output
    assert "17 rows" in done.output  # 2 vectors of 6, and 5 numbers
    told = run("stats", source, "--images", "--json", "--quantiles", "0.5")
    assert json.loads(told.stdout) == lecompose.stats(source, images=True, quantiles="0.5")


def test_command_writes_a_copy_that_tells_how_it_was_made(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("stats", source, "-o", out, "--images", "--quantiles", "0.5")
    assert done.exit_code == 0, done.output
    lineage = pq.read_table(out / "meta/lineage.parquet").to_pylist()
    assert f"lecompose stats {source} -o out --images --quantiles 0.5" in str(lineage)
    assert run("stats", source, "-o", out).exit_code == OutputExists.exit_code


def test_one_dataset_at_a_time(source: Path) -> None:
    with pytest.raises(RequestError, match="one dataset, 2 are given"):
        lecompose.stats([source, source])  # type: ignore[arg-type]


def test_relative_actions(recorded: Record, tmp_path: Path) -> None:
    root = recorded(cameras=(), frames=(9, 4, 7), seed=3)
    told = lecompose.stats(root, relative="action", horizon=5)
    assert told["action"]["count"] == [(5 + 3) * 5]
    out = tmp_path / "out"
    report = lecompose.stats(root, out=out, relative="action=observation.state", horizon=5)
    assert any("over 5 frames" in note and "1 episode is shorter" in note for note in report.notes)
    held = json.loads((out / "meta/stats.json").read_text())
    assert held["action"] == told["action"]
    plain = lecompose.stats(root)
    assert held["observation.state"] == plain["observation.state"]
    assert told["action"] != plain["action"]
    assert lecompose.check(out) == []
    with pytest.raises(RequestError, match="how actions are relative"):
        lecompose.stats(root, horizon=5)
    with pytest.raises(RequestError, match='is called by "grriper"'):
        lecompose.stats(root, relative="action", horizon=5, exclude="grriper")
    with pytest.raises(RequestError, match="no episode has so many frames"):
        lecompose.stats(root, out=tmp_path / "no", relative="action", horizon=10)
    with pytest.raises(RequestError, match="above 0"):
        lecompose.stats(root, relative="action", horizon=0)
    assert not (tmp_path / "no").exists()
