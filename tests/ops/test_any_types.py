"""Features of every kind, in every format: what comes out is what went in, bit for bit and type for type."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from support import typed
from support.effort import Effort, every_nth, examples, in_turn
from support.independent import arrow_type, hf_type, read
from support.typed import DEFAULTS, Kind

import lecompose

Pick = tuple[Path, int]

NUMBERS = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)
VERSIONS = st.sampled_from(["v2.0", "v2.1", "v3.0"])
ROW_GROUPS = st.sampled_from(["episode", "packed"])
FORMS = st.sampled_from(["empty", "inferred", "json", "string", "mixed"])
LENGTHS = ((3, 1, 4, 2), (2, 5, 1))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("types")


# One feature, as each of two sources happens to store it.
Pair = tuple[Kind, Kind]


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    dtype = draw(st.sampled_from(NUMBERS))
    either = st.booleans()
    match draw(st.sampled_from(["scalar", "vector", "array", "text", "image", "depth", "nulls"])):
        case "vector":
            size = draw(st.integers(2, 5))
            kinds = [typed.vector(dtype, size, fixed=draw(either)) for _ in range(2)]
        case "array":
            shape = tuple(draw(st.lists(st.integers(1, 3), min_size=2, max_size=5)))
            kinds = [typed.array(dtype, shape, extension=draw(either)) for _ in range(2)]
        case "image":
            kinds = [typed.image(draw(st.sampled_from(["png", "jpg"]))) for _ in range(2)]
        case "depth":
            kinds = [typed.depth()] * 2
        case "text":
            kinds = [typed.text()] * 2
        case "nulls":
            kinds = [
                typed.nulls("string", (1,), draw(st.sampled_from([pa.string(), pa.null()]))) for _ in range(2)
            ]
        case _:
            kinds = [typed.scalar(dtype)] * 2
    return kinds[0], kinds[1]


@st.composite
def features(draw: st.DrawFn) -> list[dict[str, Kind]]:
    """The features of two sources, alike in all but how they are stored."""
    found = {f"feature.{n}": pair for n, pair in enumerate(draw(st.lists(pairs(), min_size=3, max_size=7)))}
    if draw(st.booleans()):
        for name in ("language_persistent", "language_events"):
            found[name] = (typed.language(name, draw(FORMS)), typed.language(name, draw(FORMS)))
    return [{name: pair[n] for name, pair in found.items()} for n in range(2)]


def one_of_each() -> list[dict[str, Kind]]:
    """Every kind at once; the first that hypothesis draws are three booleans."""
    found: dict[str, Pair] = {
        **{f"s.{name}": (typed.scalar(name),) * 2 for name in ("bool", "uint64", "float16")},
        "v": (typed.vector("float32", 3, fixed=True), typed.vector("float32", 3, fixed=False)),
        "a": (
            typed.array("int16", (2, 1, 3), extension=True),
            typed.array("int16", (2, 1, 3), extension=False),
        ),
        "text": (typed.text(),) * 2,
        "image": (typed.image("png"), typed.image("jpg")),
        "depth": (typed.depth(),) * 2,
        "nulls": (typed.nulls("string", (1,), pa.string()), typed.nulls("string", (1,), pa.null())),
    }
    for name in ("language_persistent", "language_events"):
        found[name] = (typed.language(name, "mixed"), typed.language(name, "json"))
    return [{name: pair[n] for name, pair in found.items()} for n in range(2)]


@settings(
    max_examples=examples(1, whole=12),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate] if Effort.whole else [Phase.explicit],
)
@example(features=one_of_each(), versions=("v2.1", "v3.0"), row_groups="packed", seed=1, metadata=True)
@example(features=one_of_each(), versions=("v3.0", "v2.0"), row_groups="episode", seed=2, metadata=False)
@given(
    features=features(),
    versions=st.tuples(VERSIONS, VERSIONS),
    row_groups=ROW_GROUPS,
    seed=st.integers(0, 2**32),
    metadata=st.booleans(),
)
def test_any_types(
    features: list[dict[str, Kind]],
    versions: tuple[str, str],
    row_groups: str,
    seed: int,
    metadata: bool,
    scratch: Path,
) -> None:
    shutil.rmtree(scratch)
    scratch.mkdir()
    a, b = (
        typed.write(
            scratch / name, kinds, version=version, lengths=lengths, seed=seed + len(name), metadata=metadata
        )
        for name, kinds, version, lengths in zip(("a", "bb"), features, versions, LENGTHS, strict=True)
    )
    out = scratch / "out"
    every = [*((a, n) for n in range(4)), *((b, n) for n in range(3))]
    lecompose.merge([a, b], out=out / "merged", row_groups=row_groups)
    assert_exact(out / "merged", every, row_groups)
    lecompose.delete(out / "merged", out=out / "kept", episodes=[1, 4, 6], row_groups=row_groups)
    assert_exact(out / "kept", [every[n] for n in (0, 2, 3, 5)], row_groups)
    lecompose.split(a, out=out / "parts", into={"x": [0, 3], "y": [1, 2]}, row_groups=row_groups)
    assert_exact(out / "parts" / "x", [(a, 0), (a, 3)], row_groups)
    assert_exact(out / "parts" / "y", [(a, 1), (a, 2)], row_groups)
    mixed = [every[(3 * n) % 7] for n in range(20)]  # more reads than are done one by one
    rows = ", ".join(f"('{root.name}', {episode}, {n})" for n, (root, episode) in enumerate(mixed))
    lecompose.compose(
        f"select src_dataset, src_episode from (values {rows}) t(src_dataset, src_episode, n) order by n",
        {"a": a, "bb": b},
        out=out / "mixed",
        row_groups=row_groups,
    )
    assert_exact(out / "mixed", mixed, row_groups)


def test_a_sample_keeps_every_type(tmp_path: Path) -> None:
    scalars, vectors, arrays = (in_turn(NUMBERS, turn, every=3) for turn in range(3))
    kinds = {f"s.{name}": typed.scalar(name) for name in scalars}
    kinds |= {f"v.{name}": typed.vector(name, 3, fixed=True) for name in vectors}
    kinds |= {f"a.{name}": typed.array(name, (2, 1, 2), extension=True) for name in arrays}
    a = typed.write(tmp_path / "a", kinds, lengths=[2] * 40, version="v2.1")
    report = lecompose.sample(a, out=tmp_path / "out", episodes=30, seed=2)
    origin = lecompose.query(
        report.outputs[0].path, "select src_episode, from_episode from lineage order by 1"
    )
    picked = origin["from_episode"].to_pylist()
    assert picked != sorted(picked)
    assert_exact(tmp_path / "out", [(a, n) for n in picked], "episode")


@every_nth(2)
@pytest.mark.parametrize("row_groups", ["episode", "packed"])
def test_columns_of_nulls(row_groups: str, tmp_path: Path) -> None:
    stored = {
        ("float32", (1,)): pa.float32(),
        ("int64", (1,)): pa.int64(),
        ("bool", (1,)): pa.null(),
        ("float16", (3,)): pa.list_(pa.float16()),
        ("float32", (3,)): pa.list_(pa.float32(), 3),
        ("float64", (2, 2)): pa.list_(pa.list_(pa.float64())),
        ("image", (4, 6, 3)): typed.IMAGE,
    }
    kinds = {f"nothing.{n}": typed.nulls(*spec, kind) for n, (spec, kind) in enumerate(stored.items())}
    a = typed.write(tmp_path / "a", kinds)
    lecompose.merge([a, a], out=tmp_path / "out", row_groups=row_groups)
    assert_exact(tmp_path / "out", [(a, n) for n in (0, 1, 2)] * 2, row_groups)


def test_times_that_float32_cannot_hold_stay_as_they_are(tmp_path: Path) -> None:
    said = [[{"role": "user", "content": "go", "style": "plan", "timestamp": 0.1 * n}] for n in range(9)]
    kind = Kind("language", (1,), lambda _, n: pa.array(said[:n]))
    a = typed.write(tmp_path / "a", {"language_persistent": kind})
    lecompose.merge([a], out=tmp_path / "out")
    (path,) = (tmp_path / "out/data").glob("*/*.parquet")
    column = pq.read_table(path)["language_persistent"]
    assert column.type.value_type.field("timestamp").type == pa.float64()
    assert column.to_pylist()[2][0]["timestamp"] == 0.2
    told = json.loads(pq.read_schema(path).metadata[b"huggingface"])["info"]["features"]
    assert told["language_persistent"]["feature"]["timestamp"] == {"dtype": "float64", "_type": "Value"}


def test_a_language_column_of_other_fields_is_told(tmp_path: Path) -> None:
    cells = [[{"role": "user", "mood": 3}]]
    kind = Kind("language", (1,), lambda _, n: pa.array(cells * n))
    a = typed.write(tmp_path / "a", {"language_events": kind})
    with pytest.raises(lecompose.SourceBroken, match=r'"language_events" is list<.*mood'):
        lecompose.merge(a, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@every_nth(2)
@pytest.mark.parametrize(("version", "form"), [("v3.0", "json"), ("v2.1", "inferred"), ("v2.1", "empty")])
def test_undeclared_language_is_kept_and_told(version: str, form: str, tmp_path: Path) -> None:
    """LeRobot knows these columns by their names, and cannot open a dataset that does not declare them."""
    names = ("language_persistent", "language_events")
    a = typed.write(tmp_path / "a", {name: typed.language(name, form) for name in names}, version=version)
    before = read(a)
    info = json.loads((a / "meta/info.json").read_text())
    for name in names:
        del info["features"][name]
    (a / "meta/info.json").write_text(json.dumps(info))
    found = [f for f in lecompose.check(a) if f.feature in names and f.code != "huggingface_metadata"]
    assert [(f.code, f.feature) for f in found] == [("feature_filled", name) for name in names]
    for operation in (lecompose.merge, lecompose.repair):
        out = tmp_path / operation.__name__
        report = operation(a, out=out)
        assert all(any(f'"{name}": not declared' in note for note in report.notes) for name in names)
        made = read(out)
        for name in names:
            assert made.features[name] == {"dtype": "language", "shape": [1], "names": None}
        for ours, theirs in zip(made.episodes, before.episodes, strict=True):
            assert [len(said) for said in ours.rows[names[1]].to_pylist()] == [
                len(said) for said in theirs.rows[names[1]].to_pylist()
            ]


# Comparing --------------------------------------------------------------------------------------


def assert_exact(out: Path, picks: Sequence[Pick], row_groups: str) -> None:
    """Every cell of the output is the source's, bit for bit; every type and declaration is right."""
    if Effort.whole:  # the run itself has asked the same before it published
        assert lecompose.check(out) == []
    made = read(out)
    given = {root: read(root) for root, _ in picks}
    first = given[picks[0][0]]
    assert list(made.features) == list(first.features)
    for name, spec in first.features.items():
        # Without names LeRobot cannot train on pictures.
        wanted = spec | ({"names": ["height", "width", "channels"]} if spec["dtype"] == "image" else {})
        assert {key: made.features[name].get(key) for key in spec} == wanted, name
    for path in out.glob("data/*/*.parquet"):
        _assert_types(pq.read_schema(path), made.features, row_groups)
    assert [len(e) for e in made.episodes] == [len(given[root].episodes[n]) for root, n in picks]
    for ours, (root, n) in zip(made.episodes, picks, strict=True):
        theirs = given[root].episodes[n]
        assert ours.tasks == theirs.tasks
        for name in first.columns:
            if name not in DEFAULTS or name in ("timestamp", "frame_index"):
                where = f"{name} of {root.name} {n}"
                same = said if made.features[name]["dtype"] == "language" else bits
                assert same(ours.rows[name]) == same(theirs.rows[name]), where


