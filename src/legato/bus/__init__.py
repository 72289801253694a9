"""From node to node: what was committed, and what passes without being kept. What is lost here heals from the log."""

from legato.bus.bus import Bus, LocalBus
from legato.bus.messages import Advanced, Appended, Message, Passed
from legato.bus.nodes import Nodes
from legato.bus.postgres import PostgresBus

__all__ = ["Advanced", "Appended", "Bus", "LocalBus", "Message", "Nodes", "Passed", "PostgresBus"]
