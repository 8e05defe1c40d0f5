"""However lecompose is installed, its SQL comes along: from a wheel, a wheel of the sdist, and editable."""

import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LOOK = """
import json, site, sys
site.addsitedir(sys.argv[1])
sys.path.insert(0, sys.argv[1])
from lecompose.engine import templates
import lecompose
names = templates.names()
print(json.dumps({
    "package": lecompose.__file__,
    "sql": str(templates.folder()),
    "names": names,
    "merge": templates.render("plan/merge"),
}))
"""


def build(kind: str, source: Path, target: Path) -> Path:
    """The one file that hatchling makes of `source`: without isolation, so without a network."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [made] = target.iterdir()
    return made


def unpack(archive: Path, target: Path) -> Path:
    if archive.suffix == ".whl":
        zipfile.ZipFile(archive).extractall(target)
        return target
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    [root] = target.iterdir()
    return root


def look(site: Path) -> dict:
    """What a fresh interpreter finds with the unpacked wheel `site` as its site-packages."""
    command = [sys.executable, "-I", "-c", LOOK, str(site)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=site)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", CHECKOUT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", CHECKOUT, tmp_path_factory.mktemp("sdist"))


def sql_files() -> list[str]:
    root = CHECKOUT / "sql"
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.sql"))


def test_wheel(wheel: Path, tmp_path: Path) -> None:
    found = look(unpack(wheel, tmp_path))
    assert found["package"] == str(tmp_path / "lecompose/__init__.py")
    assert found["sql"] == str(tmp_path / "lecompose/sql")
    assert found["names"] == sql_files()
    assert "select" in found["merge"]


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"lecompose", "lecompose-0.1.0.dist-info"}
    assert "lecompose/py.typed" in names
    assert "lecompose-0.1.0.dist-info/licenses/LICENSE" in names


def test_wheel_of_the_sdist_is_the_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    source = unpack(sdist, tmp_path / "source")
    again = build("wheel", source, tmp_path / "again")
    assert contents(again) == contents(wheel)


def test_sdist_can_run_its_own_tests(sdist: Path) -> None:
    with tarfile.open(sdist) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {"Makefile", "tests/conftest.py", "examples/recorder/__init__.py", "sql/plan/merge.sql"} <= names


def test_editable_finds_the_sql_of_the_checkout(tmp_path: Path) -> None:
    made = build("wheel:editable", CHECKOUT, tmp_path / "made")
    found = look(unpack(made, tmp_path / "site"))
    assert found["package"] == str(CHECKOUT / "src/lecompose/__init__.py")
    assert found["sql"] == str(CHECKOUT / "sql")
    assert found["names"] == sql_files()


def contents(wheel: Path) -> dict[str, int]:
    return {entry.filename: entry.CRC for entry in zipfile.ZipFile(wheel).infolist()}
