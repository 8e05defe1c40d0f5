"""Sources that are not alike, made into one dataset with the option for it, and right cell by cell.

What an output should hold is said by a `Pick`: an episode, and what it is to give for each feature.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.effort import Effort, every_nth, examples, few
from support.independent import arrow_type, assert_merged, hf_type, is_numeric, numbers, read, truth

import lecompose
from lecompose.cli import main

Record = Callable[..., Path]
Extra = dict[str, tuple[str, tuple[int, ...], Callable[[int, int], Any]]]

FRONT, WRIST = "observation.images.front", "observation.images.wrist"
NUMBERED = ("index", "episode_index", "task_index")
PLAIN: dict[str, Any] = {"cameras": (), "frames": (4, 3)}


@dataclass(frozen=True)
class Pick:
    """An episode of a dataset; `renamed` says what its features are called, `filled` what others are."""

    root: Path
    episode: int
    renamed: Mapping[str, str] = field(default_factory=dict)
    filled: Mapping[str, Any] = field(default_factory=dict)


def every(
    root: Path, *, renamed: Mapping[str, str] | None = None, filled: Mapping[str, Any] | None = None
) -> list[Pick]:
    return [Pick(root, n, renamed or {}, filled or {}) for n in range(len(read(root).episodes))]


def assert_holds(out: Path, picks: Sequence[Pick], features: Iterable[str] | None = None) -> dict[str, Any]:
    """The output's features, once every cell, picture and statistic of it was found to be the picks'."""
    made = read(out)
    if features is not None:
        assert set(made.features) == {*features, "timestamp", "frame_index", *NUMBERED}
    assert len(made.episodes) == len(picks)
    given = {pick.root: read(pick.root) for pick in picks}
    for ours, pick in zip(made.episodes, picks, strict=True):
        theirs = given[pick.root].episodes[pick.episode]
        assert ours.tasks == theirs.tasks
        own = {pick.renamed.get(name, name): name for name in given[pick.root].features}
        for name in made.columns:
            if name in NUMBERED:
                continue
            wanted = theirs.rows[own[name]].to_pylist() if name in own else [pick.filled[name]] * len(theirs)
            assert ours.rows[name].to_pylist() == wanted, f"{pick}: {name}"
            same = name in own and made.features[name]["dtype"] != "string"
            if same and theirs.stats.get(f"{own[name]}/mean") is not None:
                np.testing.assert_allclose(
                    ours.stats[f"{name}/mean"], theirs.stats[f"{own[name]}/mean"], rtol=1e-6, atol=1e-6
                )
        for camera in made.cameras:
            assert ours.pictures(camera) == theirs.pictures(own[camera]), f"{pick}: {camera}"
    assert_declared(out)
    assert_statistics(out)
    if Effort.whole:  # the run itself has asked the same before it published
        assert lecompose.check(out) == []
    return made.features


def assert_declared(out: Path) -> None:
    """The columns are those that info.json declares, and so are the types for `datasets`."""
    features = read(out).features
    columns = {name: spec for name, spec in features.items() if spec["dtype"] != "video"}
    for path in out.glob("data/*/*.parquet"):
        schema = pq.read_schema(path)
        assert schema.names == list(columns)
        assert [schema.field(n).type for n in columns] == [arrow_type(spec) for spec in columns.values()]
        said = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        assert said == {name: hf_type(spec) for name, spec in columns.items()}


def assert_statistics(out: Path) -> None:
    """Global ones are those of all values that are there."""
    made = read(out)
    assert set(made.stats) <= set(made.features)
    for name, spec in made.features.items():
        if not is_numeric(spec):
            continue
        held = [e.rows[name].drop_null() for e in made.episodes]
        values = [numbers(column) for column in held if len(column)]
        if values:
            for stat, value in truth(np.concatenate(values)).items():
                np.testing.assert_allclose(made.stats[name][stat], value, rtol=1e-9, atol=1e-9)


def extra(**features: tuple[str, tuple[int, ...]]) -> Extra:
    """Features with numbers that every dtype holds."""
    return {name: (dtype, shape, _counted(dtype, shape)) for name, (dtype, shape) in features.items()}


def _counted(dtype: str, shape: tuple[int, ...]) -> Callable[[int, int], Any]:
    def value(episode: int, frame: int) -> Any:
        numbers = np.arange(int(np.prod(shape))) + 10 * episode + frame
        if dtype == "string":
            return f"{episode}/{frame}"
        return (numbers.reshape(shape) if shape != (1,) else numbers[0]).tolist()

    return value


def declare(root: Path, name: str, **changes: Any) -> None:
    """Change what info.json says of a feature."""
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    info["features"][name].update(changes)
    path.write_text(json.dumps(info))


def command_of(out: Path) -> str:
    rows = pq.read_table(out / "meta/lineage.parquet").to_pylist()
    return str(rows[0]["command"])


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [*map(str, arguments)])


# Names ------------------------------------------------------------------------------------------


def test_cameras_of_other_names(recorded: Record, tmp_path: Path) -> None:
    a = recorded(cameras=("front",), codec="h264", frames=(4, 6))
    b = recorded(cameras=("wrist",), codec="h264", frames=(5, 3), seed=1, version="v2.1")
    with pytest.raises(lecompose.FeatureMismatch, match=f"Try: --rename .{WRIST}={FRONT}"):
        lecompose.merge([a, b], out=tmp_path / "out")
    report = lecompose.merge([a, b], out=tmp_path / "out", rename={WRIST: FRONT})
    assert report.frames_decoded == 0
    assert_holds(tmp_path / "out", [*every(a), *every(b, renamed={WRIST: FRONT})],
                 [FRONT, "observation.state", "action"])  # fmt: skip
    assert {p.name for p in (tmp_path / "out/videos").iterdir()} == {FRONT}


def test_two_cameras_change_places_in_one_source(recorded: Record, tmp_path: Path) -> None:
    a = recorded(codec="h264", frames=(4, 6))
    b = recorded(codec="h264", frames=(5, 3), seed=1)
    rename = [f"b:{WRIST}={FRONT}", f"b:{FRONT}={WRIST}"]
    lecompose.merge({"a": a, "b": b}, out=tmp_path / "out", rename=rename)
    swapped = {WRIST: FRONT, FRONT: WRIST}
    assert_holds(tmp_path / "out", [*every(a), *every(b, renamed=swapped)])


def test_clips_that_are_encoded_anew_follow_their_new_name(make_dataset: Record, tmp_path: Path) -> None:
    source = make_dataset(cameras=("front",), codec="h264", frames=(5, 7, 6), seed=3)
    with_one_key(next(source.glob("videos/*/*/*.mp4")))
    out = tmp_path / "out"
    report = lecompose.delete(source, out=out, episodes=[0], rename={FRONT: "eye"})
    assert [(clip.camera, clip.src_episode) for clip in report.reencoded] == [("eye", 1), ("eye", 2)]
    assert min(clip.psnr_db or 0 for clip in report.reencoded) > 30
    assert read(out).cameras == ["eye"]
    assert lecompose.check(out) == []


def with_one_key(path: Path) -> None:
    """Encode a video anew, so that only its first frame can be begun at."""
    with av.open(str(path)) as video:
        pictures = [frame.to_ndarray(format="yuv420p") for frame in video.decode(video=0)]
    with av.open(str(path), "w", format="mp4") as out:
        options = {"g": "250", "bf": "0", "crf": "18", "threads": "1", "preset": "veryfast"}
        stream = out.add_stream("libx264", rate=30, options=options)
        (stream.width, stream.height), stream.pix_fmt = (64, 48), "yuv420p"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def test_a_name_of_one_source_counts_before_that_of_all(recorded: Record, tmp_path: Path) -> None:
    a = recorded(**PLAIN)
    b = recorded(**PLAIN, seed=1)
    lecompose.merge(
        {"a": a, "b": b},
        out=tmp_path / "out",
        rename=["b:action=target", "action=goal", "b:observation.state=goal", "a:observation.state=target"],
    )
    ours = {"action": "goal", "observation.state": "target"}
    theirs = {"action": "target", "observation.state": "goal"}
    assert_holds(tmp_path / "out", [*every(a, renamed=ours), *every(b, renamed=theirs)], ["goal", "target"])


@pytest.mark.parametrize("row_groups", few(("packed", "episode"), kept=lambda n: n == 0))
def test_every_operation_renames(row_groups: str, recorded: Record, tmp_path: Path) -> None:
    """SQL goes on speaking of a source by the source's own names."""
    source = recorded(cameras=("front",), codec="h264", frames=(4, 6, 5))
    renamed = {"observation.state": "state", "action": "a b.c", FRONT: "eye"}
    options: dict[str, Any] = {"rename": renamed, "row_groups": row_groups}
    lecompose.filter(
        source,
        out=tmp_path / "out",
        where_frames='max("observation.state"[1]) > -100 and count(*) > 4',
        **options,
    )
    assert_holds(tmp_path / "out", every(source, renamed=renamed)[1:], ["state", "a b.c", "eye"])
    lecompose.split(source, out=tmp_path / "parts", into={"x": "0:1", "y": "1:3"}, **options)
    assert_holds(tmp_path / "parts/x", every(source, renamed=renamed)[:1])
    assert_holds(tmp_path / "parts/y", every(source, renamed=renamed)[1:])


