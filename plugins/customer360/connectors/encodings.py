"""Encodings: which one a delivered file is in, checked over the whole file before it is read.

The ladder of `encoding: auto`: byte order mark, strict UTF-8, GB18030 where the bytes look like
Chinese, then Windows-1252 and Latin-1, which read anything.
"""

from __future__ import annotations

import codecs
import io
import lzma
import re
import zlib
from collections.abc import Iterator
from typing import Final, TextIO, cast

from customer360.connectors.base import InputFile, UnreadableFile

_PIECE: Final = 1 << 20
_SAMPLE: Final = 1 << 16
# UTF-32 before UTF-16: the mark of the first begins with the mark of the second.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TWO_BYTES: Final = re.compile(rb"[\x81-\xfe]([\x40-\x7e\x80-\xfe])")


def pieces(file: InputFile, size: int = _PIECE) -> Iterator[bytes]:
    """Content of `file` in pieces. Raises UnreadableFile('truncated_archive') for a cut archive."""
    with file.open() as stream:
        offset = 0
        while True:
            try:
                piece = stream.read(size)
            except (EOFError, zlib.error, lzma.LZMAError) as error:
                raise UnreadableFile("truncated_archive", f"after {offset} bytes of content") from error
            if not piece:
                return
            offset += len(piece)
            yield piece


def find_encoding(file: InputFile, declared: str = "auto") -> str:
    """Codec name that reads all of `file`.

    Raises UnreadableFile: 'empty'; 'wrong_encoding' with the byte offset where `declared`, or the
    encoding that a byte order mark promises, does not fit; 'unknown_encoding'.
    """
    start = next(pieces(file, _SAMPLE), b"")
    if not start:
        raise UnreadableFile("empty", "0 bytes")
    if declared != "auto":
        return _checked(file, _with_mark(declared, start))
    marked = next((codec for mark, codec in _MARKS if start.startswith(mark)), None)
    if marked or (marked := _unmarked_utf16(start)):
        return _checked(file, marked)
    if _misfit(file, "utf-8") is None:
        return "utf-8"
    if _looks_chinese(file) and _misfit(file, "gb18030") is None:
        return "gb18030"
    return "cp1252" if _misfit(file, "cp1252") is None else "latin-1"


def open_text(file: InputFile, encoding: str) -> TextIO:
    """`file` as text with line ends as they are: LF, CR LF and CR alone all end a line."""
    return cast(TextIO, io.TextIOWrapper(file.open(), encoding=encoding, newline=""))


def _checked(file: InputFile, codec: str) -> str:
    offset = _misfit(file, codec)
    if offset is not None:
        raise UnreadableFile("wrong_encoding", f"not {codec} at byte offset {offset}")
    return codec


def _with_mark(declared: str, start: bytes) -> str:
    """`declared`, but reading over a UTF-8 mark that the declaration does not mention."""
    try:
        name = codecs.lookup(declared).name
    except LookupError:
        raise UnreadableFile("unknown_encoding", declared) from None
    return "utf-8-sig" if name == "utf-8" and start.startswith(codecs.BOM_UTF8) else name


def _misfit(file: InputFile, codec: str) -> int | None:
    """Byte offset of the first byte that `codec` cannot read; None if it reads all."""
    decoder = codecs.getincrementaldecoder(codec)("strict")
    offset = 0
    for piece in pieces(file):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(piece)
        except UnicodeDecodeError as error:
            return max(0, offset - pending + error.start)
        offset += len(piece)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return offset
    return None


def _unmarked_utf16(start: bytes) -> str | None:
    """UTF-16 without a mark shows as a NUL in nearly every second byte of Latin text."""
    half = len(start) // 2
    if half < 2 or b"\0" not in start:
        return None
    if start[1::2].count(0) > 0.7 * half and start[::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if start[::2].count(0) > 0.7 * half and start[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return None


def _looks_chinese(file: InputFile) -> bool:
    """Whether most two-byte characters end in a high byte, as Chinese ones in GB 2312 do.

    GB18030 reads nearly any bytes: in a Western file an accented letter and the ASCII letter after
    it would become one Chinese character.
    """
    high = low = 0
    for piece in pieces(file):
        ends = _TWO_BYTES.findall(piece)
        high += sum(end >= b"\xa1" for end in ends)
        low += sum(end <= b"\x7e" for end in ends)
        if high + low > 10_000:
            break
    return high > low
