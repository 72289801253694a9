"""From node to node: how far the log is, and what passes without being kept. What is lost here heals from the log."""

from legato.bus.bus import Bus, LocalBus
from legato.bus.messages import Advanced, Message, Passed
from legato.bus.nodes import Nodes
from legato.bus.postgres import PostgresBus

__all__ = ["Advanced", "Bus", "LocalBus", "Message", "Nodes", "Passed", "PostgresBus"]
