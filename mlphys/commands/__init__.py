"""One file, one verb: what the command line calls."""
