"""What pictures share: their look, saving, grids, curves, and what an analysis gives."""
