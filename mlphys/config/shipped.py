"""Where the configs that come with mlphys are."""

from __future__ import annotations

from pathlib import Path


def shipped() -> dict[str, Path]:
    """The configs that come with mlphys, by name."""
    return {path.stem: path for path in sorted(_folder().glob("*.yaml"))}


def shipped_studies() -> dict[str, Path]:
    """The configs of studies that come with mlphys, by name."""
    return {path.stem: path for path in sorted((_folder() / "studies").glob("*.yaml"))}


def _folder() -> Path:
    package = Path(__file__).parents[1]
    inside, beside = package / "configs", package.parent / "configs"
    return inside if inside.is_dir() else beside
