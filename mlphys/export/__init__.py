"""Trained nets in files of other programs: formats/, what is written, and how it is compared with the run."""
