"""The machine a run happens on: its cores, its limits, and how it is described without giving it away."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import time
from pathlib import Path
from typing import Final

SERVER_CORE: Final = 0
CLIENT_CORE: Final = 1

# 10,000 sessions on both sides of the loopback, and files besides.
FILES_NEEDED: Final = 16_384

SYNC_PROBES: Final = 200

# More than this of the server's core taken by others than the server spoils a run.
FOREIGN_SHARE: Final = 0.05


def prepare() -> None:
    """Moves this process (and what it starts) to the client's core and raises the limit on open files.

    Raises:
        SystemExit: the machine has fewer than two cores, or its limit on open files is too low.
    """
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("The bench needs two cores: one for the server and one for its load.")
    os.sched_setaffinity(0, {CLIENT_CORE})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES_NEEDED:
        raise SystemExit(f"The bench needs {FILES_NEEDED} open files; the limit here is {hard}.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def core_busy_s(core: int) -> float:
    """Seconds that a core has been busy with anything since the machine started."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _idle, _waiting, irq, softirq = map(int, line.split()[1:8])
            return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
    raise SystemExit(f"There is no core {core}.")


def commit_ms(directory: Path) -> float:
    """The median time of writing 4 kB and ``fdatasync``, in milliseconds: the least that a durable append can take."""
    times = []
    path = directory / "fsync.probe"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        for _ in range(SYNC_PROBES):
            started = time.perf_counter()
            os.write(descriptor, bytes(4096))
            os.fdatasync(descriptor)
            times.append(time.perf_counter() - started)
    finally:
        os.close(descriptor)
        path.unlink()
    return statistics.median(times) * 1e3


def describe() -> str:
    """The class of machine, such as ``2-core x86_64 VM, 8 GiB, Linux 6.1, <processor>``."""
    kind = "VM" if "hypervisor" in Path("/proc/cpuinfo").read_text() else "machine"
    system = ".".join(platform.release().split(".")[:2])
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = os.cpu_count()
    return f"{cores}-core {platform.machine()} {kind}, {memory:.0f} GiB, Linux {system}, {processor()}"


def processor() -> str:
    """The processor's model name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