def _assert_types(schema: pa.Schema, features: Mapping[str, Any], row_groups: str) -> None:
    told = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(told) == schema.names == list(features)
    for name, spec in features.items():
        field = schema.field(name)
        if spec["dtype"] == "language":
            _assert_language(field, told[name])
            continue
        assert field.type == arrow_type(spec), (name, field.type)
        assert told[name] == hf_type(spec), name
        if len(spec["shape"]) > 1 and spec["dtype"] != "image":
            kind = f"datasets.features.features.Array{len(spec['shape'])}DExtensionType"
            assert field.metadata[b"ARROW:extension:name"] == kind.encode()
            said = json.loads(field.metadata[b"ARROW:extension:metadata"])
            assert said == [spec["shape"], spec["dtype"]]


def _assert_language(field: pa.Field, told: dict[str, Any]) -> None:
    row = field.type.value_type
    time = ["timestamp"] if field.name == "language_persistent" else []
    assert [f.name for f in row] == ["role", "content", "style", *time, "camera", "tool_calls"]
    assert row.field("tool_calls").type.value_type == pa.json_()
    assert told["_type"] == "List"
    assert list(told["feature"]) == [f.name for f in row]
    assert told["feature"]["tool_calls"] == {"feature": {"_type": "Json"}, "_type": "List"}


