"""The stages of a run, strangers to each other; `lecompose.execute` puts them in order."""
