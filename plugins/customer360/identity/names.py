"""Names, folded for comparison: how many different persons do a few names stand for?

Made for short lists (the names that use one telephone number), where the question is not who somebody
is but whether 'J. Smith', 'Smith, John' and 'Jon Smith' are one person and 'Mary Smith' is another.
Couples and siblings share a family name and often most letters of the given one, so a letter more or
less at the end of a word is a different name (Daniel, Daniela), one inside it a slip of the pen.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from customer360.identity.scripts import given_in_chinese, in_latin

NICKNAMES = Path(__file__).parent / "seeds" / "nicknames.csv"
NO_NAMES = NICKNAMES.with_name("no_names.csv")
MANY = 40  # more different names than this are never sorted out: they are that many persons

_NOT_A_NAME = frozenset(
    "mr mrs ms miss dr prof herr frau fr hr sir dipl ing mag familie family famille familia rodzina"
    " llc gmbh ag ltd inc co kg ohg ug sarl srl plc".split()
)
_GENERATIONS = {"jr": "junior", "jun": "junior", "junior": "junior", "sr": "senior", "sen": "senior"}
_GENERATIONS |= {"senior": "senior", "ii": "second", "iii": "third", "iv": "fourth"}
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "ø": "o", "œ": "oe", "đ": "d", "ł": "l", "ı": "i", "þ": "th", "'": "", "’": "", "`": ""}
)
# One sound in several spellings: Mueller, Meyer, Stephan, Schmitt, Martha, Becker; then those of romanised Cyrillic:
# Mikhail, Alexei, Iwanow, Kuznetsov, Julia.
_SPELLINGS = (
    *(("ae", "a"), ("oe", "o"), ("ue", "u"), ("y", "i"), ("j", "i"), ("ph", "f"), ("th", "t")),
    *(("dt", "t"), ("ck", "k"), ("kh", "h"), ("zh", "z"), ("x", "ks"), ("w", "v"), ("tz", "c"), ("ts", "c")),
)
_DOUBLED = re.compile(r"([^\W\d_])\1")
_SOFT = re.compile(r"\Ai[eo]")  # Yevgeny, Evgeny
_SLAVIC = re.compile(r"(?<=..)(?:(ov|ev)a|(sk)a(?:ia)?)\Z")  # Ivanova is an Ivanov, Kowalska a Kowalski
_WORD = re.compile(r"[^\W\d_]+")
# What turns one given name into another, mostly a man's into a woman's.
_ENDINGS = frozenset("a e ia ina ine ka ca na ne ette elle ella".split())
_VOWELS = frozenset("aeiou")


class Name(NamedTuple):
    """A folded name. `tokens` in the order written; `given` those known to be given names."""

    tokens: tuple[str, ...]
    given: tuple[str, ...] = ()
    generation: str = ""
    birth_date: date | None = None


Rule = Callable[[Name, Name], bool]


def fold(full: str | None, given: str | None = None, family: str | None = None, birth_date: date | None = None) -> Name:
    """Lower case, without marks, titles and punctuation. The parts count where both are known."""
    text = f"{given} {family}" if given and family else full or given or family or ""
    before, comma, after = text.partition(",")
    is_swapped = bool(comma) and not set(_words(after)) <= _GENERATIONS.keys()
    words = _words(after) + _words(before) if is_swapped else _words(text)
    tokens = tuple(word for word in words if word not in _GENERATIONS)
    generation = next((_GENERATIONS[word] for word in words[1:] if word in _GENERATIONS), "")
    told = given if given and family else after if is_swapped else given_in_chinese(text)
    known = tuple(word for word in _words(told) if word not in _GENERATIONS) if told else ()
    return Name(tokens, known, generation, birth_date)


def squashed(text: str) -> str:
    """A firm's name as it may stand in a domain: its letters and digits alone, without what it is by law."""
    words = re.findall(r"[^\W_]+", in_latin(text).lower())
    return "".join(word for word in words if word not in _NOT_A_NAME)


def told(text: str) -> str:
    """SQL (DuckDB) of `text`, a name, or null where it is what people and telephones write who know none. `$no_name` is
    `no_name_pattern`."""
    return f"case when not regexp_full_match(strip_accents(lower(trim({text}))), $no_name) then {text} end"


