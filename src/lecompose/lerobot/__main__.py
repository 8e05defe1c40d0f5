"""`python -m lecompose.lerobot`: lerobot-edit-dataset, with our functions."""

import sys

from lecompose.lerobot import install


def main() -> None:
    """Run LeRobot's command with LeRobot's arguments. Raises SystemExit if LeRobot is not installed."""
    try:
        from lerobot.scripts.lerobot_edit_dataset import main as edit_dataset
    except ImportError as error:
        sys.exit(f"error: {error}. Try: pip install 'lerobot[dataset]'")
    install()
    edit_dataset()


if __name__ == "__main__":
    main()
