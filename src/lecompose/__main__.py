"""`python -m lecompose`."""

from lecompose.cli import main

main()