def bits(column: pa.ChunkedArray) -> list[Any]:
    """All there is to a column's values, whatever the layout of its lists; nulls of any type are nulls."""
    return list(_bits(pa.concat_arrays(column.chunks) if column.num_chunks != 1 else column.chunk(0)))


def _bits(array: pa.Array) -> Iterator[Any]:
    array = array.storage if isinstance(array, pa.ExtensionArray) else array
    yield array.is_null().to_pylist()
    array = array.drop_null()
    if not len(array):
        return
    types = pa.types
    if types.is_list(array.type) or types.is_large_list(array.type) or types.is_fixed_size_list(array.type):
        yield pc.list_value_length(array).to_pylist()
        yield from _bits(array.flatten())
    elif types.is_struct(array.type):
        for n in range(array.type.num_fields):
            yield from _bits(pc.struct_field(array, [n]))
    elif types.is_floating(array.type):
        yield array.to_numpy().tobytes()
    else:
        yield array.to_pylist()


def said(column: pa.ChunkedArray) -> list[Any]:
    """A language column's meaning: what is not there is null, tool calls are JSON, however stored."""
    return [None if row is None else [_said(entry) for entry in row] for row in column.to_pylist()]


def _said(entry: dict[str, Any]) -> dict[str, Any]:
    keys = ("role", "content", "style", "timestamp", "camera")
    calls = entry.get("tool_calls")
    read = None if calls is None else [json.loads(c) if isinstance(c, str) else c for c in calls]
    return {key: entry.get(key) for key in keys} | {"tool_calls": read}
