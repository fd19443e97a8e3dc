"""One file is one analysis of a trained net."""
