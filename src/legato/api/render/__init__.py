"""How each generation writes the same values: a renderer per generation, one method per kind of answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from legato.api.contract import Generation
from legato.api.render.renderer import Renderer
from legato.api.render.v0_1 import V01
from legato.api.render.v0_2 import V02
from legato.api.render.v0_3 import V03
from legato.api.render.v1 import V1

RENDERERS: Final[Mapping[Generation, Renderer]] = {
    Generation.V0_1: V01(),
    Generation.V0_2: V02(),
    Generation.V0_3: V03(),
    Generation.V1: V1(),
    Generation.V2: Renderer(),
    Generation.V3: Renderer(),
}

__all__ = ["RENDERERS", "Renderer"]
