"""How each application wants its events rendered: the few that differ from the installation are kept in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy import Connection

from legato.dialects import Manner
from legato.events.moment import Clock
from legato.store.applications import Application, read_settings
from legato.store.media_links import MediaLinks

Chosen = dict[str, Manner]  # by application


class Manners:
    """``of(application id)`` costs one look into a dictionary."""

    def __init__(self, links: MediaLinks, clock: Clock, *, render_text: bool) -> None:
        def sign(url: str, application_id: str) -> str:
            return links.sign_media_url(url, application_id, clock.now())

        self._by_choice = {
            choice: Manner(message_as_text=choice, is_own_media_url=links.is_own_media_url, sign_media_url=sign)
            for choice in (True, False)
        }
        self._default = self._by_choice[render_text]
        self._different: Chosen = {}
        self._changes = 0

    def of(self, application_id: str) -> Manner:
        """The application's, else the installation's."""
        return self._different.get(application_id, self._default)

    async def load(self, read: Callable[[Callable[[Connection], Chosen]], Awaitable[Chosen]]) -> None:
        """Reads what applications have chosen; once more when one of them is changed meanwhile, which may not be in it.

        What was known until then stands to the end.
        """
        seen = None
        while seen != self._changes:
            seen = self._changes
            chosen = await read(self._read)
        self._different = chosen

    def _read(self, connection: Connection) -> Chosen:
        found = read_settings(connection)
        chosen = {application_id: self._manner(settings.get("render_text")) for application_id, settings in found}
        return {application_id: manner for application_id, manner in chosen.items() if manner is not None}

    def changed(self, application_id: str, application: Application | None) -> None:
        """An application was made, changed, or (None) deleted."""
        self._changes += 1
        manner = self._manner(None if application is None else application.settings.get("render_text"))
        if manner is None:
            self._different.pop(application_id, None)
        else:
            self._different[application_id] = manner

    def _manner(self, choice: bool | None) -> Manner | None:
        """What an application has chosen; None when it is what all have."""
        chosen = self._default if choice is None else self._by_choice[choice]
        return None if chosen is self._default else chosen
