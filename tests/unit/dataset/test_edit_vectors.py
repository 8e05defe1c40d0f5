"""Vectors with other dimensions: which they are, what they are called, and what cannot be."""

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from unit.dataset.test_feature_map import source

from lecompose.dataset.convert import convert_batch
from lecompose.dataset.feature_map import Changes, SourceFeature, map_features, parse_vector_changes
from lecompose.errors import RequestError
from lecompose.formats import arrow_field, feature

LETTERS = list("abcdef")


def mapped(names: object = None, **asked: Any) -> Any:
    spec = {"dtype": "float32", "shape": [6], "names": names}
    made = source(
        "day", reward="float32", grid=("float32", [2, 2]), front=("video", [4, 4, 3]), label=("string", [2])
    )
    made = replace(made, features=(feature("action", spec), *made.features))
    pairs = [tuple(asked.get(option, {}).items()) for option in ("set", "take", "pad")]
    changes = Changes(vectors=parse_vector_changes(*pairs), remove=asked.get("remove", ()))
    return map_features((made,), changes)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"set": {"action[0]": "1"}}, "dimensions count from 1"),
        ({"set": {"action[-1]": "1"}}, "no dimension -1"),
        ({"set": {"action[7]": "1"}}, "it has 1 to 6"),
        ({"set": {"action[x]": "1"}}, "a dimension is a number"),
        ({"set": {"action": "1"}}, "a dimension is needed"),
        ({"set": {"acton[1]": "1"}}, 'did you mean "action"'),
        ({"set": {"task_index[1]": "1"}}, "five features"),
        ({"set": {"reward[1]": "1"}}, "a single number"),
        ({"set": {"grid[1]": "1"}}, "of shape [2, 2]"),
        ({"set": {"front[1]": "1"}}, "a camera (video)"),
        ({"set": {"label[1]": "1"}}, "not a vector of numbers"),
        ({"take": {"front": "1"}}, "a camera (video)"),
        ({"pad": {"front": "9"}}, "a camera (video)"),
        ({"take": {"action": "1,1"}}, "taken twice"),
        ({"take": {"action": "3:3"}}, "is empty"),
        ({"take": {"action": "0:3"}}, "no dimension 0"),
        ({"take": {"action": "5:9"}}, "no dimension 8"),
        ({"take": {"action": "1:-1"}}, "no dimension -2"),
        ({"take": {"action": "a"}}, "neither a dimension nor a range"),
        ({"take": {"action": "1:"}}, "these dimensions already"),
        ({"take": {"action": "1"}, "set": {"action[2]": "1"}}, "set, and not taken"),
        ({"pad": {"action": "5"}}, "more than 5"),
        ({"pad": {"action": "6"}}, "these dimensions already"),
        ({"pad": {"action": "x"}}, "a size is needed"),
        ({"pad": {"action": "7:1e99"}}, "does not fit float32"),
        ({"pad": {"action": "7"}, "remove": ("action",)}, 'no feature "action"'),
    ],
)
def test_what_cannot_be_is_refused(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError) as error:
        mapped(**asked)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("names", "asked", "right"),
    [
        ({"motors": LETTERS}, {"take": {"action": "2,1"}}, {"motors": ["b", "a"]}),
        ({"l": LETTERS[:3], "r": LETTERS[3:]}, {"take": {"action": "3:6"}}, {"l": ["c"], "r": ["d", "e"]}),
        ({"l": LETTERS[:3], "r": LETTERS[3:]}, {"take": {"action": "4,1,5"}}, ["d", "a", "e"]),
        ({"f": 5, "a": 0, "b": 1, "c": 2, "d": 3, "e": 4}, {"take": {"action": "6"}}, ["f"]),
        (None, {"pad": {"action": "7"}}, None),
        (LETTERS[:4], {"pad": {"action": "7"}}, None),
        (["pad_7", *LETTERS[1:]], {"pad": {"action": "7"}}, ["pad_7", *LETTERS[1:], "pad_7_"]),
        (LETTERS, {"set": {"action[1]": "1"}}, LETTERS),
        (LETTERS, {"take": {"action": "1:6"}}, LETTERS[:5]),
    ],
)
def test_names(names: object, asked: dict[str, Any], right: object) -> None:
    ((_, made),) = mapped(names, **asked).holders["action"]
    assert made.spec["names"] == right


def test_nulls_stay_nulls() -> None:
    own = feature("a", {"dtype": "int64", "shape": [2]})
    rows = pa.RecordBatch.from_pydict(
        {"a": pa.array([[1, 2**62 + 1], None, [3, None]], pa.list_(pa.int64()))}
    )
    for size, dimensions, right in (
        (3, (1, -1, 0), [[2**62 + 1, 9, 1], None, [None, 9, 3]]),
        (1, (1,), [2**62 + 1, None, None]),
    ):
        field = arrow_field(feature("a", {"dtype": "int64", "shape": [size]}))
        assert field is not None
        takes = {"a": SourceFeature(own, dimensions=dimensions, padding=9)}
        made = convert_batch(rows, pa.schema([field]), {"a": "a"}, takes, where=str, file="x")
        assert made["a"].to_pylist() == right
