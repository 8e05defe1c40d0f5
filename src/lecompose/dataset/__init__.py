"""The read path: a dataset folder as relations, rows, types, stored statistics and what users query."""
