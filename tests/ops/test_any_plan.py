"""Any plan at all: whatever subset, order, repetition and number of outputs, the executor carries it out.

Plans are drawn at random and given to `compose` as the rows of a VALUES list.
"""

import shutil
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.effort import examples
from support.independent import assert_composed, read

import lecompose

Record = Callable[..., Path]
Row = tuple[str, int, str]

# No shrinking: an example takes a second, and the failing plan is short enough as it is.
lightly: dict[str, Any] = {
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
    "phases": [Phase.explicit, Phase.generate],
}
limits = st.fixed_dictionaries(
    {
        "data_mb": st.sampled_from([100, 0.002, 0.004]),
        "video_mb": st.sampled_from([200, 0.003, 0.008]),
        "chunk_files": st.sampled_from([1000, 2]),
        "row_groups": st.sampled_from(["episode", "packed"]),
    }
)


@pytest.fixture(scope="module")
def sources(recorded: Record) -> dict[str, Path]:
    """Three datasets of all formats, 12 episodes of odd lengths; files end where it suits them."""
    common: dict[str, Any] = {"cameras": ("front",), "codec": "h264"}
    return {
        "a": recorded(frames=(3, 7, 1, 5, 4), tasks=("x", "y"), frames_per_data_file=8,
                      frames_per_video_file=11, episodes_per_meta_file=2, **common),
        "b": recorded(version="v2.1", frames=(2, 6, 9), tasks=("y", "z"), seed=1, **common),
        "c": recorded(version="v2.0", frames=(4, 2, 8, 3), tasks=("z",), seed=2, **common),
    }  # fmt: skip


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plans")


EPISODES = [("a", n) for n in range(5)] + [("b", n) for n in range(3)] + [("c", n) for n in range(4)]


@settings(max_examples=examples(2, whole=20), **lightly)
@given(
    picks=st.lists(
        st.tuples(st.sampled_from(EPISODES), st.sampled_from(["p", "q", "r"])), min_size=1, max_size=25
    ),
    limits=limits,
)
def test_any_plan(
    picks: Sequence[tuple[tuple[str, int], str]],
    limits: dict[str, Any],
    sources: dict[str, Path],
    scratch: Path,
) -> None:
    shutil.rmtree(scratch)
    scratch.mkdir()
    rows = [(source, episode, output) for (source, episode), output in picks]
    report = lecompose.compose(as_sql(rows), sources, out=scratch / "out", **limits)
    assert (report.frames_decoded, report.reencoded) == (0, ())
    wanted = {
        output: [(s, e) for s, e, o in rows if o == output] for output in sorted({o for _, _, o in rows})
    }
    assert [o.path.name for o in report.outputs] == list(wanted)
    for output, episodes in wanted.items():
        assert_composed(
            scratch / "out" / output, [(sources[s], e) for s, e in episodes], row_groups=limits["row_groups"]
        )
    assert {p.name for p in scratch.iterdir()} == {"out"}


def as_sql(rows: Sequence[Row]) -> str:
    listed = ", ".join(f"('{source}', {episode}, '{output}')" for source, episode, output in rows)
    return f"from (values {listed}) t(src_dataset, src_episode, out_dataset)"


@settings(max_examples=examples(1, whole=10), **lightly)
@given(
    weights=st.lists(st.integers(1, 6), min_size=2, max_size=3),
    seed=st.integers(0, 99),
    by=st.sampled_from([None, "task", "src_dataset", "length > 3"]),
    in_order=st.booleans(),
)
def test_any_split_restores_the_set(
    weights: list[int], seed: int, by: str | None, in_order: bool, sources: dict[str, Path], scratch: Path
) -> None:
    """Parts are disjoint, together everything, and merged and put in order they are the set again."""
    shutil.rmtree(scratch)
    scratch.mkdir()
    into = {f"part {n}": Fraction(weight, sum(weights)) for n, weight in enumerate(weights)}
    try:
        report = lecompose.split(
            sources, out=scratch / "parts", into=into, seed=seed, by=by, in_order=in_order
        )
    except lecompose.EmptyOutput:
        assert min(weights) / sum(weights) * 12 < 1, "only a part too small for one episode is empty"
        return
    assert sum(o.episodes for o in report.outputs) == 12
    for output in report.outputs:
        share = into[output.path.name] * 12
        assert abs(output.episodes - share) < 1
    lecompose.merge([o.path for o in report.outputs], out=scratch / "merged")
    origin = lecompose.query(
        scratch / "merged",
        "select src_episode, from_dataset, from_episode from lineage where step = 1 order by src_episode",
    ).to_pylist()
    picks = [(sources[row["from_dataset"]], row["from_episode"]) for row in origin]
    assert sorted(picks) == sorted((sources[s], e) for s, e in EPISODES)
    assert_composed(scratch / "merged", picks)


@settings(max_examples=examples(1, whole=8), **lightly)
@given(gone=st.sets(st.integers(0, 4), min_size=1, max_size=4))
def test_kept_and_dropped_are_everything(gone: set[int], sources: dict[str, Path], scratch: Path) -> None:
    shutil.rmtree(scratch)
    scratch.mkdir()
    lecompose.delete(sources["a"], out=scratch / "kept", episodes=gone)
    lecompose.filter(
        sources["a"], out=scratch / "dropped", where=f"src_episode in ({', '.join(map(str, gone))})"
    )
    held = [read(scratch / name) for name in ("kept", "dropped")]
    assert sum(len(h.episodes) for h in held) == 5
    assert_composed(scratch / "kept", [(sources["a"], n) for n in range(5) if n not in gone])
    assert_composed(scratch / "dropped", [(sources["a"], n) for n in sorted(gone)])
