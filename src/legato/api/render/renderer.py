"""What every renderer can write."""

from __future__ import annotations


class Renderer:
    """Writes answers in the shapes of one generation."""
