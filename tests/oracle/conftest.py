"""Says which LeRobot is asked: its release and its main branch may have one version number."""

from importlib.util import find_spec


def pytest_report_header() -> str:
    found = find_spec("lerobot")
    return f"lerobot: {found.origin if found else 'not installed'}"
