"""Free ports, no two of them alike for whoever asks at the same time."""

from __future__ import annotations

import os
import random
import socket
from collections import deque
from typing import Final

# Below what Linux and macOS give to outgoing connections by themselves (ip(7): ip_local_port_range): nobody is given
# the port of a server that is killed before that server is back.
FIRST: Final = 18_000
LAST: Final = 32_000
# A test process has a few servers at a time; a thousand descriptors would meet the usual limit.
MAX_KEPT: Final = 250

_chance = random.SystemRandom()  # processes that were forked, or seeded alike, draw apart
_kept: deque[int] = deque(maxlen=MAX_KEPT)  # descriptors; the system closes what is left


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that no other process is given by this function.

    It stays this process's until it ends, or has asked for 250 more.
    """
    while True:
        port = _chance.randrange(FIRST, LAST)
        # The UDP port of the same number is the sign that the TCP port is taken: the system gives it to one process
        # only and takes it back when that ends, however it ends.
        sign = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sign.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            sign.close()
            continue
        if len(_kept) == MAX_KEPT:
            os.close(_kept.popleft())
        _kept.append(sign.detach())
        return port
