"""The plots, one file each, drawn from the files of a run.

A config with a plot whose `check` raises NotApplicable is refused before training.
"""
