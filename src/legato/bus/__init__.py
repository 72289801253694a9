"""From node to node: what was committed, and what passes without being kept. What is lost here heals from the log."""

from legato.bus.bus import Bus, LocalBus
from legato.bus.calls import Calls, Command, NoAnswerError
from legato.bus.messages import Advanced, Appended, Broadcast, Message, Passed
from legato.bus.nodes import Nodes
from legato.bus.postgres import PostgresBus

__all__ = [
    "Advanced",
    "Appended",
    "Broadcast",
    "Bus",
    "Calls",
    "Command",
    "LocalBus",
    "Message",
    "NoAnswerError",
    "Nodes",
    "Passed",
    "PostgresBus",
]
