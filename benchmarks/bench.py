"""Measures lecompose beside cp, polars, LeRobot and others: the workloads of workloads.py, or some of them.

    python benchmarks/bench.py                        small sizes, minutes
    python benchmarks/bench.py --size full            the sizes that the bars are about: hours, 40 GB of disk
    python benchmarks/bench.py --workload W200 --workload SP --rounds 9
    python benchmarks/bench.py --list

Writes results/<size>/<workload>.json for each; from all that stand there, charts and a page with the bars.
Cases that are not measured, or not yet, stay as they were, each with the run that it is from.
"""

import argparse
import compileall
import importlib.util
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import cases
import table
from cases import Bench, Result
from measure import machine, rounded, versions
from rivals import Rival, found
from store import Store
from workloads import SIZES, Case, Workload, workloads

HERE = Path(__file__).resolve().parent
Json = dict[str, Any]
# What tells of a run, in results and of each case that is from another one.
RUN = ("rounds", "command", "machine", "versions")


def main() -> int:
    args = parsed()
    chosen = list(_chosen(args))
    if args.list:
        print("\n".join(_listed(chosen)))
        return 0
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_checkout(), os.environ.get("PYTHONPATH")]))
    _compile()
    target = args.results / args.size
    target.mkdir(parents=True, exist_ok=True)
    sound = True
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=args.work)))
        disk = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=args.work)))
        tmpfs = _tmpfs(args.tmpfs, stack)
        bench = Bench(found(work), work, args.rounds, args.timeout, tuple(args.tool or ()))
        store = Store(disk, tmpfs)
        for n, workload in enumerate(chosen):
            later = [case for following in chosen[n + 1 :] for case in following.cases]
            where, path = machine(disk), target / f"{workload.name}.json"
            held = _held(path)
            for result in _measured(workload, later, store, bench):
                # Again after each case: whoever stops a run of hours keeps what was measured.
                where["load_at_end"] = machine(disk)["load_at_start"]
                held[result.case.name] = rounded(result.as_dict())
                written = report(workload, _in_order(held, workload.name, args.size), args, where, bench)
                path.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
                sound &= _sound(held[result.case.name])
    write_pages(target)
    return 0 if sound else 1


def _chosen(args: argparse.Namespace) -> Iterator[Workload]:
    """The workloads that were asked for, each with the cases that were."""
    for workload in workloads(args.size):
        if not args.workload or workload.name in args.workload:
            asked = [c for c in workload.cases if not args.case or any(part in c.name for part in args.case)]
            if asked:
                yield replace(workload, cases=tuple(asked))


def _held(path: Path) -> dict[str, Json]:
    """The cases that stand in a file of results, by name, each with the run that it is from."""
    if not path.is_file():
        return {}
    written = json.loads(path.read_text(encoding="utf-8"))
    run = {name: written[name] for name in RUN}
    return {case["case"]: {"run": run, **case} for case in written["cases"]}


def _in_order(held: dict[str, Json], workload: str, size: str) -> list[Json]:
    """What is held of a workload's cases, in their order."""
    (whole,) = (one for one in workloads(size) if one.name == workload)
    return [held[case.name] for case in whole.cases if case.name in held]


def _command(workload: Workload, args: argparse.Namespace) -> str:
    """What makes these results again."""
    words = ["python", "benchmarks/bench.py", "--size", args.size, "--workload", workload.name]
    words += [
        word
        for name in ("case", "tool")
        for value in getattr(args, name) or ()
        for word in (f"--{name}", value)
    ]
    return shlex.join([*words, "--rounds", str(args.rounds)])


def _measured(workload: Workload, later: list[Case], store: Store, bench: Bench) -> Iterator[Result]:
    print(f"{workload.name}: {workload.what}", flush=True)
    for n, case in enumerate(workload.cases):
        print(f"  {case.name}", flush=True)
        if case.tmpfs and store.tmpfs is None:
            print("    SKIPPED: no tmpfs. Try: --tmpfs FOLDER", flush=True)
            continue
        yield cases.measured(case, store.sources(case), store.folder(case), bench)
        store.release([*workload.cases[n + 1 :], *later])


def report(workload: Workload, held: list[Json], args: argparse.Namespace, where: Json, bench: Bench) -> Json:
    """All that was found of a workload, as one JSON value. A case of another run has its `run`."""
    rivals = {name: rival.version for name, rival in bench.rivals.items() if isinstance(rival, Rival)}
    return {
        "workload": workload.name,
        "what": workload.what,
        "axis": workload.axis,
        "size": args.size,
        "rounds": args.rounds,
        "command": _command(workload, args),
        "machine": where,
        "versions": versions("matplotlib") | {name: said for name, said in rivals.items() if said},
        "cases": held,
    }


def _sound(case: Json) -> bool:
    """Whether outputs were equal, and lecompose did not fail."""
    ours_failed = [name for name in case["failed"] if name.startswith("lecompose")]
    for problem in [*case["equality"]["differing"], *(f"{name} failed" for name in ours_failed)]:
        print(f"{case['case']}: {problem}", file=sys.stderr)
    return not ours_failed and case["equality"]["equal"]


def write_pages(folder: Path) -> None:
    """Tables and charts of every workload whose results stand in the folder."""
    import charts  # once all is measured: no child's peak memory is reported below that of this process

    written = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    drawn = charts.draw(written, folder)
    page = table.markdown(written, drawn)
    (folder / "README.md").write_text(page, encoding="utf-8")
    print(f"{table.bars_of(written)}\n{folder / 'README.md'}")


def _listed(chosen: list[Workload]) -> list[str]:
    return [
        line
        for workload in chosen
        for line in (
            f"{workload.name:5} {workload.what}",
            *(f"      {case.name}: {case.job}" for case in workload.cases),
        )
    ]


def _tmpfs(given: Path, stack: ExitStack) -> Path | None:
    if not given.is_dir():
        return None
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=given)))


def _checkout() -> str | None:
    """The source folder, where lecompose is not installed."""
    return None if importlib.util.find_spec("lecompose") else str(HERE.parent / "src")


def _compile() -> None:
    """Make lecompose's bytecode, which pip makes of what it installs: a checkout's first run would."""
    spec = importlib.util.find_spec("lecompose")
    folder = Path(spec.origin).parent if spec and spec.origin else HERE.parent / "src"
    compileall.compile_dir(folder, quiet=1)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add("--size", choices=SIZES, default="small")
    add("--workload", action="append", metavar="NAME", help="only this one; repeatable")
    add("--case", action="append", metavar="TEXT", help="only those with this in their names; repeatable")
    add("--tool", action="append", metavar="NAME", help="only this variant; repeatable")
    add("--rounds", type=int, help="after the warm-up; 5 at full size, else 3; of LeRobot and refiner half")
    add("--timeout", type=float, default=1800, help="seconds after which a run is stopped")
    add("--work", type=Path, help="where data is made for the time being; default: the temporary folder")
    add("--tmpfs", type=Path, default=Path("/dev/shm"))
    add("--results", type=Path, default=HERE / "results")
    add("--list", action="store_true", help="name the workloads and their cases, and end")
    args = parser.parse_args()
    if args.rounds is None:
        args.rounds = 5 if args.size == "full" else 3
    return args


if __name__ == "__main__":
    sys.exit(main())
