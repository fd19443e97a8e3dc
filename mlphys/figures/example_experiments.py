"""Small example experiments for several plots and analyses; each call returns a new config."""

from __future__ import annotations

from typing import Any


def classifier_of_points() -> dict[str, Any]:
    return {
        "data": {"name": "moons", "samples": 100, "validation": 20, "test": 20},
        "model": {"kind": "classifier", "layers": [{"Dense": {"units": 2, "activation": "softmax"}}]},
        "training": {"epochs": 2},
    }


def classifier_of_images() -> dict[str, Any]:
    """With kernels large enough for waves in them, and a history of its layers."""
    layers = [
        {"Conv2D": {"filters": 2, "kernel_size": 7, "activation": "tanh"}},
        "Flatten",
        {"Dense": {"units": 10, "activation": "softmax"}},
    ]
    return {
        "data": {"name": "digits", "train": 60, "validation": 30, "test": 30},
        "model": {"kind": "classifier", "layers": layers},
        "training": {"epochs": 2, "track": ["gradient_norms", "weight_norms", "saturation"]},
    }


def autoencoder_of_points() -> dict[str, Any]:
    """With tied weights, so that r(x) - x has an energy."""
    encoder, decoder = [{"Dense": {"units": 5, "activation": "tanh"}}], [{"Dense": {"units": 2}}]
    return {
        "data": {"name": "moons", "samples": 100, "validation": 20, "test": 20},
        "model": {"kind": "autoencoder", "encoder": encoder, "decoder": decoder, "tied": True},
        "training": {"epochs": 2},
    }


def autoencoder_of_images() -> dict[str, Any]:
    encoder, decoder = [{"Dense": {"units": 3}}], [{"Dense": {"units": 64, "activation": "sigmoid"}}]
    return {
        "data": {"name": "digits", "train": 60, "validation": 30, "test": 30},
        "model": {"kind": "autoencoder", "encoder": encoder, "decoder": decoder},
        "training": {"epochs": 2},
    }


def regressor_of_points() -> dict[str, Any]:
    layers = [{"Dense": {"units": 3, "activation": "tanh"}}, {"Dense": {"units": 1}}]
    return {
        "data": {"name": "function_1d", "function": "sine", "samples": 60, "validation": 20, "test": 20},
        "model": {"kind": "regressor", "layers": layers},
        "training": {"epochs": 2},
    }
