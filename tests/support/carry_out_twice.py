"""A process that knows nothing but files of jobs, and carries each of them out alone, twice.

    python carry_out_twice.py FOLDER

FOLDER/NAME.json holds a job; what it makes lies in FOLDER/NAME/1 and FOLDER/NAME/2.
"""

import sys
from pathlib import Path

from lecompose.composition.carry_out_job import carry_out_job
from lecompose.composition.jobs import decode_job
from lecompose.engine import open_engine


def main(folder: Path) -> None:
    for path in sorted(folder.glob("*.json")):
        for time in ("1", "2"):
            scratch = folder / "scratch" / path.stem / time
            scratch.mkdir(parents=True)
            engine = open_engine(scratch=scratch, threads=3)
            carry_out_job(decode_job(path.read_text()), path.with_suffix("") / time, engine)
            engine.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