@lru_cache(maxsize=1)
def no_name_pattern() -> str:
    """Pattern of what stands where no name is known: only listed words (Unknown, Wireless Caller, [not provided]),
    with a region's letters perhaps after two of them (Cell Phone NY), or n/a, n.n., xxx; lower case, no accents.
    It means the same to RE2, PostgreSQL and Java, so that dbt's models know such texts by it too."""
    with NO_NAMES.open(encoding="utf-8") as rows:
        words = [unicodedata.normalize("NFKD", row["word"]) for row in csv.DictReader(rows)]
    plain = ("".join(char for char in word if not unicodedata.combining(char)) for word in words)
    word, gap = f"(?:{'|'.join(plain)})", "[ -`{-~]"
    abbreviated = f"[nk]{gap}?[an]|x{{2,}}|asdf[a-z]*"
    return f"{gap}*(?:(?:{word}{gap}+)*{word}|{word}{gap}+{word}{gap}+[a-z]{{2}}|{abbreviated}){gap}*|{gap}+"


def persons(names: Iterable[Name]) -> int:
    """Number of different persons behind `names`; a name without words does not count."""
    distinct = sorted({name for name in names if name.tokens}, key=order)
    return len(distinct) if len(distinct) > MANY else len(set(groups(distinct, same_person)) - {None})


def groups(names: Sequence[Name], same: Rule) -> list[int | None]:
    """Person of each name, numbered from 0 in an order that does not depend on that of `names`.

    None for a name that could be several of the persons (the initial of both) or has no words.
    """
    found: list[list[Name]] = []
    place: dict[Name, int | None] = {}
    for name in sorted(set(names), key=order):
        fits = [number for number, group in enumerate(found) if _fits(name, group, same)]
        if not name.tokens or len(fits) > 1:
            place[name] = None
        elif fits:
            found[fits[0]].append(name)
            place[name] = fits[0]
        else:
            found.append([name])
            place[name] = len(found) - 1
    return [place[name] for name in names]


def only_match(name: Name, persons_of: Sequence[Sequence[Name]], same: Rule) -> int | None:
    """The one person whom `name` can be, or None if it can be nobody or several."""
    fits = [number for number, group in enumerate(persons_of) if name.tokens and _fits(name, group, same)]
    return fits[0] if len(fits) == 1 else None


def same_person(a: Name, b: Name) -> bool:
    """Whether two names can be one person's: every word of the shorter has its like in the longer."""
    if not a.tokens or not b.tokens or contradict(a, b):
        return False
    return _words_alike(a.tokens, b.tokens)


def same_owner(a: Name, b: Name) -> bool:
    """`same_person`, or a changed family name: for values that people take with them through life."""
    if same_person(a, b):
        return True
    one, other = a.given or _first_names(a), b.given or _first_names(b)
    known = one and other and min(len(word) for word in one + other) > 1
    return bool(known) and not contradict(a, b) and _words_alike(one, other)


def same_account(a: Name, b: Name) -> bool:
    """`same_owner`, or any word in common: for references that a system gives to one person only."""
    if same_owner(a, b):
        return True
    return not contradict(a, b) and any(len(x) > 2 and _alike(x, y) for x in a.tokens for y in b.tokens if len(y) > 2)


def contradict(a: Name, b: Name) -> bool:
    """Whether generation (Jr, Sr) or birth date says that two names are two persons'."""
    if a.generation and b.generation and a.generation != b.generation:
        return True
    return a.birth_date is not None and b.birth_date is not None and _dates_differ(a.birth_date, b.birth_date)


def is_full(name: Name) -> bool:
    """Whether a name has two words that are no initials."""
    return sum(len(word) > 1 for word in name.tokens) > 1


def is_name(words: Sequence[str]) -> bool:
    """Whether `words`, of an address, look like a person's name: two of them, or one that holds a listed given name."""
    return sum(len(word) > 1 for word in words) > 1 or any(
        word.startswith(given) or word.endswith(given)
        for word in words
        for given in _long_given_names()
        if given in word
    )


def order(name: Name) -> tuple[object, ...]:
    """Order of decision: the most telling names first."""
    told = name.birth_date or date.min
    return (-len(name.tokens), -sum(map(len, name.tokens)), name.tokens, name.given, name.generation, told)


def _fits(name: Name, group: Collection[Name], same: Rule) -> bool:
    return any(same(name, other) for other in group) and not any(contradict(name, other) for other in group)


def _first_names(name: Name) -> tuple[str, ...]:
    """All but the last word, where that is not a given name written last (Mueller Hans)."""
    *first, last = name.tokens
    is_told = last not in _nicknames() or all(word in _nicknames() for word in first)
    return tuple(first) if is_told else ()


