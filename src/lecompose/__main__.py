"""`python -m lecompose`."""

from lecompose.cli import run

run()
