"""Paths that climb out, names that no folder can have, and links: templates, features, cameras, outputs."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile.attacks import change_info, rename_feature, run, run_bounded, tree
from support.effort import every_nth, few

from lecompose import formats
from lecompose.errors import SourceBroken

Record = Callable[..., Path]
VERSIONS = ("v2.1", "v3.0")
CAMERA = "observation.images.front"

TEMPLATES = [
    "../{episode_index}.parquet",
    "data/../../{episode_index}.parquet",
    "data/..",
    "/etc/passwd",
    "/etc/{episode_index}",
    "//host/share/{episode_index}",
    "data\\..\\{episode_index}",
    "C:\\{episode_index}",
    "{video_key.__class__}",
    "{episode_index.__class__.__mro__[1]}",
    "{episode_index!r}",
    "{0}",
    "{}",
    "{chunk_index:0999999999d}",
    "{episode_index:>1000000000}",
    "{episode_index:{chunk_index}}",
    "{video_key:999999999}",
    "{episode_index",
    "data/\0/{episode_index}",
    "data/\n{episode_index}",
    "\x1b]0;pwn\x07{episode_index}",
    ".",
    "./",
    "x" * 300,
    "x/" * 40_000,
    "data/" + "{episode_index:099d}" * 40,
]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda text: repr(text[:40]))
def test_a_template_that_names_no_file_of_the_dataset(template: str) -> None:
    with pytest.raises(SourceBroken) as refused:
        formats.path_glob(template)
    assert len(str(refused.value)) < 100_000
    with pytest.raises(SourceBroken):
        formats.path_format(template, ("video_key", "chunk_index", "file_index", "episode_index"))


@every_nth(2)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_template_that_leads_elsewhere(version: str, make_dataset: Record, tmp_path: Path) -> None:
    """Refused in words, with nothing written and no file opened that it names."""
    root = make_dataset("source", version=version, codec="h264", cameras=("front",))
    for key in ("data_path", "video_path"):
        for template in TEMPLATES[::6]:  # a run each takes a second
            change_info(root, lambda info, key=key, template=template: info.update({key: template}))
            before = tree(tmp_path)
            done = run("merge", root, "-o", tmp_path / "out")
            assert done.code == 3, (template, done)
            assert "\x1b" not in done.stderr
            assert len(done.stderr) < 2000
            assert tree(tmp_path) == before
        change_info(root, lambda info, key=key: info.update({key: None}))


def test_a_template_with_a_home_reads_no_home(
    make_dataset: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_dataset("source", version="v2.1", cameras=())
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (root / "data").rename(tmp_path / "home/data")
    change_info(
        root,
        lambda info: info.update(
            data_path="~/data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
        ),
    )
    assert run("info", root).code == 3


@every_nth(2)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_camera_that_no_folder_can_be_called(version: str, make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("source", version=version, codec="h264", cameras=("front",))
    for name in ("../../x", "..", ".", "/etc/x", "a/b", "nul\0", ""):
        change_info(root, lambda info, name=name: info["features"].update({name: info["features"][CAMERA]}))
        before = tree(tmp_path)
        assert run("merge", root, "-o", tmp_path / "out").code == 3
        assert tree(tmp_path) == before
        change_info(root, lambda info, name=name: info["features"].pop(name))


ODD = [
    "con",
    "*[a]?",
    "new\nline",
    "~",
    "-rf",
    "%00",
    "{{x}}",
    "{0}",
    "${HOME}",
    "'; --",
    '"q"',
    "a b",
    "é" * 60,
]


@pytest.mark.parametrize("version", few(VERSIONS, kept=lambda n: n == len(VERSIONS) - 1))
def test_a_camera_of_an_odd_name_is_a_camera(version: str, make_dataset: Record, tmp_path: Path) -> None:
    """Its folder is the output's own, its pictures are all there."""
    cameras = tuple(f"c{n}" for n in range(len(ODD)))
    root = make_dataset("source", version=version, codec="h264", cameras=cameras, frames=4, episodes=1)
    for camera, name in zip(cameras, ODD, strict=True):
        rename_feature(root, f"observation.images.{camera}", name)
    before = tree(root)
    done = run("merge", root, "-o", tmp_path / "out")
    assert done.code == 0, done.stderr
    assert {path.name for path in (tmp_path / "out/videos").iterdir()} == set(ODD)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]
    assert tree(root) == before


@pytest.mark.parametrize("version", VERSIONS)
def test_a_camera_of_too_long_a_name(version: str, make_dataset: Record, tmp_path: Path) -> None:
    """A template without the camera's name could read it; no output could be written."""
    root = make_dataset("source", version=version, codec="h264", cameras=("front",), episodes=1)
    change_info(root, lambda info: info["features"].update({"n" * 300: info["features"].pop(CAMERA)}))
    change_info(root, lambda info: info.update(video_path=f"videos/chunk-000/{CAMERA}/episode_000000.mp4"))
    done = run("merge", root, "-o", tmp_path / "out")
    assert done.code == 3
    assert "255 bytes" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


OUTPUTS = ["../x", "..", ".", "/tmp/x", "a/b", "", "n" * 300]


