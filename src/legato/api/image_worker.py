"""The process that decodes pictures: one, started with the first picture, replaced when it dies or takes too long."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from pathlib import Path
from typing import Final, Literal

import msgspec

from legato.api import image_render
from legato.events.refusal import InvalidInput, Overloaded, Refusal

log = logging.getLogger(__name__)

RENDER_SECONDS: Final = 30.0  # a picture of the largest size takes about 10 on a slow core; then the process is killed
WAITING: Final = 16  # pictures that wait their turn; each is a file on disk and costs no memory
_ANSWER_LINE: Final = 64 * 1024  # bytes; the three representations' heads are 300

RepresentationName = Literal["original", "medium", "thumbnail"]


class Head(msgspec.Struct, frozen=True):
    """One representation: sides in pixels, ``size`` in bytes."""

    name: RepresentationName
    width: int
    height: int
    size: int


class Job(msgspec.Struct, frozen=True):
    """What to make: ``quality`` 0–100, ``sizes`` in per cent of the picture's sides."""

    source: str
    kind: str
    quality: int
    sizes: dict[RepresentationName, int]


class _Answer(msgspec.Struct, frozen=True):
    representations: list[Head] = []
    refused: str | None = None


class ImageWorker:
    """Turns pictures into representations, one at a time."""

    def __init__(self, *, seconds: float = RENDER_SECONDS, waiting: int = WAITING) -> None:
        self._seconds = seconds
        self._waiting = waiting
        self._queued = 0
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def render(self, job: Job) -> list[tuple[Head, bytes]]:
        """The encoded representations, largest first.

        Raises InvalidInput when the picture is refused, or takes the process with it, or takes too long; Overloaded
        when WAITING others wait.
        """
        if self._queued > self._waiting:
            raise Overloaded("Too many pictures are waiting.", retry_after=2.0)
        self._queued += 1
        try:
            async with self._turn:
                return await self._render(job)
        finally:
            self._queued -= 1

    async def _render(self, job: Job) -> list[tuple[Head, bytes]]:
        try:
            async with asyncio.timeout(self._seconds):
                answer, parts = await self._ask(job)
        except TimeoutError:
            await self.close()
            log.warning("a picture took over %s s and was given up", self._seconds)
            raise _refused("takes too long to read") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            await self._ended()
            log.warning("the image process died of a picture")
            raise _refused("is not a readable picture") from None
        except BaseException:  # cancelled half-way: what the process would still write belongs to no later picture
            await self.close()
            raise
        if answer.refused is not None:
            raise _refused(answer.refused)
        return list(zip(answer.representations, parts, strict=True))

    async def _ask(self, job: Job) -> tuple[_Answer, list[bytes]]:
        process = await self._running()
        assert process.stdin is not None  # noqa: S101 (both were asked for)
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(msgspec.json.encode(job) + b"\n")
        await process.stdin.drain()
        answer = msgspec.json.decode(await process.stdout.readuntil(b"\n"), type=_Answer)
        return answer, [await process.stdout.readexactly(head.size) for head in answer.representations]

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            program = str(Path(image_render.__file__))
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # nothing beside the program is imported, whatever it is called
                program,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_ANSWER_LINE,
            )
        return self._process

    async def close(self) -> None:
        """Ends the process. The next picture starts another."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._ended()

    async def _ended(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.communicate()  # reads what was still in the pipe, so that both ends are closed


def _refused(reason: str) -> Refusal:
    return InvalidInput.of("file", reason)
