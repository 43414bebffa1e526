"""Delivered files: found below the landing root, opened whatever their compression, hashed.

The landing root is a local folder or an fsspec URL. Files are read, never changed.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import posixpath
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

import fsspec

from customer360.connectors.base import Delivery, UnreadableFile

TEMPORARY = (".part", ".tmp", ".filepart", ".crdownload", ".swp", "~")
SETTLED_AFTER_S = 60.0  # a file untouched for this long is not being written
LOOK_AGAIN_S = 0.2
MAX_RATIO = 1000  # unpacked : packed bytes; more is a decompression bomb
MAX_UNPACKED = 64 * 2**30
_CHUNK = 1 << 20
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}


@dataclass(frozen=True, slots=True)
class Stat:
    """What the file system says of a file: enough to see that it changed."""

    size: int
    mtime: float


class _Unpacked(io.RawIOBase):
    """Unpacked bytes with the archive's own errors turned into UnreadableFile, and a bomb guard."""

    def __init__(self, stream: IO[bytes], packed: int) -> None:
        self._stream = stream
        self._limit = min(MAX_UNPACKED, max(packed, 1) * MAX_RATIO)
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except EOFError:
            raise UnreadableFile("truncated_archive", f"ends after {self._read} unpacked bytes") from None
        except (OSError, zlib.error, lzma.LZMAError):
            raise UnreadableFile("broken_archive", f"after {self._read} unpacked bytes") from None
        self._read += len(data)
        if self._read > self._limit:
            raise UnreadableFile("archive_too_large", f"unpacks to more than {self._limit} bytes")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


@dataclass(frozen=True, slots=True)
class LandingFile:
    """One file below the landing root; implements `connectors.base.InputFile`."""

    landing: Landing
    path: str

    def open(self) -> IO[bytes]:
        raw = self.landing.open_raw(self.path)
        head = raw.read(6)
        raw.seek(0)
        kind = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
        if kind is None:
            return raw
        openers: dict[str, Any] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
        stream = cast("IO[bytes]", openers[kind](raw, "rb"))
        return io.BufferedReader(_Unpacked(stream, self.landing.stat(self.path).size), _CHUNK)


class Landing:
    """The landing area: a local path or an fsspec URL."""

    def __init__(self, root: str) -> None:
        self.filesystem, self.root = fsspec.core.url_to_fs(root)
        self.root = self.root.rstrip("/")

    def full(self, path: str) -> str:
        return posixpath.join(self.root, path)

    def find(self, location: str) -> list[str]:
        """Paths below the root that match the glob: files and folders, hidden and temporary ones not."""
        matches = self.filesystem.glob(self.full(location))
        paths = sorted(posixpath.relpath(str(match), self.root) for match in matches)
        return [path for path in paths if not is_temporary(path)]

    def is_folder(self, path: str) -> bool:
        return bool(self.filesystem.isdir(self.full(path)))

    def members(self, path: str) -> list[str]:
        """Files anywhere below a folder, in path order; a Maildir's `tmp` and hidden files left out."""
        found = self.filesystem.find(self.full(path))
        paths = sorted(posixpath.relpath(str(member), self.root) for member in found)
        return [member for member in paths if not is_temporary(member) and not _in_maildir_tmp(member, path)]

    def open_raw(self, path: str) -> IO[bytes]:
        return cast("IO[bytes]", self.filesystem.open(self.full(path), "rb"))

    def stat(self, path: str) -> Stat:
        self.filesystem.invalidate_cache()
        info = self.filesystem.info(self.full(path))
        stamp = info.get("mtime") or info.get("LastModified") or info.get("created") or 0.0
        return Stat(int(info["size"]), stamp.timestamp() if hasattr(stamp, "timestamp") else float(stamp))

    def file(self, path: str) -> LandingFile:
        return LandingFile(self, path)

    def is_settled(self, path: str) -> bool:
        """False while the file is still being written: touched lately and changing between two looks."""
        first = self.stat(path)
        if time.time() - first.mtime > SETTLED_AFTER_S:
            return True
        time.sleep(LOOK_AGAIN_S)
        return self.stat(path) == first

    def sha256(self, path: str) -> str:
        """Of the bytes as delivered (packed)."""
        digest = hashlib.sha256()
        with self.open_raw(path) as stream:
            for chunk in _chunks(stream):
                digest.update(chunk)
        return digest.hexdigest()


def is_temporary(path: str) -> bool:
    """A name that senders give to files they have not finished."""
    name = posixpath.basename(path)
    return name.startswith(".") or name.endswith(TEMPORARY)


def folder_sha256(members: list[tuple[str, str]]) -> str:
    """One hash for a folder batch, from its members' (path, sha256)."""
    digest = hashlib.sha256()
    for path, sha256 in sorted(members):
        digest.update(f"{path}\0{sha256}\n".encode())
    return digest.hexdigest()


def delivery(landing: Landing, path: str, members: list[str] | None = None) -> Delivery:
    """What a connector reads: the file, or the named members of the folder."""
    return Delivery(path, tuple(landing.file(each) for each in (members if members is not None else [path])))


def _in_maildir_tmp(member: str, folder: str) -> bool:
    return posixpath.relpath(member, folder).split("/")[0] == "tmp"


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk
