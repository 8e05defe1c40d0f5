"""Parquet files known to the byte, where a library would decode what only has to move."""
