"""How each application wants its events rendered: the few that differ from the installation are kept in memory."""

from __future__ import annotations

from sqlalchemy import Connection

from legato.dialects import Manner
from legato.events.moment import Clock
from legato.store.applications import Application, read_settings
from legato.store.media_links import MediaLinks


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
        self._different: dict[str, Manner] = {}

    def of(self, application_id: str) -> Manner:
        """The application's, else the installation's."""
        return self._different.get(application_id, self._default)

    def load(self, connection: Connection) -> None:
        """Reads what applications have chosen. In a reader's thread: what was known until then stands to the end."""
        found = read_settings(connection)
        chosen = {application_id: self._manner(settings.get("render_text")) for application_id, settings in found}
        self._different = {application_id: manner for application_id, manner in chosen.items() if manner is not None}

    def changed(self, application_id: str, application: Application | None) -> None:
        """An application was made, changed, or (None) deleted."""
        manner = self._manner(None if application is None else application.settings.get("render_text"))
        if manner is None:
            self._different.pop(application_id, None)
        else:
            self._different[application_id] = manner

    def _manner(self, choice: bool | None) -> Manner | None:
        """What an application has chosen; None when it is what all have."""
        chosen = self._default if choice is None else self._by_choice[choice]
        return None if chosen is self._default else chosen
