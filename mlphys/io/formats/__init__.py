"""Formats that C libraries parse: each file is one of them, and is imported by the reading process only."""
