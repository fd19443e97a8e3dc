"""File formats of C libraries, one file each, imported only by the reading process."""
