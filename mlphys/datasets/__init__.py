"""One file, one dataset: its keys, what its headers tell, its samples, the files it needs."""
