"""SQL, templates and our own names in names and texts: each comes through as it was."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile.attacks import change_parquet, lines, rename_feature, run, write_lines
from support.effort import few

import lecompose

Record = Callable[..., Path]

TEXTS = [
    '"; drop table frames; --',
    "'); delete from episodes; --",
    'it\'s "quoted"',
    "{{ 7 * 7 }}",
    "{% raise %}{# note #}",
    "$src_dataset $1 ?",
    "%s {0} \\N \\",
    "two\nlines\tand\r\nmore",
    "null",
    "[1, 2]",
    "2024-01-01",
]
# What our own relations, columns and placeholders are called.
OURS = ["episodes", "frames", "src_dataset", "length", "value", "batches", "declared", "stats", "data_file"]


@pytest.mark.parametrize("version", few(("v2.1", "v3.0"), kept=lambda n: n == 0))
def test_tasks_and_sources_and_columns(version: str, make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("source", version=version, cameras=(), episodes=len(TEXTS), frames=2, tasks=TEXTS)
    if version == "v2.1":
        rows = lines(root, "episodes.jsonl")
        write_lines(root, "episodes.jsonl", [row | {TEXTS[0]: TEXTS[n]} for n, row in enumerate(rows)])
    else:
        path = next(root.glob("meta/episodes/*/*"))
        change_parquet(path, lambda t: t.append_column(TEXTS[0], pa.array(TEXTS)))
    out = tmp_path / "out"
    lecompose.merge({TEXTS[1]: root}, out=out)
    with lecompose.open(out) as made:
        told = made.query("select tasks[1] as task from episodes order by src_episode")["task"].to_pylist()
        assert told == TEXTS
        assert made.query("select distinct task from frames").num_rows == len(TEXTS)
        assert set(made.query("select from_dataset from lineage")["from_dataset"].to_pylist()) == {TEXTS[1]}
        assert TEXTS[0] not in made.query("select command from lineage limit 1")["command"][0].as_py()
    episodes = pq.read_table(next(out.glob("meta/episodes/*/*")), partitioning=None)
    assert episodes[TEXTS[0]].to_pylist() == TEXTS
    assert run("check", out).code == 0


@pytest.mark.parametrize("version", few(("v3.0", "v2.1"), kept=lambda n: n == 0))
def test_features(version: str, make_dataset: Record, tmp_path: Path) -> None:
    names = [name for name in [*TEXTS, *OURS] if "/" not in name]
    extra = {f"f{n}": ("int64", (1,), lambda e, i, n=n: 100 * n + 10 * e + i) for n in range(len(names))}
    root = make_dataset("source", version=version, cameras=(), episodes=2, frames=3, extra_features=extra)
    for n, name in enumerate(names):
        rename_feature(root, f"f{n}", name)
    out = tmp_path / "out"
    lecompose.merge([root], out=out)
    info = json.loads((out / "meta/info.json").read_text())
    assert [name for name in info["features"] if name in names] == names
    made = pq.read_table(next(out.glob("data/*/*.parquet")), partitioning=None)
    for n, name in enumerate(names):
        assert made[name].to_pylist() == [100 * n + 10 * e + i for e in range(2) for i in range(3)], name
    assert run("check", out).code == 0
    with lecompose.open(out) as held:
        quoted = TEXTS[0].replace('"', '""')
        assert held.query(f'select sum("{quoted}") as s from frames')["s"].to_pylist() == [36]


def test_commands_of_users_are_kept_as_they_were(make_dataset: Record, tmp_path: Path) -> None:
    """The lineage tells the command, with the user's words in it."""
    root = make_dataset("source", version="v3.0", cameras=())
    where = "task != '\"; drop table lineage; -- {{ x }} $command'"
    lecompose.filter(root, out=tmp_path / "out", where=where)
    with lecompose.open(tmp_path / "out") as made:
        (told,) = set(made.query("select command from lineage")["command"].to_pylist())
    assert "{{ x }} $command" in told
    assert "drop table lineage" in told
