"""v1: v0.3, but for events, whose ``_embedded`` is the list itself."""

from __future__ import annotations

import msgspec
from msgspec import field

from legato.api.contract import answers
from legato.api.paging import Page
from legato.api.render.modern import Modern, event_body
from legato.api.render.modern_shapes import EventsEmbedded
from legato.api.render.shapes import PageLinks, page_links
from legato.api.render.views import EventView
from legato.events.envelope import JsonObject


class EventList(msgspec.Struct, frozen=True):
    """A page of events; the object is for the Java SDK."""

    page_size: int
    links: PageLinks = field(name="_links")
    embedded: list[JsonObject] | EventsEmbedded = field(name="_embedded")


class V1(Modern):
    """Writes answers of v1."""

    @answers(200)
    def events(self, base: str, page: Page[EventView], user_agent: str) -> EventList:
        """A page of events. Documentation, Node and .NET want a list there; the Java SDK wants v0.3's object."""
        items = [event_body(base, view) for view in page.items]
        if user_agent.startswith("vonage-java-sdk/"):
            return EventList(page.size, page_links(page), EventsEmbedded(items))
        return EventList(page.size, page_links(page), items)
