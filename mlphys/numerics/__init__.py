"""Numerical methods and statistics, NumPy only."""
