"""What info.json says of features, held against their files: sources that are alike merge, others do not."""

import json
import re
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.effort import few
from support.independent import assert_merged
from support.typed import tiff

import lecompose

Record = Callable[..., Path]
FRONT, STATE = "observation.images.front", "observation.state"
PLAIN: dict[str, Any] = {"cameras": (), "frames": (4, 3)}
VIDEO: dict[str, Any] = {"cameras": ("front",), "codec": "h264", "frames": (4, 3)}
IMAGE: dict[str, Any] = {"cameras": (), "image_features": ("front",), "frames": (4, 3)}
AXES = ["x", "y", "z", "roll", "pitch", "grip"]


def declare(root: Path, name: str, **changes: Any) -> Path:
    """Fields of a feature's entry; a function makes the field of what it was."""
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    spec = info["features"][name]
    spec.update({key: of(spec.get(key)) if callable(of) else of for key, of in changes.items()})
    path.write_text(json.dumps(info))
    return root


def declared(root: Path, name: str) -> dict[str, Any]:
    return json.loads((root / "meta/info.json").read_text())["features"][name]


# Names ------------------------------------------------------------------------------------------

ALIKE = [
    AXES,
    [AXES],
    {"motors": AXES},
    {name: n for n, name in enumerate(AXES)},
    {name: float(n) for n, name in reversed(list(enumerate(AXES)))},
    {name: str(n) for n, name in enumerate(AXES)},
    {str(n): name for n, name in reversed(list(enumerate(AXES)))},
    {"arm": {name: n for n, name in reversed(list(enumerate(AXES)))}},
]
UNLIKE = [
    AXES[::-1],
    {name: 5 - n for n, name in enumerate(AXES)},
    {name.upper(): n for n, name in enumerate(AXES)},
    {str(5 - n): name for n, name in enumerate(AXES)},
]


def test_spellings_of_the_same_names(make_dataset: Record, tmp_path: Path) -> None:
    """Whichever comes first, which is the one that all others are compared with."""
    roots = [
        declare(make_dataset(f"d{n}", **PLAIN, seed=n), "action", names=names)
        for n, names in enumerate(ALIKE)
    ]
    for n in range(len(roots)):
        lecompose.merge([*roots[n:], *roots[:n]], out=tmp_path / "out", dry_run=True)


@pytest.mark.parametrize("names", UNLIKE)
def test_other_names_are_refused(names: Any, make_dataset: Record, tmp_path: Path) -> None:
    by_position = {name: n for n, name in enumerate(AXES)}
    one = declare(make_dataset("one", **PLAIN), "action", names=by_position)
    other = declare(make_dataset("other", **PLAIN, seed=1), "action", names=names)
    with pytest.raises(lecompose.FeatureMismatch, match=r'"action": names \["x"'):
        lecompose.merge([one, other], out=tmp_path / "out")


def test_groups_in_another_order_are_refused(make_dataset: Record, tmp_path: Path) -> None:
    three = ["x", "y", "z"]
    one = declare(make_dataset("one", **PLAIN), "action", names={"left": three, "right": three})
    other = declare(make_dataset("other", **PLAIN), "action", names={"right": three, "left": three})
    with pytest.raises(lecompose.FeatureMismatch, match="groups of names"):
        lecompose.merge([one, other], out=tmp_path / "out")


def test_positions_are_written_as_a_list(make_dataset: Record, tmp_path: Path) -> None:
    names = {name: n for n, name in reversed(list(enumerate(AXES)))}
    root = declare(make_dataset(**PLAIN), "action", names=names)
    report = lecompose.merge(root, out=tmp_path / "out")
    assert declared(tmp_path / "out", "action")["names"] == AXES
    assert any('"action": names is {"grip": 5' in note for note in report.notes)
    assert lecompose.check(tmp_path / "out") == []


# Size and layout --------------------------------------------------------------------------------

LAYOUTS: list[dict[str, Any]] = [
    {"shape": [3, 48, 64], "names": None},
    {"shape": [3, 48, 64], "names": ["channels", "height", "width"]},
    {"shape": [3, 48, 64], "names": ["height", "width", "channels"]},
    {"shape": [64, 48, 3], "names": ["width", "height", "channels"]},
    {"shape": [128, 128, 3]},
    {"shape": [48, 64, 4]},
    {"shape": ["48", 64.0, 3]},
]


@pytest.mark.parametrize(
    ("layout", "settings"), few(product(LAYOUTS, (VIDEO, IMAGE)), kept=lambda n: n % 4 in (0, 3))
)
def test_the_file_has_the_say(
    layout: dict[str, Any], settings: dict[str, Any], make_dataset: Record, recorded: Record, tmp_path: Path
) -> None:
    odd = declare(make_dataset("odd", **settings, seed=1), FRONT, **layout)
    one = recorded(**settings)
    lecompose.merge([odd, one], out=tmp_path / "out")
    assert declared(tmp_path / "out", FRONT)["shape"] == [48, 64, 3]
    assert declared(tmp_path / "out", FRONT)["names"] == ["height", "width", "channels"]
    if settings is VIDEO:
        info = declared(tmp_path / "out", FRONT)["info"]
        assert [info[f"video.{key}"] for key in ("height", "width", "channels")] == [48, 64, 3]
    assert lecompose.check(tmp_path / "out") == []


