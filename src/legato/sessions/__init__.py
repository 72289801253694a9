"""Client sessions: Engine.IO and Socket.IO, login, resume, and the fan-out of the log to everybody who is connected."""

from legato.sessions.engine import Limits
from legato.sessions.registry import Registry
from legato.sessions.service import Figures, Sessions, Settings
from legato.sessions.session import Session

__all__ = ["Figures", "Limits", "Registry", "Session", "Sessions", "Settings"]
