"""LeRobot reads what comes of every damaged or unusual dataset, and policies get the right shapes of it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attempts.expected import HOPELESS, OTHER_PICTURES, OTHER_TASKS, saved_rows
from attempts.place import Place, made, settings
from broken import SAME, Broken, cases
from support.independent import read
from support.lerobot_reads import mark_of, opened

import lecompose
from recorder import value

pytestmark = pytest.mark.oracle

FIRST = "observation.images.front"
# What repair refuses as well, with an error that says what to do.
REFUSED = ("another storage format", "numbers that no declared one is near")
# What of the values cannot be read, so that repair leaves the feature out, and says so.
LOST = {"declared column that is not there": "action"}


def outputs() -> Iterator[Any]:
    """Each damaged dataset of which something can be had, in v3.0 and v2.1; 10,000 features take too long."""
    for name, broken, version in cases():
        had = isinstance(broken.merge, str) or broken.name not in (*HOPELESS, *REFUSED)
        if had and version in ("v3.0", "v2.1") and "10,000" not in name:
            yield pytest.param(broken, version, id=name)


@pytest.mark.parametrize(("broken", "version"), list(outputs()))
def test_lerobot_reads_what_comes_of_it(
    broken: Broken, version: str, recorded: Callable[..., Path], tmp_path: Path
) -> None:
    place = made(tmp_path, broken, version, recorded)
    rows = compose(place)
    dataset = opened(place.out)
    assert_shapes(dataset, place)
    assert dataset.num_episodes == len(rows)
    lengths = settings(broken)["frames"]
    assert len(dataset) == sum(lengths[row] for row in rows)
    position = 0
    for row in rows:
        for frame in {0, lengths[row] // 2, lengths[row] - 1}:
            assert_frame(dataset[position + frame], place, row, frame)
        position += lengths[row]


def compose(place: Place) -> Sequence[int]:
    """Merge the dataset, or repair it where merge refuses; return the recorded episodes that come of it."""
    if isinstance(place.broken.merge, int):
        lecompose.repair(place.root, out=place.out)
        return saved_rows(place)
    lecompose.merge(place.root, out=place.out)
    reference = place.given if place.broken.merge == SAME else place.whole
    return range(len(read(reference).episodes))


def assert_shapes(dataset: Any, place: Place) -> None:
    from lerobot.utils.feature_utils import dataset_to_policy_features

    said = settings(place.broken)
    pictures = (*said["cameras"], *said.get("image_features", ()))
    wanted: dict[str, tuple[int, ...]] = {"observation.state": (6,), "action": (6,)}
    wanted |= {f"observation.images.{name}": (3, 48, 64) for name in pictures}
    wanted.pop(LOST.get(place.broken.name, ""), None)
    features = dataset_to_policy_features(dataset.meta.features)
    assert {name: tuple(feature.shape) for name, feature in features.items()} == wanted
    if place.broken.name != "video of another size":
        assert {name: tuple(dataset[0][name].shape) for name in wanted} == wanted


def assert_frame(item: Any, place: Place, row: int, frame: int) -> None:
    """The item is the frame as it was recorded, whatever was damaged since."""
    said, name = settings(place.broken), place.broken.name
    assert int(item["frame_index"]) == frame
    assert item["timestamp"] == np.float32(frame / 30)
    for feature in {"observation.state", "action"} - {LOST.get(name)}:
        assert np.array_equal(item[feature].numpy(), value(feature, row, frame)), feature
    if name not in OTHER_TASKS:
        assert item["task"] == said["tasks"][row % len(said["tasks"])]
    if name not in OTHER_PICTURES:
        assert mark_of(item[FIRST])[1:] == (row, frame, 0)
