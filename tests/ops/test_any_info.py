"""info.json in any of the spellings met in public: no operation loses a feature or says untrue things of one.

What a merge writes is read by `independent` alone, and held against the data set before it was spelled so.
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from broken import SETTINGS
from hypothesis import given, settings
from support.effort import Effort
from support.independent import BOOKKEEPING, DEFAULTS, Dataset, assert_same_values, read

import lecompose

Record = Callable[..., Path]
FRONT = "observation.images.front"
AXES = ["x", "y", "z", "roll", "pitch", "grip"]
OF_CAMERA = [
    {"video.height": 48, "video.width": 64, "video.codec": "h264", "video.pix_fmt": "yuv420p"},
    {"video.codec": "av1", "video.fps": "30", "video.pix_fmt": "yuv444p"},
    {"codec": "h264", "fps": 30.0, "height": "128"},
    {"video.is_depth_map": False},
    {},
    None,
    "h264",
]


def shapes(shape: list[int]) -> st.SearchStrategy[Any]:
    true = [shape, [float(n) for n in shape], [str(n) for n in shape], str(shape), tuple(shape)]
    return st.sampled_from([*true, [None] * len(shape), None, "six", [0], [2.5], {}, True])


def dtypes(dtype: str) -> st.SearchStrategy[Any]:
    return st.sampled_from(
        [dtype, f"np.{dtype}", f"torch.{dtype}", dtype.upper(), "<f4", "float", "spook", None, 4]
    )


NAMES = st.sampled_from(
    [
        *(AXES, [AXES], None, "arm", 5, {"motors": AXES}, {"arm": AXES[:3], "hand": AXES[3:]}, {}),
        {name: n for n, name in reversed(list(enumerate(AXES)))},
        {str(n): name for n, name in enumerate(AXES)},
    ]
)
LAYOUTS = st.sampled_from(
    [
        *(
            [48, 64, 3],
            [3, 48, 64],
            [64, 48, 3],
            [48, 64],
            [128, 128, 3],
            [48.0, "64", 3],
            [],
            None,
            "big",
            [48, 64, 4],
        )
    ]
)
PICTURE_NAMES = st.sampled_from(
    [
        *(
            ["height", "width", "channels"],
            ["height", "width", "channel"],
            ["channels", "height", "width"],
            None,
        ),
        *(["h", "w", "c"], {"height": 0, "width": 1, "channels": 2}, ["width", "height", "channels"], "rgb"),
    ]
)


@st.composite
def odd_features(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """What changes in the entries of some features; a field of `...` goes."""
    action = {"dtype": draw(dtypes("float32")), "shape": draw(shapes([6])), "names": draw(NAMES)}
    reward = {"dtype": draw(dtypes("float32")), "shape": draw(shapes([1]))}
    camera = {"shape": draw(LAYOUTS), "names": draw(PICTURE_NAMES)}
    camera |= {
        key: draw(st.sampled_from(OF_CAMERA))
        for key in draw(st.sets(st.sampled_from(["info", "video_info", "meta"])))
    }
    camera |= {"dtype": draw(st.sampled_from(["video", "Video", "mp4", None]))}
    spelled = {"action": action, "next.reward": reward, FRONT: camera}
    gone = draw(
        st.sets(st.sampled_from([(n, key) for n, spec in spelled.items() for key in spec]), max_size=3)
    )
    return {
        n: {key: ... if (n, key) in gone else value for key, value in spec.items()}
        for n, spec in spelled.items()
    }


@settings(max_examples=300 if Effort.whole else 3)
@given(st.sampled_from(["v2.0", "v2.1", "v3.0"]), odd_features(), st.sampled_from(["merge", "repair"]))
def test_any_info(recorded: Record, version: str, odd: dict[str, dict[str, Any]], operation: str) -> None:
    source = recorded(version=version, **SETTINGS)
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "odd", Path(folder) / "out"
        shutil.copytree(source, root)
        spell(root, odd)
        report = getattr(lecompose, operation)(root, out=out)
        made = read(out)
        assert_labelled(made, odd)
        assert_held(made, read(source))
        # How many names there are to be, no file tells.
        assert {finding.code for finding in lecompose.check(out)} <= {"feature_names"}, report.notes


def spell(root: Path, odd: dict[str, dict[str, Any]]) -> None:
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    for name, changes in odd.items():
        info["features"][name] |= changes
        info["features"][name] = {k: v for k, v in info["features"][name].items() if v is not ...}
    path.write_text(json.dumps(info))


def assert_labelled(made: Dataset, odd: dict[str, dict[str, Any]]) -> None:
    """Dtypes, shapes and names are those of what is stored, in LeRobot's spelling."""
    assert (made.features["action"]["dtype"], made.features["action"]["shape"]) == ("float32", [6])
    assert (made.features["next.reward"]["dtype"], made.features["next.reward"]["shape"]) == ("float32", [1])
    names = odd["action"]["names"]
    if isinstance(names, dict) and set(map(type, names.values())) <= {int, str} and names:
        assert made.features["action"]["names"] == AXES
    camera = made.features[FRONT]
    assert camera["dtype"] == "video"
    assert dict(
        zip(["channels" if n == "channel" else n for n in camera["names"]], camera["shape"], strict=True)
    ) == {
        "height": 48,
        "width": 64,
        "channels": 3,
    }
    assert camera["names"][2] in ("channel", "channels") or camera["names"][0] in ("channel", "channels")
    info = camera["info"]
    assert (info["video.codec"], info["video.pix_fmt"], info["video.fps"]) == ("h264", "yuv420p", 30)
    assert info.get("video.height", 48) == 48
    assert info["is_depth_map"] is False


def assert_held(made: Dataset, whole: Dataset) -> None:
    assert set(made.features) == set(whole.features)
    for ours, theirs in zip(made.episodes, whole.episodes, strict=True):
        for name in theirs.rows.column_names:
            if name not in BOOKKEEPING or name not in DEFAULTS:
                assert_same_values(ours.rows[name], theirs.rows[name], name)
        assert ours.pictures(FRONT, undecoded=True) == theirs.pictures(FRONT, undecoded=True)