def test_channels_first_stay_first_where_all_have_them_so(make_dataset: Record, tmp_path: Path) -> None:
    sound = {"shape": [3, 48, 64], "names": ["channels", "height", "width"]}
    roots = [declare(make_dataset(f"d{n}", **VIDEO, seed=n), FRONT, **sound) for n in range(2)]
    report = lecompose.merge(roots, out=tmp_path / "out")
    assert {key: declared(tmp_path / "out", FRONT)[key] for key in sound} == sound
    assert report.notes == ()
    assert lecompose.check(tmp_path / "out") == []


@pytest.mark.parametrize("settings", [VIDEO, IMAGE], ids=["video", "image"])
def test_pictures_of_other_sizes_are_refused_whatever_is_declared(
    settings: dict[str, Any], make_dataset: Record, recorded: Record, tmp_path: Path
) -> None:
    small = declare(make_dataset(**settings, size=(32, 24)), FRONT, shape=[48, 64, 3])
    with pytest.raises(lecompose.FeatureMismatch, match=r"shape \[24, 32, 3\] in .*; \[48, 64, 3\] in"):
        lecompose.merge([small, recorded(**settings)], out=tmp_path / "out")


def test_the_codec_is_that_of_the_files(make_dataset: Record, recorded: Record, tmp_path: Path) -> None:
    """Sources that say nothing, or something else, do not make the output say it."""
    silent = declare(make_dataset("silent", **VIDEO | {"codec": "libsvtav1"}), FRONT, info=None)
    wrong = declare(
        make_dataset("wrong", **VIDEO | {"codec": "libsvtav1"}, seed=1),
        FRONT,
        info=lambda info: info | {"video.codec": "h264", "video.pix_fmt": "yuv444p"},
    )
    report = lecompose.merge([wrong, silent], out=tmp_path / "out")
    info = declared(tmp_path / "out", FRONT)["info"]
    assert (info["video.codec"], info["video.pix_fmt"]) == ("av1", "yuv420p")
    assert any("video.codec is declared as h264, the file has av1" in note for note in report.notes)
    lecompose.merge([recorded(**VIDEO), silent], out=tmp_path / "both")
    assert declared(tmp_path / "both", FRONT)["info"]["video.codec"] is None


@pytest.mark.parametrize(
    "place",
    [
        {"info": {"codec": "av1", "fps": "30", "height": 48.0, "width": "64"}},
        {"info": None, "video_info": {"video.codec": "av1", "video.fps": 30.0}},
        {"info": {}, "meta": {"video.codec": "av1", "height": "48"}},
    ],
    ids=["without prefix", "video_info", "meta"],
)
def test_camera_properties_of_other_spellings(
    place: dict[str, Any], make_dataset: Record, tmp_path: Path
) -> None:
    root = declare(make_dataset(**VIDEO), FRONT, **place)
    report = lecompose.merge(root, out=tmp_path / "out")
    info = declared(tmp_path / "out", FRONT)["info"]
    assert info["video.codec"] == "h264"
    assert info.get("video.height") in (None, 48)
    assert "codec" not in info
    assert any("video.codec is declared as av1, the file has h264" in note for note in report.notes)


# Depth ------------------------------------------------------------------------------------------

MARKS: list[dict[str, Any]] = [
    {"info": {"is_depth_map": True}},
    {"info": {"video.is_depth_map": True}},
    {"info": None, "video_info": {"video.is_depth_map": True}},
    {"info": {"video.is_depth_map": False}, "video_info": {"video.is_depth_map": True}},
    {"info": {"depth_unit": "m"}, "video_info": {"is_depth_map": "true"}},
    {"info": {"depth_unit": "m"}},
    {"info": None},
]


def as_depths(root: Path) -> Path:
    """Pictures of one channel, in metres, in the place of the others."""
    for path in root.glob("data/*/*.parquet"):
        table = pq.read_table(path, partitioning=None)
        at = table.schema.get_field_index(FRONT)
        pictures = [tiff(np.full((48, 64), 2.0 + n, np.float32)) for n in range(len(table))]
        values = [{"bytes": held, "path": f"frame-{n:06d}.tiff"} for n, held in enumerate(pictures)]
        pq.write_table(table.set_column(at, table.field(at), pa.array(values, table.field(at).type)), path)
    return root


