"""LeRobot reads what was made of datasets whose features are spelled in another way, and can train on it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from broken import SETTINGS, Broken
from broken.specs import SPECS
from support.lerobot_reads import opened

import lecompose

pytestmark = pytest.mark.oracle

FRONT = "observation.images.front"
MERGED = [broken for broken in SPECS if broken.merge != 3]


@pytest.mark.parametrize("broken", MERGED, ids=lambda broken: broken.name)
def test_policies_get_the_shapes_of_what_is_stored(
    broken: Broken, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    from lerobot.utils.feature_utils import dataset_to_policy_features

    root = make_dataset("bad", version="v2.1", **SETTINGS)
    broken.damage(root)
    lecompose.merge(root, out=tmp_path / "out")
    dataset = opened(tmp_path / "out")
    wanted = {"observation.state": (6,), "action": (6,), FRONT: (3, 48, 64)}
    features = dataset_to_policy_features(dataset.meta.features)
    assert {name: tuple(feature.shape) for name, feature in features.items()} == wanted
    assert {name: tuple(dataset[7][name].shape) for name in wanted} == wanted
