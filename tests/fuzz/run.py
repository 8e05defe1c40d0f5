"""Fuzzes one reader for as long as asked: `python tests/fuzz/run.py video 600`.

With atheris (the extra "fuzz") its choice of bytes follows what code they reach; without, they are spoilt by
chance. What ends it is a find: the bytes are in the folder that it names.
"""

import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / part) for part in ("src", "tests", "examples")]


def main(name: str, seconds: float) -> None:
    from fuzz.seeds import seeds

    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(seeds(folder)[name]):
        (corpus / str(number)).write_bytes(data)
    print(f"{name}: {seconds:g} s, in {folder}", flush=True)
    try:
        import atheris  # noqa: F401
    except ImportError:
        by_chance(name, seconds, folder)
    else:
        by_coverage(name, seconds, folder)


def by_coverage(name: str, seconds: float, folder: Path) -> None:
    import atheris

    for module in [key for key in sys.modules if key.startswith(("lecompose.files.mp4", "fuzz.targets"))]:
        del sys.modules[module]
    with atheris.instrument_imports(include=["lecompose.files.mp4"]):
        from fuzz.targets import TARGETS
    target = TARGETS[name]
    arguments = [
        f"-max_total_time={seconds:g}",
        f"-artifact_prefix={folder}/",
        "-len_control=0",
        "-rss_limit_mb=4096",
        "-timeout=20",
    ]
    atheris.Setup([sys.argv[0], *arguments, str(folder / "corpus")], lambda data: target(data, folder))
    atheris.Fuzz()


def by_chance(name: str, seconds: float, folder: Path) -> None:
    from fuzz.targets import TARGETS, mutations

    sound = [path.read_bytes() for path in sorted((folder / "corpus").iterdir())]
    ends, runs = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        for data in mutations(sound, runs=200, seed=runs):
            (folder / "last").write_bytes(data)
            TARGETS[name](data, folder)
        runs += 200
    print(f"{runs} runs, nothing found")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
