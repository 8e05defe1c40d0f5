"""Cameras as info.json declares them, held against the first file of each: size, layout, codec, depth.

What is in the file counts. A layout that LeRobot understands stays as it is; any other becomes
height, width, channels.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from lecompose import formats
from lecompose.dataset.catalog.dimension_names import plain_names
from lecompose.dataset.catalog.feature_files import Pictures
from lecompose.dataset.catalog.spec_notes import SpecNote, spelling
from lecompose.errors import SourceBroken

_HEIGHT_FIRST = list(formats.PICTURE_NAMES)
_CHANNELS_FIRST = ["channels", "height", "width"]
# Source: LeRobot 0.6.1 takes a shape for height, width, channels if its third name is one of these.
_CHANNEL_NAMES = ("channel", "channels")
_STREAM = ("height", "width", "channels", "codec", "pix_fmt", "fps")
_DEPTH_MARKS = ("is_depth_map", "video.is_depth_map")
_CHANNEL_COUNTS = (1, 3, 4)
# How far rates may differ that are written with few digits.
_FPS_TOLERANCE = 0.01


def read_camera_info(
    name: str,
    spec: dict[str, Any],
    root_info: Mapping[str, Any],
    pictures: Pictures | None,
    notes: list[SpecNote],
) -> None:
    """Gather what is said of a camera's files under `info`, as the files have it.

    Source: v2.0 wrote `video_info`; converters write `meta`, a block `videos` beside the features, or keys
    without "video.".
    """
    blocks = list(_blocks(name, spec, root_info, notes))
    is_video = spec["dtype"] == "video"
    info: dict[str, Any] = {}
    for block in blocks:
        info = _spelled(block, is_video=is_video) | info if info else _spelled(block, is_video=is_video)
    spec.pop("video_info", None)
    _settle_depth(name, info, blocks, spec.get("info"), pictures, notes)
    if is_video and pictures is not None:
        _settle_stream(name, info, pictures, notes, fps=root_info.get("fps"))
    if info or spec.get("info") is not None:
        spec["info"] = info


def _blocks(
    name: str, spec: Mapping[str, Any], root_info: Mapping[str, Any], notes: list[SpecNote]
) -> Iterator[Mapping[str, Any]]:
    """Yield what is said of a camera's files in one place after the other, the usual one first."""
    for key in ("info", "video_info"):
        said = spec.get(key)
        if isinstance(said, Mapping):
            yield said
        elif said is not None:
            notes.append(spelling(name, f"{key} is no object, and is not read"))
    root = root_info.get("videos")
    for said in (spec.get("meta"), root.get(name) if isinstance(root, Mapping) else None):
        if isinstance(said, Mapping):
            yield {k: v for k, v in said.items() if k in _DEPTH_MARKS or k.removeprefix("video.") in _STREAM}


def _spelled(block: Mapping[str, Any], *, is_video: bool) -> dict[str, Any]:
    """Return what a block says, with "video." before the keys that have it in LeRobot's."""
    if not is_video:
        return dict(block)
    named = {f"video.{key}" if key in _STREAM else key: value for key, value in block.items()}
    return named | {key: value for key, value in block.items() if key in named}


def _settle_depth(
    name: str,
    info: dict[str, Any],
    blocks: list[Mapping[str, Any]],
    usual: object,
    pictures: Pictures | None,
    notes: list[SpecNote],
) -> None:
    """Put a depth map's mark where LeRobot looks for it, if there is one anywhere or the file is one."""
    is_marked = any(_is_true(block.get(mark)) for block in blocks for mark in _DEPTH_MARKS)
    is_depth = None if pictures is None else pictures.is_depth
    if not is_marked and not is_depth:
        return
    kind = "" if pictures is None else pictures.pix_fmt or f"{pictures.channels} channels"
    if not is_marked:
        problem = f"it is not marked as a depth map, and its pictures are ({kind}); it is read as one"
        notes.append(SpecNote("depth_marks", name, problem))
    elif is_depth is False:
        problem = f"it is marked as a depth map, and its pictures are none ({kind}); it is read as marked"
        notes.append(SpecNote("depth_marks", name, problem))
    elif not isinstance(usual, Mapping) or usual.get("is_depth_map") is not True:
        problem = "it is marked as a depth map elsewhere than in info.is_depth_map, where LeRobot looks"
        notes.append(SpecNote("depth_marks", name, problem))
    info.pop("video.is_depth_map", None)
    info["is_depth_map"] = True


def _is_true(said: object) -> bool:
    return said is True or said == 1 or (isinstance(said, str) and said.lower() == "true")