def _dates_differ(a: date, b: date) -> bool:
    """Two dates that no single slip explains: one wrong digit, two neighbours or day and month swapped."""
    if (a.year, a.month, a.day) == (b.year, b.day, b.month):
        return False
    x, y = a.strftime("%Y%m%d"), b.strftime("%Y%m%d")
    wrong = [place for place in range(8) if x[place] != y[place]]
    swapped = len(wrong) == 2 and wrong[1] == wrong[0] + 1 and x[wrong[0]] == y[wrong[1]] and x[wrong[1]] == y[wrong[0]]
    return len(wrong) > 1 and not swapped


@lru_cache(maxsize=1 << 18)
def _words(text: str) -> tuple[str, ...]:
    lowered = unicodedata.normalize("NFKD", in_latin(text).lower().translate(_LETTERS))
    plain = "".join(char for char in lowered if not unicodedata.combining(char))
    return tuple(word for word in _WORD.findall(plain) if word not in _NOT_A_NAME)


def _words_alike(a: Sequence[str], b: Sequence[str]) -> bool:
    if a == b or "".join(a) == "".join(b):
        return True  # Hans-Peter, Hanspeter
    short, long = (a, b) if len(a) <= len(b) else (b, a)
    if len(short) == 1 and len(short[0]) > 1 and short[0] not in _given_names():
        long = [word for word in long if len(word) > 1]  # Anna may be A. Meier, but Siemens is not S. Meier
    left, others = list(long), []
    for token in short:
        if token in left:
            left.remove(token)
        else:
            others.append(token)
    if len(others) > 1:
        others.sort(key=lambda word: (-len(word), word))
    for token in others:
        match = next((other for other in left if _alike(token, other)), None)
        if match is None:
            return False
        left.remove(match)
    return bool(short)


@lru_cache(maxsize=1 << 18)
def _alike(a: str, b: str) -> bool:
    """Whether two words can be one: equal, an initial, a nickname, a shortened form or a slip."""
    short, long = (a, b) if (len(a), a) <= (len(b), b) else (b, a)
    if len(short) == 1:
        return long.startswith(short)
    # Two short forms of one name may well be brothers': Jo, Jan.
    if _sound(b) in _formal(a) or _sound(a) in _formal(b):
        return True
    return _one_word(short, long) or _one_word(*sorted((_sound(short), _sound(long)), key=lambda x: (len(x), x)))


def _one_word(short: str, long: str) -> bool:
    if short == long:
        return True
    if len(short) > 2 and long.startswith(short):
        return long[len(short) :] not in _ENDINGS
    return _slip(short, long)


def _slip(short: str, long: str) -> bool:
    """One letter inserted, left out or changed, or two neighbours swapped; never a vowel at the end."""
    if len(long) - len(short) > 1:
        return False
    at = next((i for i, (x, y) in enumerate(zip(short, long, strict=False)) if x != y), len(short))
    if at >= len(long) - 1 and long[-1] in _VOWELS:
        return False
    if len(long) > len(short):
        return short[at:] == long[at + 1 :] and len(short) > (2 if long[at] == "h" else 3)
    swapped = short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
    return (swapped and len(short) > 3) or (short[at + 1 :] == long[at + 1 :] and len(short) > 5)


@lru_cache(maxsize=1 << 18)
def _sound(word: str) -> str:
    for written, heard in _SPELLINGS:
        word = word.replace(written, heard)
    word = _SOFT.sub("e", _DOUBLED.sub(r"\1", word))
    return _SLAVIC.sub(lambda end: end[1] or end[2] + "i", word)


@lru_cache(maxsize=1 << 16)
def _formal(word: str) -> frozenset[str]:
    """Sounds of the given names that a word may stand for."""
    return frozenset(map(_sound, _nicknames().get(word, (word,))))


@lru_cache(maxsize=1)
def _long_given_names() -> frozenset[str]:
    """Those that hardly begin or end another word."""
    return frozenset(word for word in _nicknames() if len(word) > 4)


@lru_cache(maxsize=1)
def _given_names() -> frozenset[str]:
    """All listed ones, short forms included."""
    return frozenset(_nicknames()).union(*_nicknames().values())


@lru_cache(maxsize=1)
def _nicknames() -> dict[str, frozenset[str]]:
    """{word: the given names it can stand for}, itself included."""
    found: dict[str, set[str]] = {}
    with NICKNAMES.open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            for short in row["short_forms"].split():
                found.setdefault(short, {short}).add(row["given_name"])
    return {word: frozenset(names) for word, names in found.items()}
