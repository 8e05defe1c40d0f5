"""The write path: from a request to published datasets.

request → pipeline → plan/ → layout → execute → stages/ → published folder, with resume/ beside them.
"""