def _settle_stream(
    name: str, info: dict[str, Any], pictures: Pictures, notes: list[SpecNote], *, fps: object
) -> None:
    """Put what the file is like in the place of what is said otherwise; what is not said stays so.

    A file that does not run at the dataset's rate has no say in it.
    """
    has_rate = bool(pictures.fps) and _is_same(fps, pictures.fps)
    found = {
        "video.height": pictures.height,
        "video.width": pictures.width,
        # LeRobot gives a depth map one channel, whatever its file has.
        "video.channels": None if info.get("is_depth_map") else pictures.channels,
        "video.codec": pictures.codec,
        "video.pix_fmt": pictures.pix_fmt,
        "video.fps": pictures.fps if has_rate else None,
    }
    for key, true in found.items():
        said = info.get(key)
        if said is None or true is None or _is_same(said, true):
            continue
        notes.append(SpecNote("video_info", name, f"{key} is declared as {said!s:.100}, the file has {true}"))
        info[key] = int(true) if isinstance(true, float) and true.is_integer() else true


def _is_same(said: object, true: object) -> bool:
    if said == true:
        return True
    try:
        return isinstance(true, int | float) and abs(float(str(said)) / true - 1) <= (
            _FPS_TOLERANCE if isinstance(true, float) else 0
        )
    except ValueError:
        return False


# Size and layout --------------------------------------------------------------------------------


def settle_pictures(
    name: str,
    spec: dict[str, Any],
    shape: list[int],
    pictures: Pictures | None,
    notes: list[SpecNote],
) -> list[int]:
    """Return a camera's shape in the order of `spec["names"]`, which are put right too.

    Raises:
        SourceBroken: if neither the entry nor a file tells the size.
    """
    names = plain_names(spec.get("names"))
    said = _read_sizes(shape, names)
    is_depth = bool((spec.get("info") or {}).get("is_depth_map"))
    if said is None and pictures is None:
        raise SourceBroken(
            f"the size of its pictures is not known: shape is {shape}, and no file tells",
            feature=name,
            hint="correct meta/info.json",
        )
    sizes = _true_sizes(said, pictures, is_depth=is_depth)
    if said is not None and len(shape) == len(_HEIGHT_FIRST) and said != sizes:
        code = "video_size" if spec["dtype"] == "video" else "picture_size"
        notes.append(SpecNote(code, name, f"{_show(sizes)}, info.json declares {_show(said)}"))
        if spec["dtype"] == "image" and (said[1], said[0], said[2]) == sizes:
            sizes = said  # LeRobot's own tests have such sets, and want the shape as it was declared
    if _is_sound(shape, spec.get("names"), sizes):
        return shape
    if shape and (said is None or said == sizes or len(shape) != len(_HEIGHT_FIRST)):
        problem = f"shape {shape} with names {names}, read as {list(sizes)} with names {_HEIGHT_FIRST}"
        notes.append(SpecNote("picture_layout", name, problem))
    spec["names"] = list(_HEIGHT_FIRST)
    return list(sizes)


def _read_sizes(shape: list[int], names: list[str] | None) -> tuple[int, int, int] | None:
    """Return height, width and channels as declared; None where that cannot be known."""
    if len(shape) == 2:
        return shape[0], shape[1], 3
    if len(shape) != 3:
        return None
    if names is not None and sorted(names) == sorted(_HEIGHT_FIRST):
        by_name = dict(zip(names, shape, strict=True))
        if by_name["channels"] in _CHANNEL_COUNTS:
            return by_name["height"], by_name["width"], by_name["channels"]
    if shape[0] in _CHANNEL_COUNTS and shape[2] not in _CHANNEL_COUNTS:
        return shape[1], shape[2], shape[0]
    return shape[0], shape[1], shape[2]


def _true_sizes(
    said: tuple[int, int, int] | None, pictures: Pictures | None, *, is_depth: bool
) -> tuple[int, int, int]:
    """Return height, width and channels by the file; of what it leaves open, as declared."""
    declared = said or (0, 0, 1 if is_depth else 3)
    if pictures is None:
        return declared
    channels = pictures.channels or (declared[2] if declared[2] in (1, 3) else 3)
    if is_depth and declared[2] in (1, 3):
        channels = declared[2]
    return pictures.height, pictures.width, channels


def _is_sound(shape: list[int], names: object, sizes: tuple[int, int, int]) -> bool:
    """Return whether LeRobot takes the shape for what it is."""
    if not isinstance(names, list) or len(shape) != len(_HEIGHT_FIRST):
        return False
    plain = plain_names(names)
    if plain == _HEIGHT_FIRST and names[2] in _CHANNEL_NAMES:
        return tuple(shape) == sizes
    return plain == _CHANNELS_FIRST and tuple(shape) == (sizes[2], sizes[0], sizes[1])


def _show(sizes: tuple[int, int, int]) -> str:
    """Return a size as findings write it: width × height, and the channels."""
    return f"{sizes[1]} × {sizes[0]} × {sizes[2]}"