def test_scattered_episodes_of_sources_with_other_names(recorded: Record, tmp_path: Path) -> None:
    """So many reads of one file go another way than few."""
    a = recorded(cameras=(), frames=(2,) * 15, extra_features=extra(n=("int32", (3,)), only=("bool", (1,))))
    b = recorded(cameras=(), frames=(3,) * 15, seed=1, extra_features=extra(m=("uint8", (3,))))
    picks = [(name, n) for n in range(15) for name in ("a", "b")][::-1]
    rows = ", ".join(f"('{name}', {n})" for name, n in picks)
    lecompose.compose(
        f"from (values {rows}) t(src_dataset, src_episode)",
        {"a": a, "b": b},
        out=tmp_path / "out",
        rename={"m": "n", "a:action": "x", "b:action": "x"},
        features="union",
    )
    of_a = every(a, renamed={"action": "x"})
    of_b = every(b, renamed={"action": "x", "m": "n"}, filled={"only": None})
    features = assert_holds(tmp_path / "out", [(of_a if s == "a" else of_b)[n] for s, n in picks])
    assert features["n"]["dtype"] == "int32"


def test_the_command_makes_the_same_again(recorded: Record, tmp_path: Path) -> None:
    a, b = recorded(**PLAIN), recorded(**PLAIN, seed=1, extra_features=extra(old=("float64", (1,))))
    options = ["--rename", "b:old=new name", "--rename", "action=goal", "--features", "union"]
    options += ["--fill", "zero", "--cast", "new name=float32"]
    result = run("merge", f"a={a}", f"b={b}", "-o", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    assert command_of(tmp_path / "out") == (
        f"lecompose merge a={a} b={b} -o out --features union --fill zero --rename 'b:old=new name'"
        " --rename action=goal --cast 'new name=float32'"
    )
    filled = {"new name": 0.0}
    ours = every(a, renamed={"action": "goal"}, filled=filled)
    assert_holds(tmp_path / "out", [*ours, *every(b, renamed={"action": "goal", "old": "new name"})])


def test_others_metadata_that_names_features_is_left_out(make_dataset: Record, tmp_path: Path) -> None:
    source = make_dataset(**PLAIN)
    (source / "meta/modality.json").write_text('{"action": {}}')
    lecompose.merge(source, out=tmp_path / "same")
    assert (tmp_path / "same/meta/modality.json").is_file()
    report = lecompose.merge(source, out=tmp_path / "out", rename={"action": "goal"})
    assert not (tmp_path / "out/meta/modality.json").exists()
    assert any("modality.json is left out" in note for note in report.notes)


@pytest.mark.parametrize(
    ("rename", "told"),
    [
        ({"acton": "x"}, '"acton" in "a", "b" (did you mean "action"?)'),
        ({"b:acton": "x"}, '"acton" in "b" (did you mean "action"?)'),
        ({"c:action": "x"}, '"c:action" in "a", "b"'),
        ({"timestamp": "time"}, '"timestamp" is one of the five'),
        ({"action": "index"}, 'would both be "index"'),
        ({"action": "Observation.State"}, 'would both be "Observation.State"'),
        ({"action": "a/b"}, 'may not contain "/"'),
        ({"action": "filename"}, 'SQL has "filename" for itself'),
        (["action"], '"action": not left=right'),
        (["action=x", "action=y"], '"action" is given 2 times'),
    ],
)
def test_names_that_cannot_be(rename: Any, told: str, recorded: Record, tmp_path: Path) -> None:
    sources = {"a": recorded(**PLAIN), "b": recorded(**PLAIN, seed=1)}
    with pytest.raises(lecompose.RequestError) as refused:
        lecompose.merge(sources, out=tmp_path / "out", rename=rename)
    assert told in str(refused.value)
    assert list(tmp_path.iterdir()) == []


# Features that not all have ---------------------------------------------------------------------


EXTRA = extra(
    reward=("float32", (1,)), grid=("int16", (2, 3)), text=("string", (1,)), vector=("float64", (4,))
)
ZERO = {"reward": 0.0, "grid": [[0] * 3] * 2, "text": "", "vector": [0.0] * 4}
NULL = dict.fromkeys(ZERO)


def test_extra_features_are_refused_with_the_way_out(recorded: Record, tmp_path: Path) -> None:
    a, b = recorded(**PLAIN, extra_features=EXTRA), recorded(**PLAIN, seed=1)
    with pytest.raises(lecompose.FeatureMismatch, match=r'"reward".*not in.*Try: --features common'):
        lecompose.merge([a, b], out=tmp_path / "out")


def test_common_features(recorded: Record, tmp_path: Path) -> None:
    a = recorded(cameras=("front", "wrist"), codec="h264", frames=(4, 3), extra_features=EXTRA)
    b = recorded(cameras=("front",), codec="h264", frames=(5,), seed=1)
    report = lecompose.merge({"a": a, "b": b}, out=tmp_path / "out", features="common")
    assert_holds(tmp_path / "out", [*every(a), *every(b)], [FRONT, "observation.state", "action"])
    for name in (*EXTRA, WRIST):
        assert f'feature "{name}" of "a" is left out: not in "b"' in report.notes


UNIONS = list(product(("null", "zero"), ("episode", "packed"), ("v2.0", "v2.1", "v3.0")))


@pytest.mark.parametrize(("fill", "row_groups", "version"), few(UNIONS, kept=lambda n: n in (2, 10)))
def test_union_of_features(
    fill: str, row_groups: str, version: str, recorded: Record, tmp_path: Path
) -> None:
    filled = NULL if fill == "null" else ZERO
    a = recorded(**PLAIN, extra_features=EXTRA, version=version)
    b = recorded(**PLAIN, seed=1, extra_features=extra(own=("bool", (1,))))
    options: dict[str, Any] = {"features": "union", "fill": fill, "row_groups": row_groups}
    report = lecompose.merge({"a": a, "b": b}, out=tmp_path / "out", **options)
    own = {"own": None if fill == "null" else False}
    picks = [*every(a, filled=own), *every(b, filled=filled)]
    features = assert_holds(tmp_path / "out", picks, [*EXTRA, "own", "observation.state", "action"])
    assert list(features)[-5:] == ["timestamp", "frame_index", "episode_index", "index", "task_index"]
    assert sum(note.startswith('feature "reward" is') for note in report.notes) == 1
    # What was filled goes on as it is.
    lecompose.delete(tmp_path / "out", out=tmp_path / "again", episodes=[0, 2], row_groups=row_groups)
    assert_holds(tmp_path / "again", [picks[1], picks[3]])


def test_pictures_cannot_be_made_up(recorded: Record, tmp_path: Path) -> None:
    a = recorded(cameras=("front",), codec="h264", frames=(4,))
    b = recorded(cameras=(), image_features=("wrist",), frames=(4,), seed=1)
    with pytest.raises(lecompose.FeatureMismatch) as refused:
        lecompose.merge({"a": a, "b": b}, out=tmp_path / "out", features="union", fill="zero")
    for told in (f'camera "{FRONT}": not in "b"', "--features common", f'"{WRIST}"', "--fill null"):
        assert told in str(refused.value)


def test_features_that_sql_cannot_tell_apart(recorded: Record, tmp_path: Path) -> None:
    a = recorded(**PLAIN, extra_features=extra(Reward=("float32", (1,))))
    b = recorded(**PLAIN, extra_features=extra(reward=("float32", (1,))))
    with pytest.raises(lecompose.FeatureMismatch, match=r'"reward" in "b" cannot be told from "Reward"'):
        lecompose.merge({"a": a, "b": b}, out=tmp_path / "out", features="union")
    lecompose.merge({"a": a, "b": b}, out=tmp_path / "out", rename={"Reward": "reward"})
    assert_holds(tmp_path / "out", [*every(a, renamed={"Reward": "reward"}), *every(b)])


# Spellings and types ----------------------------------------------------------------------------


def test_video_info_is_info(make_dataset: Record, recorded: Record, tmp_path: Path) -> None:
    other = make_dataset(cameras=("front",), codec="h264", version="v2.1", seed=1)
    path = other / "meta/info.json"
    info = json.loads(path.read_text())
    info["features"][FRONT]["video_info"] = info["features"][FRONT].pop("info")
    path.write_text(json.dumps(info))
    one = recorded(cameras=("front",), codec="h264")
    lecompose.merge([one, other], out=tmp_path / "out")
    assert_merged(tmp_path / "out", [one, other])


@pytest.mark.parametrize(
    ("row_groups", "stored"),
    few(
        product(("episode", "packed"), (pa.float32(), pa.list_(pa.float32()), pa.list_(pa.float32(), 1))),
        kept=lambda n: n in (0, 2, 4),
    ),
)
def test_a_vector_of_one_is_a_scalar(
    row_groups: str, stored: pa.DataType, make_dataset: Record, recorded: Record, tmp_path: Path
) -> None:
    features = extra(reward=("float32", (1,)))
    one = recorded(**PLAIN, extra_features=features)
    other = make_dataset(**PLAIN, seed=1, extra_features=features)
    if pa.types.is_nested(stored):
        (path,) = other.glob("data/*/*.parquet")
        held = pq.read_table(path)
        at = held.schema.get_field_index("reward")
        vectors = pa.array([[value] for value in held["reward"].to_pylist()], stored)
        pq.write_table(held.set_column(at, "reward", vectors), path)
    else:
        declare(other, "reward", shape=[])
    lecompose.merge([one, other], out=tmp_path / "out", row_groups=row_groups)
    rows = pq.read_table(next((tmp_path / "out").glob("data/*/*.parquet")))
    assert rows["reward"].to_pylist() == [0, 1, 2, 3, 10, 11, 12] * 2
    assert_declared(tmp_path / "out")
    assert_statistics(tmp_path / "out")
    assert lecompose.check(tmp_path / "out") == []


WIDER = {
    ("int32", "int64"): "int64",
    ("uint8", "int16"): "int16",
    ("int8", "uint8"): "int16",
    ("uint32", "int32"): "int64",
    ("float16", "float32"): "float32",
    ("float64", "float32"): "float64",
    ("int16", "float32"): "float32",
    ("int32", "float64"): "float64",
    ("int16", "float16"): "float32",
    ("int32", "float32"): "float64",
}


@pytest.mark.parametrize("shape", few([((1,),), ((3,),), ((2, 2),)], kept=lambda n: n != 1))
def test_the_wider_type_is_taken(shape: tuple[int, ...], recorded: Record, tmp_path: Path) -> None:
    """Each pair of types is a feature of its own."""
    a, b = (
        recorded(
            **PLAIN, seed=n, extra_features=extra(**{"-".join(pair): (pair[n], shape) for pair in WIDER})
        )
        for n in range(2)
    )
    lecompose.merge([a, b], out=tmp_path / "out")
    features = assert_holds(tmp_path / "out", [*every(a), *every(b)])
    for pair, both in WIDER.items():
        assert features["-".join(pair)]["dtype"] == both, pair


@pytest.mark.parametrize(
    ("one", "other"), [("int64", "float64"), ("int64", "float32"), ("uint64", "int64"), ("bool", "int8")]
)
def test_types_that_no_type_holds(one: str, other: str, recorded: Record, tmp_path: Path) -> None:
    def of(dtype: str) -> Path:
        def value(episode: int, frame: int) -> Any:
            return True if dtype == "bool" else frame

        return recorded(**PLAIN, extra_features={"x": (dtype, (1,), value)})

    a, b = of(one), of(other)
    with pytest.raises(lecompose.FeatureMismatch) as refused:
        lecompose.merge([a, b], out=tmp_path / "out")
    assert all(said in str(refused.value) for said in ('feature "x": dtype', one, other))
    assert ("Try: --cast x=DTYPE" in str(refused.value)) == ("bool" not in (one, other))


def test_a_cast_that_loses_digits(recorded: Record, tmp_path: Path) -> None:
    def value(episode: int, frame: int) -> list[float]:
        return [episode + frame / 3, -1.9, 2.0**-30]

    def whole(episode: int, frame: int) -> list[float]:
        return [episode, -frame, 1]

    source = recorded(**PLAIN, extra_features={"x": ("float64", (3,), value), "y": ("float64", (3,), whole)})
    lecompose.merge(source, out=tmp_path / "out", cast=["x=float32", "y=int8"])
    made = read(tmp_path / "out")
    frames = [(e, f) for e, length in enumerate((4, 3)) for f in range(length)]
    rows = pa.concat_tables([episode.rows for episode in made.episodes])
    assert rows["x"].to_pylist() == np.array([value(*at) for at in frames], np.float32).tolist()
    assert rows["y"].to_pylist() == [whole(*at) for at in frames]
    assert_declared(tmp_path / "out")
    assert_statistics(tmp_path / "out")
    for episode in made.episodes:
        for name in ("x", "y"):
            np.testing.assert_allclose(
                episode.stats[f"{name}/mean"], numbers(episode.rows[name]).mean(axis=0), rtol=1e-9, atol=1e-12
            )
    assert lecompose.check(tmp_path / "out") == []


@every_nth(2)
@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(
    ("dtype", "value", "to"),
    [
        ("float64", 1e39, "float32"),
        ("float32", float("nan"), "int32"),
        ("float64", 2.0**63, "int64"),
        ("float32", 0.5, "int64"),
        ("int64", 128, "int8"),
        ("int16", -1, "uint16"),
    ],
)
def test_a_value_that_does_not_fit(
    dtype: str, value: float, to: str, many: bool, recorded: Record, tmp_path: Path
) -> None:
    """Named by its episode, whether episodes are read one behind the other or picked out."""

    def x(episode: int, frame: int) -> list[float]:
        return [1, value if (episode, frame) == (2, 1) else 2]

    source = recorded(
        cameras=(), version="v2.1", frames=(2,) * 20, with_stats=False, extra_features={"x": (dtype, (2,), x)}
    )
    operation = lecompose.sample if many else lecompose.merge
    with pytest.raises(lecompose.RequestError, match=rf'--cast x={to[:3]}.*"a", episode 2 does not fit'):
        operation({"a": source}, out=tmp_path / "out", cast={"x": to})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("cast", "told"),
    [
        ("acton=float64", 'no feature "acton" (did you mean "action"?)'),
        ("action=float", 'dtype "float" is not one of int8'),
        ("action=string", 'dtype "string" is not one of'),
        ("index=int32", '"index" has the same dtype in every dataset'),
        ("text=int32", '"text" holds string, not numbers'),
    ],
)
def test_casts_that_cannot_be(cast: str, told: str, recorded: Record, tmp_path: Path) -> None:
    source = recorded(**PLAIN, extra_features=EXTRA)
    result = run("merge", source, "-o", tmp_path / "out", "--cast", cast)
    assert result.exit_code == 2
    assert told in result.output


