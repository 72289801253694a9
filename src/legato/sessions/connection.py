"""Socket.IO: a client's place in the default namespace, from CONNECT to the end.

::

                 CONNECT             session:success
    OPENED ─────────────▶ LOGGING_IN ──────────────▶ SERVING ──┬─ session:logout ──▶ LEAVING
                              │                                └─ terminated, token expired
                              └─ one error event ──▶ REFUSED                    │
                                                       └──── 5 s ────▶ LEFT ◀───┘  DISCONNECT sent

CONNECT is always accepted, even without a token: the older clients hang for ever when it is refused, and probe the way
to us with no token at all. The first event after it is taken as the answer to the login, whatever it is. DISCONNECT
means to both clients that the token has expired or the session is over, and they do not come back; whoever is to come
back has its connection closed instead.

Source: the Socket.IO protocol, revision 5; the wire documents of the two clients.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from legato.events import Clock, IdSource
from legato.sessions import packet
from legato.sessions.engine import Endpoint, Socket, Transport
from legato.sessions.handshake import Handshake, handshake_of
from legato.sessions.packet import Kind, Message, PacketError
from legato.sessions.registry import Registry
from legato.sessions.session import Session

# A client connects the moment the transport is open.
CONNECT_WITHIN_SECONDS: Final = 10.0
# A client that was refused leaves by itself; DISCONNECT is for one that does not.
LEAVE_WITHIN_SECONDS: Final = 5.0
# After DISCONNECT a client closes its connection; it is waited for, lest the packet be lost with it.
CLOSE_WITHIN_SECONDS: Final = 2.0
# From `system:error:expired-token` to DISCONNECT: time for an application to fetch a token and refresh the session.
EXPIRY_GRACE_SECONDS: Final = 30.0
# Clients number their requests with a UUID; it is repeated in the answer.
MAX_REQUEST_ID: Final = 100

INVALID_TOKEN: Final = "system:error:invalid-token"  # noqa: S105 - an error code
EXPIRED: Final = "system:error:expired-token"
INVALID_EVENT: Final = "system:error:invalid-event"
LOGOUT: Final = "session:logout"

_NEVER: Final = float("inf")
_encode = msgspec.json.Encoder().encode


class Phase(enum.Enum):
    """Where a client is on its way through a connection."""

    OPENED = "opened"
    LOGGING_IN = "logging in"
    SERVING = "serving"
    LEAVING = "leaving"
    REFUSED = "refused"
    LEFT = "left"


class House(Protocol):
    """What a connection needs of the room."""

    clock: Clock
    ids: IdSource
    registry: Registry
    token_grace: float  # seconds from `system:error:expired-token` to DISCONNECT

    def log_in(self, connection: Connection) -> None:
        """Answers the login, sooner or later, with ``admitted`` or ``refused``."""
        ...

    def log_out(self, connection: Connection, session: Session, request_id: str | None) -> None:
        """Ends the session for good, then answers with ``logged_out``."""
        ...


class Connection(Socket):
    """One client's connection. ``session`` is set while it serves one."""

    __slots__ = ("_deadline", "_house", "_phase", "after", "handshake", "session")

    def __init__(
        self, house: House, endpoint: Endpoint, sid: str, transport: Transport, query: Mapping[str, str]
    ) -> None:
        super().__init__(endpoint, sid, transport)
        self._house = house
        self._phase = Phase.OPENED
        self._deadline = endpoint.now() + CONNECT_WITHIN_SECONDS
        self.handshake: Handshake | None = handshake_of(query)  # until the login is answered
        self.after: int | None = None  # where the client says it is in the log
        self.session: Session | None = None

    # -- what the login decides --------------------------------------------------------------------------------------

    @property
    def is_logging_in(self) -> bool:
        """Whether a login is still to be answered."""
        return self.is_open and self._phase is Phase.LOGGING_IN

    def admitted(self, session: Session, success: bytes, after: int | None) -> None:
        """The login succeeded: ``success`` is the payload of ``session:success``. For ``after`` see ``attach``."""
        self._phase = Phase.SERVING
        self._deadline = _NEVER
        self.handshake = None
        self.session = session
        self.vouch()
        self.send(packet.event_packet("session:success", success))
        if self.is_open:
            self._house.registry.attach(session, after)
            self.reschedule()
        else:  # one thing too many for a client that does not read; its session waits for it
            self._house.registry.give_back_released({session.id: after})

    def refused(self, code: str, detail: str) -> None:
        """The login failed: one error event, and time to leave."""
        self.handshake = None
        if code != INVALID_TOKEN:  # an expired token was a good one
            self.excuse()
        self._turn(Phase.REFUSED, LEAVE_WITHIN_SECONDS)
        self._emit(code, {"body": {}, "description": detail})

    def logged_out(self, request_id: str | None) -> None:
        """The session was ended at the client's request."""
        if self.is_open and self._phase is Phase.LEAVING:
            self.session = None
            self._turn(Phase.LEAVING, LEAVE_WITHIN_SECONDS)
            self._emit("session:logged-out", {"rid": request_id, "body": {}} if request_id else {"body": {}})

    def logout_failed(self, request_id: str | None, detail: str) -> None:
        """The session could not be ended now; it goes on, and the client may ask again."""
        if self.is_open and self._phase is Phase.LEAVING:
            self._phase = Phase.SERVING
            payload = {"body": {}, "description": detail}
            self._emit("system:error:internal", payload | ({"rid": request_id} if request_id else {}))

    def terminated(self, reason: str) -> None:
        """The session was ended by somebody else."""
        self.session = None
        self._emit("session:terminated", {"body": {"reason": reason}})
        self._disconnect()

    # -- what the transport brings -----------------------------------------------------------------------------------

    def on_message(self, data: bytes) -> None:
        """One Socket.IO packet."""
        try:
            message = packet.parse_message(data)
        except PacketError as error:
            self.close(f"malformed packet: {error}")
            return
        if message.kind is Kind.CONNECT:
            self._connect(message)
        elif message.namespace != "/" or message.kind is Kind.ACK:
            pass  # nobody is connected there; and what has arrived, clients tell us by their offset
        elif message.kind is Kind.EVENT:
            self._event(message)
        elif message.kind is Kind.DISCONNECT:
            self.close("left")
        else:
            self.close(f"a client does not send {message.kind.name}")

    def on_deadline(self, now: float) -> None:
        """See ``Socket``."""
        if now >= self._deadline:
            if self._phase is Phase.REFUSED:
                self._disconnect()
            else:
                self.close(f"{self._phase.value} for too long")
                return
        if self.session is not None:
            self._look_at_expiry(self.session)

    def next_due(self, now: float) -> float:
        """See ``Socket``."""
        due = min(self._beat, self._deadline)
        session = self.session
        if session is not None:
            until = session.expires_at if session.disconnect_at is None else session.disconnect_at
            due = min(due, now + until - self._house.clock.now())
        return due

    def on_ping(self) -> None:
        """See ``Socket``."""
        if self.session is not None:
            self.session.pinged(self._house.registry.head)

    def on_pong(self) -> None:
        """See ``Socket``."""
        if self.session is not None:
            self.session.ponged()

    def on_writable(self) -> None:
        """See ``Socket``."""
        if self.session is not None:
            self._house.registry.proceed(self.session)

    def on_closed(self) -> None:
        """See ``Socket``."""
        self.handshake = None  # its token is long, and the wheel remembers this connection until its turn comes
        session, self.session = self.session, None
        if session is not None:
            self._house.registry.detach(session)

    # -- steps -------------------------------------------------------------------------------------------------------

    def _connect(self, message: Message) -> None:
        if message.namespace != "/":
            self.send(packet.connect_error_packet(message.namespace, "Invalid namespace"))
        elif self._phase is not Phase.OPENED:
            self.close("connects twice")
        else:
            recovery = packet.recovery_of(message.data)
            self.after = recovery.after
            pid = recovery.pid or packet.new_pid(self._house.registry.head, self._house.ids.uuid())
            self._phase = Phase.LOGGING_IN
            self._deadline = _NEVER  # it is us who are to act
            self.send(packet.connected_packet(packet.Connected(self.sid, pid)))
            self._house.log_in(self)

    def _event(self, message: Message) -> None:
        if self._phase is Phase.OPENED:
            self.close("sends events before it connects")
        if self._phase is not Phase.SERVING or self.session is None:
            return  # whatever is answered now would be taken for the answer to the login
        name, *arguments = message.data
        argument = arguments[0] if arguments and isinstance(arguments[0], dict) else {}
        request_id = _request_id(argument)
        if name == LOGOUT:
            self._phase = Phase.LEAVING
            self._house.log_out(self, self.session, request_id)
            return
        detail = "Clients send events with POST /conversations/{id}/events; a socket takes session:logout only."
        self._emit(INVALID_EVENT, {"body": {}, "description": detail} | ({"rid": request_id} if request_id else {}))

    def _look_at_expiry(self, session: Session) -> None:
        now = self._house.clock.now()
        if session.disconnect_at is None:
            if now >= session.expires_at:
                session.disconnect_at = now + self._house.token_grace
                self._emit(EXPIRED, {"body": {}, "description": "The token has expired."})
        elif now >= session.disconnect_at:
            self._disconnect()

    def _disconnect(self) -> None:
        """DISCONNECT: the client is not to come back by itself."""
        self.on_closed()
        self.send(packet.DISCONNECT)
        self._turn(Phase.LEFT, CLOSE_WITHIN_SECONDS)

    def _turn(self, phase: Phase, seconds: float) -> None:
        self._phase = phase
        self._deadline = self.endpoint.now() + seconds
        self.reschedule()

    def _emit(self, name: str, payload: dict[str, Any]) -> None:
        self.send(packet.event_packet(name, _encode(payload)))


def _request_id(argument: dict[str, Any]) -> str | None:
    request_id = argument.get("tid")
    return request_id if isinstance(request_id, str) and len(request_id) <= MAX_REQUEST_ID else None