@pytest.mark.parametrize("mark", MARKS, ids=str)
def test_a_depth_map_is_one_wherever_it_is_marked(
    mark: dict[str, Any], make_dataset: Record, tmp_path: Path
) -> None:
    layout = {"shape": [48, 64, 1], "names": ["height", "width", "channels"]}
    settings = IMAGE | {"with_stats": False}
    one = declare(as_depths(make_dataset("one", **settings)), FRONT, **layout, info={"is_depth_map": True})
    other = declare(as_depths(make_dataset("other", **settings)), FRONT, **layout, **mark)
    report = lecompose.merge([other, one], out=tmp_path / "out")
    info = declared(tmp_path / "out", FRONT)["info"]
    assert info["is_depth_map"] is True
    assert "video.is_depth_map" not in info
    is_told = any("depth map" in note for note in report.notes)
    assert is_told == (mark != MARKS[0])
    if info.get("depth_unit"):
        lecompose.stats(other, out=tmp_path / "stats", images=True)
        stats = json.loads((tmp_path / "stats/meta/stats.json").read_text())
        assert stats[FRONT]["min"] == [[[2.0]]]
        assert lecompose.check(tmp_path / "stats") == []


def test_a_marked_camera_of_colours_is_told(make_dataset: Record) -> None:
    root = declare(make_dataset(**VIDEO), FRONT, info=lambda info: info | {"is_depth_map": True})
    assert any(f.code == "depth_marks" and "(yuv420p)" in f.problem for f in lecompose.check(root))
    lecompose.merge(root, out=root.with_name("out"))
    assert [f.code for f in lecompose.check(root.with_name("out"))] == ["depth_marks"]


# What only the files tell -----------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_every_reader_reads_the_same(version: str, make_dataset: Record) -> None:
    root = make_dataset(**VIDEO, version=version)
    declare(root, "action", shape=[None])
    declare(root, STATE, dtype="torch.float32", shape=["6.0"])
    (told,) = lecompose.query(
        root, "select feature, dtype, shape from features where feature = 'action'"
    ).to_pylist()
    assert told == {"feature": "action", "dtype": "float32", "shape": [6]}
    with lecompose.open(root) as opened:
        assert opened.query(f'select "{STATE}" from frames').num_rows == 7
    held = {column.name: column.shape for column in lecompose.info(root).features}
    assert held["action"] == held[STATE] == (6,)


def test_lists_without_a_length_tell_it_by_a_row(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(**PLAIN)
    for path in root.glob("data/*/*.parquet"):
        table = pq.read_table(path, partitioning=None)
        at = table.schema.get_field_index("action")
        values = pa.array(table["action"].to_pylist(), pa.list_(pa.float32()))
        pq.write_table(table.set_column(at, "action", values), path)
    declare(root, "action", shape=[])
    declare(root, "action", shape="six")
    lecompose.merge(root, out=tmp_path / "out")
    assert declared(tmp_path / "out", "action")["shape"] == [6]
    assert_merged(tmp_path / "out", [declare(root, "action", shape=[6])])


def test_repair_tells_each_feature_that_is_gone(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(**VIDEO)
    shutil.rmtree(root / "videos")
    declare(root, FRONT, shape=[None])
    with pytest.raises(lecompose.SourceBroken, match=re.escape(FRONT)):
        lecompose.merge(root, out=tmp_path / "out")
    report = lecompose.repair(root, out=tmp_path / "out")
    assert any(f'feature "{FRONT}": ' in note and "left out with its data" in note for note in report.notes)


def test_cameras_without_statistics_name_the_command(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(**VIDEO, version="v2.1", with_stats=False)
    declare(root, FRONT, names=None)
    report = lecompose.merge(root, out=tmp_path / "out")
    (note,) = [note for note in report.notes if "picture statistics" in note]
    assert "Try: lecompose stats DATASET -o OUT --images" in note
    assert declared(tmp_path / "out", FRONT)["names"] == ["height", "width", "channels"]
    lecompose.stats(tmp_path / "out", out=tmp_path / "stats", images=True)
    assert lecompose.check(tmp_path / "stats") == []


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_videos_of_two_sizes(version: str, make_dataset: Record, tmp_path: Path) -> None:
    """They are told; an output that has only those of the second says that size."""
    settings = VIDEO | {"version": version, "frames_per_video_file": 4}
    root, other = make_dataset("one", **settings), make_dataset("other", **settings, size=(32, 24))
    path = sorted(root.glob("videos/**/*.mp4"))[-1]
    shutil.copy(other / path.relative_to(root), path)
    report = lecompose.merge(root, out=tmp_path / "both")
    assert any("not 64 × 48 as its first one is, but 32 × 24" in note for note in report.notes)
    assert declared(tmp_path / "both", FRONT)["shape"] == [48, 64, 3]
    lecompose.delete(root, out=tmp_path / "second", episodes=[0])
    camera = declared(tmp_path / "second", FRONT)
    assert camera["shape"] == [24, 32, 3]
    assert (camera["info"]["video.height"], camera["info"]["video.width"]) == (24, 32)
    assert lecompose.check(tmp_path / "second") == []
