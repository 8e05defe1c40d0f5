"""Real clusters on this machine: Ray's, and SLURM's; where they cannot be had, tests say so and are skipped."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "torture")]


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """The address of a Ray cluster of four nodes."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'lecompose[ray]'")
    import on_ray

    with on_ray.start(nodes=4) as address:
        yield address


@pytest.fixture(scope="session")
def slurm() -> Iterator[None]:
    """A SLURM of four nodes, which this process and those that it starts find."""
    import on_slurm
    from slurm_here import NoSlurm

    try:
        with on_slurm.start():
            yield
    except NoSlurm as error:
        pytest.skip(str(error))
