"""A temporary folder lives as long as anything in its process holds it."""

import gc
import pickle

from lecompose.files.scratch_folder import ScratchFolder


def test_it_goes_with_its_last_holder() -> None:
    folder = ScratchFolder()
    path, other = folder.path, folder
    (path / "inside").mkdir()
    del folder
    gc.collect()
    assert path.is_dir()
    assert pickle.loads(pickle.dumps(other)) is None
    del other
    gc.collect()
    assert not path.exists()


def test_it_can_be_removed_at_once() -> None:
    folder = ScratchFolder()
    folder.remove()
    assert not folder.path.exists()
    folder.remove()
