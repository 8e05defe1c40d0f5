"""What an output is, agreed on from its sources."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from lecompose.composition.output_spec import OutputSpec, unify_sources
from lecompose.composition.settings import parse_options
from lecompose.dataset.catalog import open_catalog
from lecompose.engine import open_engine
from lecompose.errors import FeatureMismatch

Record = Callable[..., Path]
PLAIN: dict[str, Any] = {"cameras": ("front",), "codec": "h264", "frames": (3,)}
FRONT = "observation.images.front"


@contextmanager
def agreed(tmp_path: Path, *roots: Path, **changes: Any) -> Iterator[OutputSpec]:
    with closing(open_engine(scratch=tmp_path)) as engine:
        catalog = open_catalog(engine, roots, names=["a", "b", "c"][: len(roots)])
        yield unify_sources(catalog, parse_options(**changes))


def test_sources_that_are_alike_give_all_under_their_own_names(recorded: Record, tmp_path: Path) -> None:
    with agreed(tmp_path, recorded(**PLAIN), recorded(**PLAIN, seed=1)) as output_spec:
        names = [f.name for f in output_spec.features]
        for takes in output_spec.feature_map.values():
            assert [how.feature.name for how in takes.values() if how.feature] == list(takes) == names
        assert [f.name for f in output_spec.cameras] == [FRONT]
        assert output_spec.notes == ()


def test_a_renamed_camera_keeps_what_is_said_of_its_video(recorded: Record, tmp_path: Path) -> None:
    with agreed(tmp_path, recorded(**PLAIN), rename=((FRONT, "eye"),)) as output_spec:
        (camera,) = output_spec.cameras
        own = output_spec.feature_map["a"]["eye"].feature
        assert own is not None
        assert (camera.name, own.name, camera.shape) == ("eye", FRONT, own.shape)
        assert camera.info["video.codec"] == own.info["video.codec"]


def test_every_rate_and_shape_is_named(recorded: Record, tmp_path: Path) -> None:
    roots = [recorded(**PLAIN), recorded(**PLAIN, fps=15), recorded(**PLAIN, fps=50, action_dim=7)]
    with pytest.raises(FeatureMismatch) as refused, agreed(tmp_path, *roots):
        pass
    for told in ('fps: 30 in "a"; 15 in "b"; 50 in "c"', "Try: --fps 5", '[7] in "c"'):
        assert told in str(refused.value)
