"""What tests stand on: an independent reader, what edits make of datasets, toys of any type, SQL cases.

Nothing in here asks lecompose what is right.
"""
