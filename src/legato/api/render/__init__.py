"""How each generation writes the same values: a renderer per generation, one method per kind of answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from legato.api.contract import Generation
from legato.api.render.renderer import Renderer

RENDERERS: Final[Mapping[Generation, Renderer]] = {generation: Renderer() for generation in Generation}

__all__ = ["RENDERERS", "Renderer"]
