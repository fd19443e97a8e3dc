"""Files, which may be a stranger's or torn: read within bounds, written whole or not at all."""
