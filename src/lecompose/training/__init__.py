"""A dataset to train on: items as LeRobot's reader gives them, read out of the parquet and mp4 files.

Nothing is copied to disk, and what is held in memory has a bound. PyTorch comes with `items`, not before.
Source: LeRobot 0.6.1, for the keys, dtypes, shapes and units of an item.
"""
