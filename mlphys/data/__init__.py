"""Samples on their way to the net: splits, a choice of classes, preprocessing, a first look."""
