"""Delivered files: found, opened whatever their compression, seen to change, on disk and by URL."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from customer360.connectors.base import UnreadableFile
from customer360.files import LOOK_AGAIN_S, Landing, delivery, folder_sha256

TEXT = b"id,at\n" + b"".join(b"c%06d,2026-03-01\n" % number for number in range(20_000))


def put(root: Path, path: str, content: bytes = b"x") -> Path:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


@pytest.fixture
def remote() -> Landing:
    """A landing root on a file system that is no local one."""
    root = f"memory://landing-{uuid.uuid4().hex}"
    landing = Landing(root)
    for path, content in {"calls/a.csv": TEXT, "calls/b.csv.gz": gzip.compress(TEXT), "box/cur/1": b"x"}.items():
        landing.filesystem.pipe_file(landing.full(path), content)
    return landing


def test_only_finished_files_are_found_in_path_order(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.csv.part", "d.csv.tmp", "e.csv.filepart", ".f.csv", "g.csv~", ".in/h.csv"):
        put(tmp_path, f"calls/{name}")
    put(tmp_path, "calls/deep/i.csv")
    landing = Landing(str(tmp_path))
    assert landing.find("calls/*.csv") == ["calls/a.csv", "calls/b.csv"]
    assert landing.find("calls/**/*.csv") == ["calls/a.csv", "calls/b.csv", "calls/deep/i.csv"]
    assert [path for path in landing.find("calls/*") if landing.is_folder(path)] == ["calls/deep"]
    assert landing.find("nothing/*") == []


def test_a_maildir_has_its_messages_and_nothing_the_server_keeps(tmp_path: Path) -> None:
    for name in ("cur/1:2,S", "new/2", "tmp/3", ".Sent/cur/4:2,", ".Sent/tmp/5", "dovecot.index.log", "maildirsize"):
        put(tmp_path, f"box/{name}")
    found = Landing(str(tmp_path)).members("box")
    assert list(found) == ["box/.Sent/cur/4:2,", "box/cur/1:2,S", "box/new/2"]


def test_any_other_folder_has_all_finished_files(tmp_path: Path) -> None:
    for name in ("a.eml", "2026/b.eml", "2026/c.eml.part", ".d.eml"):
        put(tmp_path, f"mails/{name}", name.encode())
    found = Landing(str(tmp_path)).members("mails")
    assert {path: stat.size for path, stat in found.items()} == {"mails/2026/b.eml": 10, "mails/a.eml": 5}


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_packed_files_are_opened_by_content_whatever_their_name(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    put(tmp_path, "a.csv", pack(TEXT))
    file = Landing(str(tmp_path)).file("a.csv")
    for _ in range(2):  # may be opened again
        with file.open() as stream:
            assert stream.read() == TEXT
    with file.open() as stream:
        assert (stream.readline(), stream.readline()) == (b"id,at\n", b"c000000,2026-03-01\n")


def test_several_archives_in_a_row_are_one_file(tmp_path: Path) -> None:
    put(tmp_path, "a.log", gzip.compress(TEXT) + gzip.compress(b"end\n"))
    with Landing(str(tmp_path)).file("a.log").open() as stream:
        assert stream.read() == TEXT + b"end\n"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda packed: packed[:-20], "truncated_archive"),
        (lambda packed: packed[:8], "truncated_archive"),
        (lambda packed: packed[:200] + bytes(byte ^ 0xFF for byte in packed[200:300]) + packed[300:], "broken_archive"),
    ],
    ids=["end missing", "only a head", "flipped bits"],
)
def test_a_damaged_archive_is_unreadable(
    tmp_path: Path, pack: Callable[[bytes], bytes], damage: Callable[[bytes], bytes], reason: str
) -> None:
    put(tmp_path, "a.csv", damage(pack(TEXT)))
    with Landing(str(tmp_path)).file("a.csv").open() as stream, pytest.raises(UnreadableFile) as error:
        stream.read()
    assert error.value.reason == reason


def test_a_bomb_is_stopped_and_small_blank_files_are_not(tmp_path: Path) -> None:
    put(tmp_path, "bomb", bz2.compress(bytes(100 << 20)))
    put(tmp_path, "blank", bz2.compress(bytes(1 << 20)))
    landing = Landing(str(tmp_path))
    with landing.file("bomb").open() as stream, pytest.raises(UnreadableFile) as error:
        shutil.copyfileobj(stream, io.BytesIO())
    assert error.value.reason == "archive_too_large"
    with landing.file("blank").open() as stream:
        assert len(stream.read()) == 1 << 20
    put(tmp_path, "large", gzip.compress(os.urandom(3 << 20)))
    with Landing(str(tmp_path), max_unpacked=1 << 20).file("large").open() as stream, pytest.raises(UnreadableFile):
        stream.read()


def test_closing_an_archive_closes_its_file(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", gzip.compress(TEXT))
    landing = Landing(str(tmp_path))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    streams = [landing.file("a.csv").open() for _ in range(5)]
    for stream in streams:
        stream.read(10)
        stream.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_new_bytes_of_the_same_size_under_a_preserved_time_are_seen(tmp_path: Path) -> None:
    target = put(tmp_path, "a.csv", b"one")
    os.utime(target, (1_700_000_000, 1_700_000_000))
    landing = Landing(str(tmp_path))
    before = landing.stat("a.csv")
    time.sleep(0.02)
    target.write_bytes(b"two")
    os.utime(target, (1_700_000_000, 1_700_000_000))
    assert landing.stat("a.csv") != before


def test_a_growing_file_is_not_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    landing = Landing(str(tmp_path))
    growing, still, moved = (put(tmp_path, name) for name in ("growing", "still", "moved"))
    stats = landing.stats(["growing", "still", "moved", "gone"])
    assert set(stats) == {"growing", "still", "moved"}

    def sleep(seconds: float) -> None:  # what a sender does between the two looks
        assert seconds == LOOK_AGAIN_S
        growing.write_bytes(b"xy")
        moved.rename(tmp_path / "moved.csv")

    monkeypatch.setattr("customer360.files.time.sleep", sleep)
    assert landing.settled(stats) == {"still"}
    assert still.exists()


def test_a_link_is_followed(tmp_path: Path) -> None:
    target = put(tmp_path, "store/a.csv", b"one")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").symlink_to(target)
    (tmp_path / "in/nowhere.csv").symlink_to(tmp_path / "missing")
    (tmp_path / "in/folder").symlink_to(target.parent)
    landing = Landing(str(tmp_path))
    assert landing.find("in/*") == ["in/a.csv", "in/folder", "in/nowhere.csv"]
    assert landing.is_folder("in/folder")
    assert list(landing.members("in/folder")) == ["in/folder/a.csv"]
    before = landing.stats(["in/a.csv", "in/nowhere.csv"])
    assert set(before) == {"in/a.csv"}
    target.write_bytes(b"longer")
    assert landing.stat("in/a.csv") != before["in/a.csv"]


def test_the_same_by_url(remote: Landing) -> None:
    assert remote.find("calls/*") == ["calls/a.csv", "calls/b.csv.gz"]
    assert [remote.is_folder(path) for path in ("calls", "calls/a.csv")] == [True, False]
    assert list(remote.members("box")) == ["box/cur/1"]
    assert remote.sha256("calls/a.csv") == hashlib.sha256(TEXT).hexdigest()
    contents = []
    for file in delivery(remote, "calls", ["calls/a.csv", "calls/b.csv.gz"]).files:
        with file.open() as stream:
            contents.append(stream.read())
    assert contents == [TEXT, TEXT]
    before = remote.stat("calls/a.csv")
    assert before.size == len(TEXT)
    remote.filesystem.pipe_file(remote.full("calls/a.csv"), TEXT[::-1])
    assert remote.stat("calls/a.csv") != before
    assert remote.settled(remote.stats(["calls/a.csv"])) == {"calls/a.csv"}


def test_a_folders_hash_is_of_names_contents_and_times_in_any_order() -> None:
    one, two = ("a", "1", 5.0), ("b", "2", 6.0)
    assert folder_sha256([one, two]) == folder_sha256([two, one])
    different = [[("a", "2", 5.0), ("b", "1", 6.0)], [("a", "1", 5.5), two], [one]]
    assert len({folder_sha256(members) for members in [[one, two], *different]}) == 4


def test_the_root_may_be_given_as_a_url_of_the_local_disk(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", TEXT)
    landing = Landing(f"file://{tmp_path}/")
    assert landing.find("*.csv") == ["a.csv"]
    assert landing.filesystem is fsspec.filesystem("file")
