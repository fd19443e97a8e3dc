"""Shared parts of plots and analyses: style, saving, grids, curves, scatter plots, results of analyses."""
