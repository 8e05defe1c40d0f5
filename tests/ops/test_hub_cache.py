"""Datasets that LeRobot has downloaded from the Hub, by their ids, as its cache holds them."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import lecompose
from lecompose.dataset.catalog.hub_cache import holds_file
from lecompose.errors import RequestError, SourceNotFound

Record = Callable[..., Path]
SETTINGS = {"version": "v3.0", "codec": "h264", "cameras": ("front",)}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_LEROBOT_HOME", str(tmp_path / "lerobot"))
    return tmp_path / "lerobot"


def download(dataset: Path, home: Path, repo_id: str, commit: str, *, ref: str | None, when: int) -> Path:
    """Put a dataset into the cache as huggingface_hub does: files are blobs, a revision holds links."""
    folder = home / "hub" / f"datasets--{repo_id.replace('/', '--')}"
    snapshot = folder / "snapshots" / commit
    for path in sorted(dataset.rglob("*")):
        if path.is_file():
            blob = folder / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
            link = snapshot / path.relative_to(dataset)
            blob.parent.mkdir(parents=True, exist_ok=True)
            link.parent.mkdir(parents=True, exist_ok=True)
            blob.write_bytes(path.read_bytes())
            link.symlink_to(os.path.relpath(blob, link.parent))
    os.utime(snapshot, (when, when))
    if ref is not None:
        path = folder / "refs" / ref
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(commit)
        os.utime(path, (when, when))
    return snapshot


def test_every_command_finds_it_by_its_id(home: Path, recorded: Record, tmp_path: Path) -> None:
    snapshot = download(recorded(**SETTINGS), home, "me/cup", "c0ffee", ref="v3.0", when=10**9)
    assert lecompose.info("me/cup").root == snapshot.resolve()
    assert lecompose.check("me/cup") == []
    table = lecompose.query("me/cup", "select distinct src_dataset from episodes")
    assert table["src_dataset"].to_pylist() == ["cup"]
    report = lecompose.merge("me/cup", out=tmp_path / "out")
    assert (report.episodes, report.notes) == (3, ())
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_symlink()]
    assert lecompose.repair("me/cup", out=tmp_path / "saved").notes == ()


def test_the_newest_revision(home: Path, recorded: Record) -> None:
    old, new = recorded(**SETTINGS), recorded(**SETTINGS, episodes=2)
    download(new, home, "me/cup", "b", ref="main", when=10**9 + 1)
    download(old, home, "me/cup", "c", ref="v3.0", when=10**9)
    assert lecompose.info("me/cup").episodes == 2
    folder = home / "hub/datasets--me--cup"
    (folder / "refs/refs/pr").mkdir(parents=True)
    (folder / "refs/refs/pr/1").write_text("c")  # a later visit
    assert lecompose.info("me/cup").episodes == 3
    (folder / "snapshots/d").mkdir()
    assert lecompose.info("me/cup").episodes == 3, "a revision without metadata is none"


def test_a_folder_of_that_name_goes_before(home: Path, recorded: Record, make_dataset: Record) -> None:
    """But for one that an older LeRobot has downloaded: the newer one passes over it."""
    download(recorded(**SETTINGS), home, "me/cup", "c0ffee", ref="main", when=10**9)
    make_dataset("lerobot/me/cup", **SETTINGS, episodes=2)
    assert lecompose.info("me/cup").episodes == 2
    (home / "me/cup/.cache/huggingface/download").mkdir(parents=True)
    assert lecompose.info("me/cup").episodes == 3


def test_it_is_never_edited_in_place(home: Path, recorded: Record) -> None:
    download(recorded(**SETTINGS), home, "me/cup", "c0ffee", ref="main", when=10**9)
    with pytest.raises(RequestError, match="in a download cache"):
        lecompose.edit_info("me/cup", in_place=True, robot_type="so101")


@pytest.mark.parametrize("name", ["me/mug", "me/../cup", "a/b/c", "", "me/cup\0", "x" * 300])
def test_other_names_are_not_found(name: str, home: Path, recorded: Record) -> None:
    download(recorded(**SETTINGS), home, "me/cup", "c0ffee", ref="main", when=10**9)
    with pytest.raises(SourceNotFound):
        lecompose.info(name)


def test_links_may_lead_to_the_blobs_only(home: Path, recorded: Record, tmp_path: Path) -> None:
    snapshot = download(recorded(**SETTINGS), home, "me/cup", "c0ffee", ref="main", when=10**9)
    assert holds_file(snapshot, snapshot / "meta/info.json")
    other = download(recorded(**SETTINGS), home, "me/other", "c0ffee", ref="main", when=10**9)
    (tmp_path / "secret.png").write_bytes(b"mine")
    for name, target in (("a.png", tmp_path / "secret.png"), ("b.png", other / "meta/info.json")):
        (snapshot / name).symlink_to(target)
        assert not holds_file(snapshot, snapshot / name)
    plain = tmp_path / "plain"
    (plain / "meta").mkdir(parents=True)
    (plain / "meta/a.png").symlink_to(tmp_path / "secret.png")
    assert not holds_file(plain, plain / "meta/a.png")
