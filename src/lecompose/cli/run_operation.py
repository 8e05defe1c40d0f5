"""What the commands that write a dataset share."""

from typing import Any


def run_operation(verb: str, *arguments: Any, as_json: bool, quiet: bool, **request: Any) -> None:
    """Call the public function `verb` with a progress bar, and print its report."""
    import lecompose
    from lecompose.cli import show
    from lecompose.cli.progress import show_progress

    with show_progress(quiet=quiet or as_json) as progress:
        report = getattr(lecompose, verb)(*arguments, progress=progress, **request)
    show.report(report, as_json=as_json, quiet=quiet)
