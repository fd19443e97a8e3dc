"""Run directories: reading, writing, provenance, and the trained network."""
