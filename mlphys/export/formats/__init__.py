"""Formats of other programs: one file each, its name the one that `mlphys export --format` takes."""