def test_an_output_that_climbs_out(dataset_v21: Path, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    for name in OUTPUTS:
        sql = f"select src_dataset, src_episode, '{name}' as out_dataset from episodes"
        assert run("compose", sql, dataset_v21, "-o", tmp_path / "here/out").code == 2, name
        assert run("split", dataset_v21, "-o", tmp_path / "here/out", "--into", f"{name}=1").code == 2, name
    assert tree(tmp_path) == {"here": "folder"}


# Links --------------------------------------------------------------------------------------------


def blobs(root: Path, store: Path) -> None:
    """Every file becomes a link to a file of the store, as in a download cache."""
    store.mkdir()
    for n, path in enumerate(sorted(p for p in root.rglob("*") if p.is_file())):
        path.rename(store / f"{n:040x}")
        path.symlink_to(store / f"{n:040x}")


@every_nth(2)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_dataset_of_links_is_read_and_never_written_through(
    version: str, make_dataset: Record, tmp_path: Path
) -> None:
    root = make_dataset("source", version=version, codec="h264", cameras=("front",))
    blobs(root, tmp_path / "blobs")
    before = tree(tmp_path)
    for out, words in (("out", ["merge", root]), ("less", ["delete", root, "--episodes", "1"])):
        done = run(*words, "-o", tmp_path / out)
        assert done.code == 0, done.stderr
        assert not [path for path in (tmp_path / out).rglob("*") if path.is_symlink()]
    now = tree(tmp_path)
    assert {name: what for name, what in now.items() if not name.startswith(("out", "less"))} == before


@every_nth(2)
@pytest.mark.parametrize("folder", ["data", "videos", "meta/episodes", "data/chunk-000"])
def test_a_folder_that_is_a_link(folder: str, make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("source", version="v3.0", codec="h264", cameras=("front",))
    (root / folder).rename(tmp_path / "elsewhere")
    (root / folder).symlink_to(tmp_path / "elsewhere")
    before = tree(tmp_path)
    done = run("merge", root, "-o", tmp_path / "out")
    assert done.code == 0, done.stderr
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_symlink()]
    assert {name: what for name, what in tree(tmp_path).items() if not name.startswith("out")} == before


@every_nth(2)
@pytest.mark.parametrize("way", ["files", "data", "videos", "root"])
def test_in_place_leaves_what_links_point_to(way: str, make_dataset: Record, tmp_path: Path) -> None:
    """The dataset is written anew; what it was linked from is as it was."""
    root = make_dataset("source", version="v3.0", codec="h264", cameras=("front",))
    named = root
    if way == "files":
        blobs(root, tmp_path / "kept")
    elif way == "root":
        named = tmp_path / "link"
        named.symlink_to(root)
    else:
        (root / way).rename(tmp_path / "kept")
        (root / way).symlink_to(tmp_path / "kept")
    kept = tree(tmp_path / "kept") if way != "root" else {}
    done = run("edit", "tasks", named, "--task", "wave", "--in-place")
    assert done.code == 0, done.stderr
    assert (tree(tmp_path / "kept") if way != "root" else {}) == kept
    assert not [path for path in root.rglob("*") if path.is_symlink()]
    assert "wave" in run("info", root).stdout
    assert (way == "root") == named.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        {"source", "link" if way == "root" else "kept"}
    )


@pytest.mark.parametrize("way", ["the output", "its files", "its folder of data"])
def test_overwrite_leaves_what_links_point_to(
    way: str, make_dataset: Record, dataset_v21: Path, tmp_path: Path
) -> None:
    """An output that is a link, or holds some, is replaced itself: never what lies behind."""
    old = make_dataset("kept", version="v3.0", codec="h264", cameras=("front",))
    out = tmp_path / "out"
    if way == "the output":
        out.symlink_to(old)
    elif way == "its files":
        old.rename(out)
        blobs(out, old)
    else:
        old.rename(out)
        old.mkdir()
        (out / "data").rename(old / "data")
        (out / "data").symlink_to(old / "data")
    kept = tree(old)
    done = run("merge", dataset_v21, "-o", out, "--overwrite")
    assert done.code in (0, 5), done.stderr
    assert tree(old) == kept
    if done.code == 0:
        assert not [path for path in (out, *out.rglob("*")) if path.is_symlink()]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "out"]


def test_a_link_that_turns_in_a_circle(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("source", version="v3.0", cameras=())
    (root / "data/loop").symlink_to(root / "data")
    path = root / "data/chunk-000/file-000.parquet"
    path.unlink()
    path.symlink_to(path)
    for words in (["info", root], ["check", root], ["merge", root, "-o", tmp_path / "out"]):
        assert run(*words).code == 3


PIPES = {
    "v3.0": ("data/*/*.parquet", "meta/tasks.parquet", "meta/episodes/*/*.parquet", "videos/*/*/*.mp4"),
    "v2.1": ("meta/info.json", "meta/episodes.jsonl", "meta/tasks.jsonl", "videos/*/*/episode_000001.mp4"),
}


@every_nth(2)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_pipe_for_a_file(version: str, make_dataset: Record, tmp_path: Path) -> None:
    """Nothing waits for a pipe that nobody writes to."""
    root = make_dataset("source", version=version, codec="h264", cameras=("front",))
    for pattern in PIPES[version]:
        path = next(root.glob(pattern))
        path.rename(tmp_path / "kept")
        os.mkfifo(path)
        assert run_bounded("merge", root, "-o", tmp_path / "out", timeout_s=30).code in (3, 4), pattern
        assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "source"]
        path.unlink()
        (tmp_path / "kept").rename(path)
