"""Forms with a file, read as they come: the fields to memory, the file to disk, each within its bound.

RFC 7578. python-multipart parses; nothing here waits for the whole body, and no name in the form becomes a path.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from legato.api.contract import Request
from legato.api.decode import invalid
from legato.api.idempotency import key_of
from legato.events.refusal import InvalidInput
from legato.log import IdempotencyKey
from legato.store.files import Files, Incoming, TooLarge

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

T = TypeVar("T", bound=msgspec.Struct)

MULTIPART: Final = "multipart/form-data"
MAX_PARTS: Final = 32  # no form here has a third as many
MAX_FIELD: Final = 16 * 1024  # bytes of one field's value
MAX_PART_HEAD: Final = 4 * 1024  # bytes of a part's headers
FORM_OVERHEAD: Final = 64 * 1024  # bytes that a form may need around its file
# What a route of uploads says of its body: whatever its file's bound, which a setting may raise, no form is larger.
MAX_FORM: Final = 4 * 1024**3
MAX_FILE_NAME: Final = 255  # characters; what most file systems take


@dataclass(slots=True)
class Upload:
    """What came: ``fields`` by name, and the file if there was one, with what its part says of it."""

    fields: dict[str, str] = field(default_factory=dict)
    file: Incoming | None = None
    file_name: str = ""
    content_type: str = ""

    def read(self, kind: type[T]) -> T:
        """The fields as ``kind``. Raises InvalidInput naming the field."""
        return read_fields(self.fields, kind)

    def key(self, request: Request[Any, Any]) -> IdempotencyKey | None:
        """The caller's ``Idempotency-Key``, bound to what came: the same form is the same request."""
        came = [self.file.digest if self.file else None, sorted(self.fields.items())]
        return key_of(request, msgspec.json.encode(came))


def read_fields(fields: Mapping[str, str], kind: type[T]) -> T:
    """A form's fields as ``kind``: numbers and truths from their texts. Raises InvalidInput naming the field."""
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error) from error


@contextlib.asynccontextmanager
async def read_upload(
    request: Request[Any, Any], files: Files | None, file_field: str, limit: int
) -> AsyncIterator[Upload]:
    """Reads the request's form. The file in ``file_field`` may have ``limit`` bytes; without ``files`` none is taken.

    What is not kept by the end of the block is thrown away. Raises InvalidInput for what is no form, TooLarge.
    """
    form = _Form(request.headers.get(b"content-type", b""), files, file_field, limit)
    declared = request.headers.get(b"content-length", b"")
    left = limit + FORM_OVERHEAD
    if declared.isdigit() and int(declared) > left:
        raise TooLarge(limit)
    try:
        async for chunk in request.chunks():
            left -= len(chunk)
            if left < 0:
                raise TooLarge(limit)
            form.feed(chunk)
            await form.flush()
        form.end()
        yield form.upload
    finally:
        if form.upload.file is not None:
            await asyncio.to_thread(form.upload.file.discard)


class _Form:
    """The parser's callbacks, and what they gathered."""

    def __init__(self, content_type: bytes, files: Files | None, file_field: str, limit: int) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != MULTIPART.encode() or not boundary:
            raise InvalidInput("The body must be multipart/form-data with a boundary.")
        self.upload = Upload()
        self._files = files
        self._file_field = file_field
        self._limit = limit
        self._parts = 0
        self._head = 0
        self._headers: dict[bytes, bytes] = {}
        self._header = (bytearray(), bytearray())
        self._name = ""
        self._value = bytearray()
        self._in_file = False
        self._opening = False
        self._pending: list[bytes] = []
        self._complete = False
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._part_begins,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_ends,
            "on_headers_finished": self._part_opens,
            "on_part_data": self._part_data,
            "on_part_end": self._part_ends,
            "on_end": self._ends,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise InvalidInput("The boundary of the multipart form is too long.") from error

    def feed(self, chunk: bytes) -> None:
        """Parses what came."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidInput("The body is not a well-formed multipart form.") from error

    async def flush(self) -> None:
        """Writes what came of the file to disk, in a thread."""
        if self._opening and self._files is not None:
            self.upload.file = await asyncio.to_thread(self._files.create, self._limit)
            self._opening = False
        if self._pending and self.upload.file is not None:
            data, self._pending = b"".join(self._pending), []
            await asyncio.to_thread(self.upload.file.write, data)

    def end(self) -> None:
        """Raises InvalidInput when the last boundary never came."""
        if not self._complete:
            raise InvalidInput("The multipart form has no end.")

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise InvalidInput(f"The form must have at most {MAX_PARTS} parts.")
        self._head = 0
        self._headers = {}
        self._value = bytearray()
        self._in_file = False

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._take_head(self._header[0], data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._take_head(self._header[1], data[start:end])

    def _take_head(self, into: bytearray, data: bytes) -> None:
        self._head += len(data)
        if self._head > MAX_PART_HEAD:
            raise InvalidInput("A part of the form has too long a header.")
        into += data

    def _header_ends(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _part_opens(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition"))
        if kind != b"form-data" or b"name" not in options:
            raise InvalidInput("A part of the form has no name.")
        self._name = options[b"name"].decode("utf-8", "replace")
        if self._name != self._file_field or self._files is None:
            return
        if self._opening or self.upload.file is not None:
            raise InvalidInput.of(self._file_field, "must be one file")
        self._in_file = self._opening = True
        self.upload.file_name = plain_name(options.get(b"filename", b"").decode("utf-8", "replace"))
        self.upload.content_type = parse_options_header(self._headers.get(b"content-type"))[0].decode("latin-1")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._pending.append(data[start:end])
            return
        if len(self._value) + end - start > MAX_FIELD:
            raise InvalidInput.of(self._name, f"must be at most {MAX_FIELD} bytes")
        self._value += data[start:end]

    def _part_ends(self) -> None:
        if self._in_file:
            return
        try:
            self.upload.fields[self._name] = self._value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInput.of(self._name, "must be UTF-8") from error

    def _ends(self) -> None:
        self._complete = True


def plain_name(name: str) -> str:
    """A file's name for people to read, without directories and control characters. It never names a file here."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable())[:MAX_FILE_NAME]
