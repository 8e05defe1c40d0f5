"""The same files from threads, from a Ray cluster of four nodes, and from arrays of a SLURM of four nodes.

Where one of these cannot be had, its tests say so and are skipped.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import CHECKOUT

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "torture")]
Record = Callable[..., Path]
pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore")]
SMALL = {"codec": "h264", "cameras": ("front",), "frames": (6, 5, 7), "frames_per_video_file": 8}
FILES = ("--data-mb", "0.001", "--no-concatenate-videos")
TOYS = {
    "merge": ("merge", "a", "b", *FILES),
    "filter": ("filter", "a", "--where", "length > 5", *FILES),
    "split": ("split", "a", "--into", "x=0.5", "--into", "y=0.5", *FILES),
    "rates": ("merge", "a", "b", "--fps", "15", *FILES),
    "stats": ("stats", "a", "--images"),
}
REAL = {
    "merge": ("merge", "a", "b", "--no-concatenate-videos"),
    "filter": ("filter", "a", "b", "--where", "src_episode % 2 = 0"),
    "split": ("split", "a", "--into", "x=0.5", "--into", "y=0.5"),
}
ENGINES = {
    "ray": ("--runner", "ray"),
    "slurm": ("--runner", "slurm", "--slurm", "tasks=4 mem=1000", "--wait"),
}


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


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The name of an engine that stands."""
    request.getfixturevalue("ray_address" if request.param == "ray" else "slurm")
    return str(request.param)


@pytest.fixture
def address(engine: str, request: pytest.FixtureRequest) -> dict[str, str]:
    return {"RAY_ADDRESS": request.getfixturevalue("ray_address")} if engine == "ray" else {}


def give(home: Path, *words: str, **more: str) -> dict[str, object]:
    """What a command reports that is given in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT / "src")} | more
    command = [sys.executable, "-m", "lecompose", *words, "--json"]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    said: dict[str, object] = json.loads(done.stdout)
    return said


def files(root: Path) -> dict[str, bytes]:
    found = {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    return {name: content for name, content in found.items() if not name.endswith("lineage.parquet")}


def same_as_threads(home: Path, words: tuple[str, ...], engine: str, address: dict[str, str]) -> None:
    here = give(home, *words, "-o", "here")
    there = give(home, *words, "-o", "there", *ENGINES[engine], **address)
    assert files(home / "there") == files(home / "here")
    assert [p.name for p in home.glob(".*.lecompose")] == []
    for fact in ("bytes_copied", "bytes_remuxed", "bytes_spliced", "frames_decoded"):
        assert there[fact] == here[fact], fact


@pytest.mark.parametrize("words", TOYS.values(), ids=TOYS)
def test_toys(
    words: tuple[str, ...], engine: str, address: dict[str, str], recorded: Record, tmp_path: Path
) -> None:
    for n, name in enumerate(("a", "b")):
        (tmp_path / name).symlink_to(recorded(**SMALL, seed=n))
    same_as_threads(tmp_path, words, engine, address)


@pytest.mark.parametrize("words", REAL.values(), ids=REAL)
def test_real_recordings(
    words: tuple[str, ...], engine: str, address: dict[str, str], real: Path, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).symlink_to(real / f"g1_pick_{name}")
    same_as_threads(tmp_path, words, engine, address)


def test_slurm_without_waiting(slurm: None, recorded: Record, tmp_path: Path) -> None:
    """The last job puts the output in place."""
    import on_slurm

    (tmp_path / "a").symlink_to(recorded(**SMALL))
    give(tmp_path, "filter", "a", "--where", "length > 5", "-o", "here")
    on = ENGINES["slurm"][:-1]
    said = give(tmp_path, "filter", "a", "--where", "length > 5", "-o", "there", *on)
    assert said["planned"]["scheduled"]  # type: ignore[index]
    on_slurm.wait_until_empty()
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert [p.name for p in tmp_path.glob(".*.lecompose")] == []
    assert len([*tmp_path.glob("*.lecompose-finish-*.log")]) == 1


def test_ray_twice_in_one_process(ray_address: str, recorded: Record, tmp_path: Path) -> None:
    """The same output, replaced: processes of the cluster may be those of the first time."""
    script = (
        "import ray, sys, lecompose\n"
        "ray.init(address=sys.argv[1], log_to_driver=False)\n"
        "for where in ('length > 5', 'length > 6', 'length > 6'):\n"
        "    lecompose.filter(sys.argv[2], where=where, out=sys.argv[3], runner='ray', overwrite=True)\n"
        "assert ray.is_initialized()\n"
    )
    words = [script, ray_address, str(recorded(**SMALL)), str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT / "src")}
    subprocess.run([sys.executable, "-c", *words], env=environment, check=True, timeout=300)
    give(tmp_path, "filter", words[2], "--where", "length > 6", "-o", "here")
    assert files(tmp_path / "out") == files(tmp_path / "here")
    assert [p.name for p in tmp_path.glob(".*.lecompose")] == []
