"""Where outputs may go."""

from pathlib import Path

import pytest

from lecompose.composition.destination import (
    Destinations,
    refuse_existing,
    several_destinations,
    single_destination,
)
from lecompose.errors import OutputExists, OutputUnwritable, RequestError


def dataset(folder: Path) -> Path:
    (folder / "meta").mkdir(parents=True)
    (folder / "meta" / "info.json").write_text("{}")
    return folder


def test_one_rename_puts_several_outputs_in_place_where_their_folder_is_new(tmp_path: Path) -> None:
    assert several_destinations(tmp_path / "new", ["a", "b"]).appear_at_once
    assert several_destinations(tmp_path / "new", ["a"]).appear_at_once
    assert not several_destinations(tmp_path, ["a", "b"]).appear_at_once
    assert not single_destination(tmp_path / "new").appear_at_once


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\0b", "ü" * 128])
def test_names_that_are_no_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be named"):
        several_destinations(tmp_path, ["fine", name])


def test_names_that_are_one_folder_on_some_disks(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="differ in case only"):
        several_destinations(tmp_path, ["Train", "val", "train"])


def test_what_is_there_is_refused(tmp_path: Path) -> None:
    held = dataset(tmp_path / "held")
    (tmp_path / "file").write_text("")
    for folder, overwrite in ((held, False), (tmp_path, True), (tmp_path / "file", True)):
        with pytest.raises(OutputExists):
            refuse_existing(single_destination(folder), overwrite=overwrite, roots=[])
    refuse_existing(single_destination(held), overwrite=True, roots=[])
    with pytest.raises(OutputExists, match="one of the sources"):
        refuse_existing(single_destination(held), overwrite=True, roots=[held])
    with pytest.raises(OutputUnwritable, match="lie inside each other"):
        refuse_existing(single_destination(held / "part"), overwrite=False, roots=[held])
    with pytest.raises(OutputExists):
        refuse_existing(several_destinations(tmp_path, ["new", "held"]), overwrite=False, roots=[])


def test_destinations_not_known_yet_refuse_nothing(tmp_path: Path) -> None:
    refuse_existing(Destinations(tmp_path, {}), overwrite=False, roots=[tmp_path])