def test_shapes_and_rates_are_refused_with_all_of_them(recorded: Record, tmp_path: Path) -> None:
    a, b = recorded(**PLAIN), recorded(**PLAIN, action_dim=7, fps=15)
    c = recorded(**PLAIN, fps=50)
    for features in ("same", "common", "union"):
        with pytest.raises(lecompose.FeatureMismatch) as refused:
            lecompose.merge({"a": a, "b": b, "c": c}, out=tmp_path / "out", features=features)
        for told in ('"action": shape [6] in "a", "c"; [7] in "b"', '30 in "a"; 15 in "b"; 50 in "c"',
                     "Try: --fps 5"):  # fmt: skip
            assert told in str(refused.value)


# Any of it, together ----------------------------------------------------------------------------

KINDS = ("int8", "int16", "int32", "float32", "float64")
Given = dict[str, tuple[str, tuple[int, ...]]]
SHAPES: dict[str, tuple[int, ...]] = {"p": (1,), "q": (3,), "r": (2, 2)}
features = st.dictionaries(st.sampled_from(sorted(SHAPES)), st.sampled_from(KINDS), max_size=3)


@settings(
    max_examples=examples(2, whole=30),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],
)
@given(
    held=st.lists(
        st.tuples(features, st.booleans(), st.sampled_from(["v2.1", "v3.0"])), min_size=2, max_size=3
    ),
    shared=st.sampled_from(["common", "union"]),
    fill=st.sampled_from(["null", "zero"]),
    row_groups=st.sampled_from(["episode", "packed"]),
)
def test_any_sources(
    held: list[tuple[dict[str, str], bool, str]],
    shared: str,
    fill: str,
    row_groups: str,
    recorded: Record,
    tmp_path: Path,
) -> None:
    """Subsets of three features, each of any dtype, under other names in some sources."""
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    sources, rename, picks = {}, {}, []
    for n, (dtypes, renamed, version) in enumerate(held):
        names = {f"{name}_{n}" if renamed else name: name for name in dtypes}
        own = extra(**{old: (dtypes[name], SHAPES[name]) for old, name in names.items()})
        sources[f"s{n}"] = recorded(**PLAIN, version=version, extra_features=own)
        rename |= {f"s{n}:{old}": name for old, name in names.items() if old != name}
        zeros = {
            name: np.zeros(shape if shape != (1,) else (), int).tolist() for name, shape in SHAPES.items()
        }
        filled = zeros if fill == "zero" else dict.fromkeys(SHAPES)
        picks += every(sources[f"s{n}"], renamed=names, filled=filled)
    lecompose.merge(
        sources, out=tmp_path / "out", rename=rename, features=shared, fill=fill, row_groups=row_groups
    )
    having = [set(dtypes) for dtypes, _, _ in held]
    kept = set.intersection(*having) if shared == "common" else set.union(*having)
    found = assert_holds(tmp_path / "out", picks, [*kept, "observation.state", "action"])
    for name in kept:
        assert found[name]["dtype"] == widest({dtypes[name] for dtypes, _, _ in held if name in dtypes})


def widest(dtypes: set[str]) -> str:
    """The narrowest of the kinds that counts as far as each of them."""
    holds = {
        "int8": {"int8"},
        "int16": {"int8", "int16"},
        "int32": {"int8", "int16", "int32"},
        "float32": {"int8", "int16", "float32"},
        "float64": set(KINDS),
    }
    return next(kind for kind in KINDS if dtypes <= holds[kind])
