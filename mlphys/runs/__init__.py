"""Run directories: read, written, found again, and the network that one holds."""
