"""Delivered files: found below the landing root, opened whatever their compression, hashed.

The landing root is a local folder or an fsspec URL. Files are read, never changed.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import posixpath
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from customer360.connectors.base import Delivery, UnreadableFile

TEMPORARY: Final = (".part", ".tmp", ".filepart", ".crdownload", ".swp", "~")
SETTLED_AFTER_S: Final = 60.0  # a file untouched for this long is not being written
LOOK_AGAIN_S: Final = 0.2
MAX_RATIO: Final = 1000  # unpacked : packed bytes; more is a decompression bomb …
RATIO_FROM: Final = 64 * 2**20  # … once this much has come out: small files may be all blanks
MAX_UNPACKED: Final = 64 * 2**30
_CHUNK: Final = 1 << 20
_MAGIC: Final = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
_OPENERS: Final[Mapping[str, Any]] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
_MAILDIR: Final = frozenset({"cur", "new"})


@dataclass(frozen=True, slots=True)
class Stat:
    """What the file system says of a file: enough to see that it changed.

    `mtime` (seconds since 1970) is the newest of what the system keeps: a local file's change time too, so
    that new bytes under a preserved modification time are seen.
    """

    size: int
    mtime: float


class _Unpacked(io.RawIOBase):
    """Unpacked bytes with the archive's own errors turned into UnreadableFile, and a bomb guard."""

    def __init__(self, packed: IO[bytes], stream: IO[bytes], limit: int) -> None:
        self._packed = packed
        self._stream = stream
        self._limit = limit
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
        self._packed.close()
        super().close()


@dataclass(frozen=True, slots=True)
class LandingFile:
    """One file below the landing root; implements `connectors.base.InputFile`."""

    landing: Landing
    path: str

    def open(self) -> IO[bytes]:
        """The file's bytes, unpacked. Reading raises UnreadableFile for a cut, broken or bloated archive."""
        raw = self.landing.open_raw(self.path)
        head = raw.read(6)
        raw.seek(0)
        kind = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
        if kind is None:
            return raw
        limit = min(self.landing.max_unpacked, max(self.landing.stat(self.path).size * MAX_RATIO, RATIO_FROM))
        return io.BufferedReader(_Unpacked(raw, _OPENERS[kind](raw, "rb"), limit), _CHUNK)


class Landing:
    """The landing area: a local path or an fsspec URL. Paths are given and returned below its root."""

    def __init__(self, root: str, max_unpacked: int = MAX_UNPACKED) -> None:
        self.filesystem, self.root = fsspec.core.url_to_fs(root)
        self.root = self.root.rstrip("/")
        self.max_unpacked = max_unpacked
        self._is_local = isinstance(self.filesystem, LocalFileSystem)

    def full(self, path: str) -> str:
        return posixpath.join(self.root, path)

    def find(self, location: str) -> list[str]:
        """Files and folders that match the glob, in path order; hidden and unfinished ones left out."""
        self.filesystem.invalidate_cache()
        matches = self.filesystem.glob(self.full(location))
        paths = sorted(posixpath.relpath(str(match), self.root) for match in matches)
        return [path for path in paths if not is_temporary(path) and not _is_hidden(path)]

    def is_folder(self, path: str) -> bool:
        return bool(self.filesystem.isdir(self.full(path)))

    def members(self, folder: str) -> dict[str, Stat]:
        """Files anywhere below a folder, in path order, unfinished ones left out.

        Of a Maildir (it has `cur` or `new`), the messages in `cur` and `new` of it and its subfolders:
        neither what is still being delivered (`tmp`) nor what a mail server keeps for itself.
        """
        self.filesystem.invalidate_cache()
        found = self.filesystem.find(self.full(folder), detail=True)
        by_path = {posixpath.relpath(str(full), self.root): (full, info) for full, info in found.items()}
        is_maildir = any(_parent(path) in _MAILDIR for path in by_path)
        stats = {}
        for path in sorted(by_path):
            if not is_temporary(path) and (not is_maildir or _parent(path) in _MAILDIR):
                with contextlib.suppress(FileNotFoundError):  # renamed meanwhile: its new name comes next time
                    stats[path] = self._stat(*by_path[path])
        return stats

    def open_raw(self, path: str) -> IO[bytes]:
        """The file's bytes as delivered."""
        return cast("IO[bytes]", self.filesystem.open(self.full(path), "rb"))

    def stat(self, path: str) -> Stat:
        """As of now. Raises FileNotFoundError."""
        self.filesystem.invalidate_cache()
        return self._stat(self.full(path))

    def stats(self, paths: Iterable[str]) -> dict[str, Stat]:
        """`stat` of what the last `find` listed, without asking for each again where listings carry it; what
        is gone, or a link to nowhere, is left out."""
        found = {}
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                found[path] = self._stat(self.full(path))
        return found

    def _stat(self, full: str, info: Mapping[str, Any] | None = None) -> Stat:
        if self._is_local:
            local = Path(full).stat()
            return Stat(local.st_size, max(local.st_mtime, local.st_ctime))
        info = self.filesystem.info(full) if info is None else info
        stamp = info.get("mtime") or info.get("LastModified") or info.get("updated") or info.get("created") or 0.0
        return Stat(int(info["size"]), stamp.timestamp() if hasattr(stamp, "timestamp") else float(stamp))

    def file(self, path: str) -> LandingFile:
        return LandingFile(self, path)

    def settled(self, stats: Mapping[str, Stat]) -> set[str]:
        """Files nobody is writing: untouched for a while, or unchanged between two looks."""
        now = time.time()
        recent = [path for path, stat in stats.items() if now - stat.mtime <= SETTLED_AFTER_S]
        if recent:
            time.sleep(LOOK_AGAIN_S)
        return set(stats) - {path for path in recent if self._now(path) != stats[path]}

    def _now(self, path: str) -> Stat | None:
        try:
            return self.stat(path)
        except FileNotFoundError:  # given its final name meanwhile
            return None

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


def folder_sha256(members: Iterable[tuple[str, str, float]]) -> str:
    """One hash for a folder batch, from its members' (path, sha256, mtime): a file that comes back under the
    name it had is a delivery of its own."""
    digest = hashlib.sha256()
    for path, sha256, mtime in sorted(members):
        digest.update(f"{path}\0{sha256}\0{mtime!r}\n".encode())
    return digest.hexdigest()


def delivery(landing: Landing, path: str, members: Iterable[str] | None = None) -> Delivery:
    """What a connector reads: the file, or the named members of the folder."""
    return Delivery(path, tuple(landing.file(each) for each in (members if members is not None else [path])))


def _is_hidden(path: str) -> bool:
    """Below a folder whose name starts with a dot: where senders stage what is to come."""
    return any(part.startswith(".") for part in path.split("/"))


def _parent(path: str) -> str:
    return posixpath.basename(posixpath.dirname(path))


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk
