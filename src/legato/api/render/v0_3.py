"""v0.3: what it has of its own is the page of events."""

from __future__ import annotations

from legato.api.contract import answers
from legato.api.paging import Page
from legato.api.render.modern import Modern, event_body
from legato.api.render.modern_shapes import Events, EventsEmbedded
from legato.api.render.shapes import page_links
from legato.api.render.views import EventView


class V03(Modern):
    """Writes answers of v0.3."""

    @answers(200)
    def events(self, base: str, page: Page[EventView], user_agent: str) -> Events:
        """A page of events."""
        items = [event_body(base, view) for view in page.items]
        return Events(page.size, page_links(page), EventsEmbedded(items))
