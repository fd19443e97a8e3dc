"""The analyses of trained networks, one file each."""
