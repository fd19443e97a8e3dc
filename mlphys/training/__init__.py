"""From phases and data to trained weights."""
