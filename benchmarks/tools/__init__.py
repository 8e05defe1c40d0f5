"""What the rivals do, a module a tool, as an expert in it would write it.

Each function is called by `once.py` in a process of its own, under the Python that has the tool: so a module
imports its tool inside its functions or at its top, and nothing of the others.
"""
