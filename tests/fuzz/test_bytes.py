"""A fixed number of spoilt files through every reader; `make fuzz` goes on for longer."""

from pathlib import Path

import pytest
from fuzz.seeds import seeds
from fuzz.targets import TARGETS, mutations
from support.effort import examples

RUNS = {
    "video": examples(600, whole=6000),
    "picture": examples(150, whole=1500),
    "parquet": examples(60, whole=600),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    return seeds(tmp_path_factory.mktemp("seeds"))


@pytest.mark.parametrize("name", TARGETS)
def test_spoilt_bytes(name: str, sound: dict[str, list[bytes]], tmp_path: Path) -> None:
    for data in sound[name]:
        TARGETS[name](data, tmp_path)
    for number, data in enumerate(mutations(sound[name], runs=RUNS[name], seed=5)):
        try:
            TARGETS[name](data, tmp_path)
        except Exception as error:
            raise AssertionError(f"{name}, mutation {number}: {error!r}") from error


def test_the_sound_ones_are_read(sound: dict[str, list[bytes]], tmp_path: Path) -> None:
    """Else nothing of the above would be tried."""
    from lecompose.files import mp4

    for number, data in enumerate(sound["video"]):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(data)
        if number % 2:
            assert mp4.probe(path).frames == 6
    for data in sound["picture"]:
        assert mp4.decode_picture(data, name=tmp_path).shape == (16, 16, 3)
