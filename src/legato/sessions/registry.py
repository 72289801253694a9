"""Who is connected, and what they are sent: the log's tap for client sessions."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from legato.auth import Principal
from legato.events import Effect
from legato.log import Delivery, Log
from legato.sessions.fanout import Bundle, Outgoing, Render, plan
from legato.sessions.resume import CatchUp
from legato.sessions.ring import Ring
from legato.sessions.session import Pace, Session
from legato.store.heads import SessionRefreshed, announce
from legato.store.sessions import end_session, end_sessions_of_application, end_sessions_of_user

log = logging.getLogger(__name__)

# Sessions that were here and that other nodes may ask about before it is written down how far their clients had come:
# all of them when this node stops. Of who is forgotten it is not known.
MAX_LEFT: Final = 20_000


class Registry:
    """Every session that somebody is connected to. One per node; everything here runs in the event loop."""

    def __init__(self, log: Log, render: Render) -> None:
        """``render`` is ``legato.dialects.for_socket`` in the manner of the event's application."""
        self._log = log
        self._render = render
        self._ring = Ring()
        self._catch_up = CatchUp(log, self._ring, render, self._go_live)
        self._sessions: dict[str, Session] = {}
        self._live: dict[str, tuple[Session, ...]] = {}  # by user
        self._behind: dict[str, tuple[Session, ...]] = {}  # by user: those that catch up
        self._released: dict[str, int | None] = {}  # session id: how far its client had come, if that is known
        self._left: OrderedDict[str, int] = OrderedDict()  # the same, for nodes that have them since
        self.on_released: Callable[[], None] = lambda: None
        self.resumed_from_memory = 0  # sessions, since the start
        self.resumed_from_log = 0
        self.terminations = 0  # grows when sessions are ended from outside, for logins that are under way

    def __len__(self) -> int:
        """How many sessions are connected."""
        return len(self._sessions)

    @property
    def head(self) -> int:
        """The commit number of the last event that was delivered."""
        return self._ring.head

    def get(self, session_id: str) -> Session | None:
        """The session, if somebody is connected to it."""
        return self._sessions.get(session_id)

    def is_connected(self, user_id: str) -> bool:
        """Whether any client of the user is."""
        return user_id in self._live or user_id in self._behind

    def start(self) -> None:
        """Taps the log, which must be running."""
        self._log.tap(self.deliver)
        self._ring.begin(self._log.head)

    # -- the tap -----------------------------------------------------------------------------------------------------

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Writes a batch to everybody who hears it: the log's tap.

        Should that fail half-way, everybody is cut and resumes: nobody may hear what follows before what is missing.
        """
        try:
            self._deliver(deliveries)
        except Exception:
            log.exception("a batch could not be written to everybody; they come back for it")
            for session in list(self._sessions.values()):
                session.connection.cut("a batch could not be written")
        finally:
            self._ring.trim()

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        batch = [Outgoing(delivery) for delivery in deliveries]
        for outgoing in batch:
            if outgoing.commit is not None:
                self._ring.push(outgoing, outgoing.commit)
        self._silence(deliveries)
        run: list[Outgoing] = []
        for outgoing in batch:
            if outgoing.session_id is None:
                run.append(outgoing)
            else:
                self._write(run)
                run = []
                self._write_to_one(outgoing.session_id, outgoing)
        self._write(run)

    def _silence(self, deliveries: Sequence[Delivery]) -> None:
        """Whoever comes back reads what was deleted as the log has it."""
        deleted = {
            (delivery.event.conversation_id or "", delivery.event.body["event_id"]): delivery.event.timestamp
            for delivery in deliveries
            if delivery.entry.effect is Effect.DELETE
        }
        if deleted:
            self._ring.silence(deleted)
            self._catch_up.silence(deleted)

    def _write(self, run: list[Outgoing]) -> None:
        if not run:
            return
        live = self._live
        for users, bundle in plan(run, self._render):
            for user in users:
                for session in live.get(user, ()):
                    frames = bundle[session.dialect]
                    if frames:
                        session.connection.transport.write(frames)
        if self._behind:
            self._hold([one for one in run if one.commit is None])

    def _hold(self, signals: list[Outgoing]) -> None:
        """Sessions that catch up read what is stored by themselves; signals are kept for them."""
        for users, bundle in plan(signals, self._render) if signals else ():
            self._hold_bundle(users, bundle)

    def _hold_bundle(self, users: Iterable[str], bundle: Bundle) -> None:
        for user in users:
            for session in self._behind.get(user, ()):
                frames = bundle[session.dialect]
                if frames:
                    session.hold(frames)

    def _write_to_one(self, session_id: str, outgoing: Outgoing) -> None:
        session = self._sessions.get(session_id)
        if session is None:
            return
        frame = outgoing.frame(session.dialect, self._render)
        if not frame:
            return
        if session.pace is Pace.LIVE:
            session.write(frame)
        else:
            session.hold(frame)

    # -- coming and going --------------------------------------------------------------------------------------------

    def attach(self, session: Session, after: int | None) -> None:
        """``session`` is connected. What it missed since commit ``after`` is sent first; None: it missed nothing.

        A connection that held the session before is cut, without DISCONNECT: its client would take that for the end.
        """
        earlier = self._sessions.get(session.id)
        if earlier is not None:
            self.detach(earlier)
            earlier.connection.close("another connection took its session")
        self._released.pop(session.id, None)
        self._left.pop(session.id, None)
        self._sessions[session.id] = session
        _add(self._behind, session)
        if after is None:
            session.cursor = session.answered = self.head
            self._go_live(session)
        else:
            if after < self._ring.floor:
                self.resumed_from_log += 1
            else:
                self.resumed_from_memory += 1
            session.answered = after
            self._catch_up.begin(session, after)

    def answered(self, session_id: str) -> int | None:
        """Up to which commit a connected session's client has received everything; None: nobody is connected here."""
        session = self._sessions.get(session_id)
        return None if session is None else session.answered

    def let_go(self, session_id: str) -> int | None:
        """Another node has the session. Up to which commit its client has received everything, if it was here."""
        self.moved([session_id])
        return self._left.pop(session_id, None)

    def detach(self, session: Session) -> None:
        """The session's connection is gone; the session itself can be resumed for a while."""
        if self._forget(session):
            self._released[session.id] = self._left[session.id] = session.answered
            while len(self._left) > MAX_LEFT:
                self._left.popitem(last=False)
            self.on_released()

    def take_released(self) -> dict[str, int | None]:
        """The sessions that lost their connection since this was last asked, and how far their clients had come."""
        released, self._released = self._released, {}
        return released

    def give_back_released(self, released: Mapping[str, int | None]) -> None:
        """These are still to be written down as released, unless somebody has come back to them."""
        self._released |= {one: answered for one, answered in released.items() if one not in self._sessions}
        if self._released:
            self.on_released()

    def proceed(self, session: Session) -> None:
        """The client has taken what was written to it."""
        self._catch_up.proceed(session)

    def wake(self) -> None:
        """To be called now and then."""
        self._catch_up.wake()

    def _forget(self, session: Session) -> bool:
        if self._sessions.get(session.id) is not session:
            return False
        del self._sessions[session.id]
        _remove(self._live if session.pace is Pace.LIVE else self._behind, session)
        session.pace = Pace.ENDED
        return True

    def _go_live(self, session: Session) -> None:
        _remove(self._behind, session)
        session.pace = Pace.LIVE
        _add(self._live, session)
        session.release()

    # -- what others ask for -----------------------------------------------------------------------------------------

    async def refresh(self, session_id: str, principal: Principal) -> None:
        """The session's client has a new token. Nothing happens when nobody is connected, or to somebody else's."""
        if principal.user is None:
            return
        change = SessionRefreshed(session_id, principal.user.id, principal.expires_at)
        if session_id not in self._sessions and self._log.others.has_others:
            await self._log.transact(lambda connection: announce(connection, change))
        else:
            self.refreshed(change)

    def refreshed(self, change: SessionRefreshed) -> None:
        """A session's client has a new token, if it is connected here."""
        session = self._sessions.get(change.session_id)
        if session is not None and change.user_id == session.user_id:
            session.renew(change.expires_at)
            session.connection.reschedule()

    async def terminate(self, session_id: str, reason: str) -> bool:
        """Ends a session for good: ``session:terminated``, DISCONNECT. False when there is no such session."""
        existed = await self._log.transact(lambda connection: end_session(connection, session_id, reason))
        self.ended([session_id], reason)
        return existed

    async def terminate_user(self, user_id: str, reason: str) -> None:
        """Ends every session of a user."""
        await self._log.transact(lambda connection: end_sessions_of_user(connection, user_id, reason))
        self.terminations += 1
        self._terminate([one for one in self._sessions.values() if one.user_id == user_id], reason)

    async def terminate_application(self, application_id: str, reason: str) -> None:
        """Ends every session of an application: it was deleted, or its key was rotated."""
        await self._log.transact(lambda connection: end_sessions_of_application(connection, application_id))
        self.ended_with(application_id, reason)

    def ended_with(self, application_id: str, reason: str) -> None:
        """The application was deleted, or its key was rotated: nobody who is connected here can stay."""
        self.terminations += 1
        self._terminate([one for one in self._sessions.values() if one.application_id == application_id], reason)

    def ended(self, session_ids: Iterable[str], reason: str) -> None:
        """These sessions are over; whoever is connected to them here is told."""
        self.terminations += 1
        self._terminate([self._sessions[one] for one in session_ids if one in self._sessions], reason)

    def moved(self, session_ids: Iterable[str]) -> None:
        """Clients have connected to these sessions at another node: connections here are left over."""
        for session in [self._sessions[one] for one in session_ids if one in self._sessions]:
            self.detach(session)
            session.connection.close("another node has its session")

    def begin_anew(self) -> None:
        """What was missed cannot be told one after the other: everybody is cut, and resumes from the log."""
        self.terminations += 1
        self._ring.restart(self._log.head)
        for session in list(self._sessions.values()):
            session.connection.cut("this node has lost its place in the log")

    def end(self, session: Session) -> None:
        """The session's row is gone: nobody can resume it, and nobody who has resumed it meanwhile can go on."""
        self._forget(session)
        successor = self._sessions.get(session.id)
        if successor is not None:
            self._terminate([successor], "logged out")

    async def close(self) -> None:
        """Stops catching up. The sockets are closed by their endpoint."""
        await self._catch_up.close()

    def _terminate(self, sessions: list[Session], reason: str) -> None:
        for session in sessions:
            self.end(session)
            session.connection.terminated(reason)


def _add(index: dict[str, tuple[Session, ...]], session: Session) -> None:
    index[session.user_id] = (*index.get(session.user_id, ()), session)


def _remove(index: dict[str, tuple[Session, ...]], session: Session) -> None:
    rest = tuple(one for one in index.get(session.user_id, ()) if one is not session)
    if rest:
        index[session.user_id] = rest
    else:
        index.pop(session.user_id, None)
