"""Files of one record a line: stretches of lines with their places, decoded each by itself if need be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import pyarrow as pa

from customer360.connectors.base import InputFile, Rejected
from customer360.connectors.encodings import find_encoding, open_text

STRETCH: Final = 100_000  # lines
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_WIDE_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_LAST_RESORT: Final = ("cp1252", "latin-1")


@dataclass(slots=True)
class Lines:
    """Lines that are not blank, without their ends. All lists have one length."""

    path: str
    encoding: str  # codec, or auto
    raw: list[bytes] = field(default_factory=list)
    row_number: list[int] = field(default_factory=list)  # 1-based among lines that are not blank
    line: list[int | None] = field(default_factory=list)  # 1-based in the file; None: the format has none
    ends: bool = True  # whether the last line has its line end

    def __len__(self) -> int:
        return len(self.raw)

    def reject(self, index: int, reason: str, detail: str | None = None) -> Rejected:
        return Rejected(self.path, self.row_number[index], reason, self.line[index], detail, self.raw[index])


def read_lines(file: InputFile, encoding: str, count: int = STRETCH) -> Iterator[Lines]:
    """Stretches of at most `count` lines that are not blank. Wide encodings come as UTF-8."""
    numbered = enumerate(_raw(file, encoding), 1)
    done = 0
    while taken := list(islice(numbered, count)):
        lines = Lines(file.path, encoding, ends=taken[-1][1].endswith((b"\n", b"\r")))
        for number, raw in taken:
            text = raw.rstrip(b"\r\n")
            if text and not text.isspace():
                lines.raw.append(text)
                lines.line.append(number)
        lines.row_number = list(range(done + 1, done + 1 + len(lines)))
        done += len(lines)
        if lines.raw:
            yield lines


def texts(file: InputFile, lines: Lines) -> pa.Array:
    """The lines as an Arrow string array.

    `encoding: auto` is UTF-8; a line that is not is read in the encoding the rest of the file suggests.
    Raises UnreadableFile('wrong_encoding') if a declared codec does not fit the file.
    """
    binary = pa.array(lines.raw, pa.binary())
    if lines.encoding in {"auto", "utf-8", "utf-8-sig"} or _is_wide(lines.encoding):
        try:
            return binary.cast(pa.string())
        except pa.ArrowInvalid:
            pass
    codec = find_encoding(file, lines.encoding)
    ladder = (codec, *_LAST_RESORT) if lines.encoding != "auto" else ("utf-8", codec, *_LAST_RESORT)
    return pa.array([_decode(raw, ladder) for raw in lines.raw], pa.string())


def _decode(raw: bytes, ladder: tuple[str, ...]) -> str:
    for codec in ladder:
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    raise AssertionError("latin-1 reads any bytes")


def _raw(file: InputFile, encoding: str) -> Iterator[bytes]:
    with file.open() as stream:
        start = stream.read(3)
    if _is_wide(encoding) or (encoding == "auto" and start.startswith(_WIDE_MARKS)):
        with open_text(file, find_encoding(file, encoding)) as wide:
            yield from (line.encode() for line in wide)
        return
    with file.open() as stream:
        if start == _UTF8_MARK:
            stream.read(3)
        yield from stream


def _is_wide(encoding: str) -> bool:
    return encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32"))
