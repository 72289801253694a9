"""Legato: conversations, chat and calls in one ordered log of events."""

__version__ = "0.1.0"
