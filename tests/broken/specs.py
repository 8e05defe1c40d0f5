"""Features that info.json declares in another way than LeRobot, or otherwise than the files have them."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from broken.damage import (
    CAMERA,
    DATA,
    Damage,
    edit_json,
    edit_parquet,
    every,
    feature,
    retyped,
    without_columns,
)
from broken.entry import WORKS, Broken, names, off

FILLED, SPELLING = names("feature_filled"), off("feature_spelling")
AXES = ("delta_x", "delta_y", "delta_z", "roll", "pitch", "gripper")


def each_feature(**change: Any) -> Damage:
    """Every feature's entry with some fields made of those that are there."""

    def edit(content: dict[str, Any]) -> None:
        for spec in content["features"].values():
            spec.update({key: of(spec[key]) for key, of in change.items()})

    return edit_json("meta/info.json", edit)


def without(name: str, *keys: str) -> Damage:
    def edit(content: dict[str, Any]) -> None:
        for key in keys:
            content["features"][name].pop(key, None)

    return edit_json("meta/info.json", edit)


def camera_info(**fields: Any) -> Damage:
    """Other properties of the camera, `__` for a dot; the others stay."""
    named = {key.replace("__", "."): value for key, value in fields.items()}

    def change(content: dict[str, Any]) -> None:
        spec = content["features"][CAMERA]
        spec["info" if "info" in spec else "video_info"].update(named)

    return edit_json("meta/info.json", change)


def with_column(name: str, values: Callable[[int], pa.Array], **spec: Any) -> Damage:
    """A column more in every data file; declared, if anything is said of it."""

    def add(table: pa.Table) -> pa.Table:
        return table.append_column(name, values(len(table)))

    def declare(content: dict[str, Any]) -> None:
        if spec:
            content["features"][name] = {"names": None, **spec}

    return every(edit_parquet(DATA, add, whole=True), edit_json("meta/info.json", declare))


def structs(rows: int) -> pa.Array:
    return pa.array([{"a": 1, "b": "x"}] * rows)


def numpy_spelling(dtype: str) -> str:
    return dtype if dtype == "video" else f"np.{dtype}"


SPECS: list[Broken] = [
    # Spelled in another way
    Broken("shapes of floats", each_feature(shape=lambda s: [float(n) for n in s]), SPELLING),
    Broken("shapes of text", each_feature(shape=lambda s: [str(n) for n in s]), SPELLING),
    Broken("a shape that is text", each_feature(shape=str), SPELLING),
    Broken("a shape that is a number", feature("action", shape=6), SPELLING, feature="action"),
    Broken("dtypes of a library", each_feature(dtype=numpy_spelling), SPELLING),
    Broken("a dtype of another size", feature("action", dtype="float"), SPELLING, feature="action"),
    Broken(
        "names by position",
        feature("action", names={name: n for n, name in reversed(list(enumerate(AXES)))}),
        SPELLING,
        feature="action",
    ),
    # What only the files tell
    Broken("a shape of null", feature("action", shape=[None]), FILLED, feature="action"),
    Broken(
        "a shape of nothing", feature("observation.state", shape=[0]), FILLED, feature="observation.state"
    ),
    Broken("feature without a shape", without("action", "shape"), FILLED, feature="action"),
    Broken("feature without a dtype", without("action", "dtype"), FILLED, feature="action"),
    Broken("feature of an unknown dtype", feature("action", dtype="quaternion"), FILLED, feature="action"),
    Broken(
        "feature that is text",
        edit_json("meta/info.json", lambda content: content["features"].update(action="float32[6]")),
        FILLED,
        feature="action",
    ),
    Broken("camera without a shape", without(CAMERA, "shape"), FILLED, feature=CAMERA),
    Broken(
        "camera that is only named",
        without(CAMERA, "shape", "dtype", "info", "names"),
        FILLED,
        feature=CAMERA,
    ),
    Broken(
        "feature that nothing tells",
        edit_json("meta/info.json", lambda content: content["features"].update(ghost={"dtype": "spook"})),
        names("feature_specs"),
        3,
        feature="ghost",
    ),
    # Cameras
    Broken(
        "channels first, no names",
        feature(CAMERA, shape=[3, 48, 64], names=None),
        off("picture_layout"),
        feature=CAMERA,
    ),
    Broken("camera without names", feature(CAMERA, names=None), off("picture_layout"), feature=CAMERA),
    Broken(
        "camera of another size", feature(CAMERA, shape=[128, 128, 3]), names("video_size"), feature=CAMERA
    ),
    Broken(
        "camera without channels",
        feature(CAMERA, shape=[48, 64], names=["height", "width"]),
        off("picture_layout"),
        feature=CAMERA,
    ),
    Broken(
        "camera of another codec",
        camera_info(video__codec="av1", video__pix_fmt="yuv444p", video__height="48", video__fps=30.0),
        off("video_info"),
        feature=CAMERA,
    ),
    Broken("camera of another rate", camera_info(video__fps=12), off("video_info"), feature=CAMERA),
    Broken(
        "camera properties in two places",
        feature(CAMERA, video_info={"video.is_depth_map": False, "codec": "mpeg4"}),
        {},
    ),
    Broken(
        "camera properties that are text",
        feature(CAMERA, info="h264, 64 × 48"),
        SPELLING,
        feature=CAMERA,
        merge=WORKS,
    ),
    # Columns of other numbers than declared
    Broken(
        "vectors of doubles",
        edit_parquet(DATA, retyped("action", pa.list_(pa.float64())), whole=True),
        names("columns"),
        WORKS,
        feature="action",
    ),
    Broken(
        "doubles in lists of one",
        edit_parquet(DATA, retyped("next.reward", pa.list_(pa.float64()), lambda v: [v]), whole=True),
        names("columns"),
        WORKS,
        feature="next.reward",
    ),
    Broken(
        "numbers that no declared one is near",
        edit_parquet(DATA, retyped("action", pa.list_(pa.float64()), lambda v: [1e300] * 6), whole=True),
        names("columns"),
        3,
        feature="action",
    ),
    # Columns that no feature can be
    Broken(
        "a column of structs",
        with_column("extra", structs, dtype="struct", shape=[1]),
        names("feature_specs"),
        3,
        feature="extra",
    ),
    Broken(
        "structs that are not declared", with_column("extra", structs), names("columns"), 3, feature="extra"
    ),
    Broken(
        "a column of bytes",
        with_column("extra", lambda rows: pa.array([b"x"] * rows), dtype="binary", shape=[1]),
        names("feature_specs"),
        3,
        feature="extra",
    ),
    Broken("a column of nulls alone", with_column("extra", pa.nulls), names("columns"), 3, feature="extra"),
    # Columns that every dataset has, and this one has not
    *(
        Broken(
            f"data without {name}",
            edit_parquet(DATA, without_columns(name.__eq__), whole=True),
            names("columns"),
            feature=name,
        )
        for name in ("frame_index", "timestamp", "index")
    ),
]
