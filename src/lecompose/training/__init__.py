"""A dataset to train on: items as LeRobot's reader gives them, read out of the parquet and mp4 files.

Nothing is copied to disk, and the memory in use is bounded. Only `dataset` imports PyTorch.
Source: LeRobot 0.6.1, for the keys, dtypes, shapes and units of an item.
"""
