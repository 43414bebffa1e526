"""Names in other scripts, in Latin letters: Cyrillic, Greek, Chinese, whatever Unicode has a romanisation for."""

from __future__ import annotations

import re

from anyascii import anyascii

# Family names of two characters; all other Chinese ones have one.
_COMPOUND = (
    "欧阳 歐陽 司马 司馬 上官 诸葛 諸葛 夏侯 东方 東方 皇甫 尉迟 尉遲 "
    "公孙 公孫 慕容 令狐 长孙 長孫 宇文 司徒 南宫 南宮 端木"
)
_CHINESE = re.compile(rf"({'|'.join(_COMPOUND.split())}|[\u4e00-\u9fff])([\u4e00-\u9fff]{{1,3}})(?![\u4e00-\u9fff])")
_OTHER = re.compile(r"[^\u0000-\u024f\u0300-\u036f\u1e00-\u1eff\u2000-\u206f]+")


def in_latin(text: str) -> str:
    """`text` with its words of other scripts romanised; Latin letters keep their marks.

    A Chinese name written in one word is its family name and its given name: 王小明 is Wang Xiaoming.
    """
    if text.isascii():
        return text
    parted = _CHINESE.sub(lambda name: f" {_one_word(name[1])} {_one_word(name[2])} ", text)
    return _OTHER.sub(lambda run: _latin(run[0]), parted)


def given_in_chinese(text: str) -> str:
    """The given name of a Chinese name written in one word, else nothing."""
    found = None if text.isascii() else _CHINESE.fullmatch(text.strip())
    return found[2] if found else ""


def _one_word(characters: str) -> str:
    return _latin(characters).capitalize()


def _latin(text: str) -> str:
    return anyascii(text).replace("'", "")
