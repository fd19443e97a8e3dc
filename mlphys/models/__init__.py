"""One file, one kind of model: its keys, its shapes and cost, its phases."""
