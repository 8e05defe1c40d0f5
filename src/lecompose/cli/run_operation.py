"""What the commands that write a dataset share."""

from typing import Any


def run_operation(verb: str, *arguments: Any, as_json: bool, quiet: bool, **request: Any) -> None:
    """Call the public function `verb` with a progress bar, and print its report."""
    import lecompose
    from lecompose.cli.progress import show_progress
    from lecompose.cli.show_report import show_report

    with show_progress(quiet=quiet or as_json) as progress:
        report = getattr(lecompose, verb)(*arguments, progress=progress, **request)
    show_report(report, as_json=as_json, quiet=quiet)
