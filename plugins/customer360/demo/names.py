"""Common names by language, how they are abbreviated and how typists spell them: the raw material of people."""

from __future__ import annotations

import random
from typing import Final

# Language → (weight, given names, family names).
LANGUAGES: Final[dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]]] = {
    "de": (
        72,
        tuple(
            "Anna Ben Clara David Emma Felix Greta Hannes Ida Jonas Klara Lukas Mia Noah Paula Quirin Rosa Simon Tilda "
            "Ulrich Vera Wilhelm Jürgen Günther Käthe Björn Sören Renée Heike Torsten Sabine Matthias Ute Stefan "
            "Christine Alexander Katharina Johannes Elisabeth Friedrich Margarete Sebastian Birgit Manfred Ingrid Rüdiger "
            "Franziska Benjamin Susanne Joachim Gisela Thomas Petra Michael Claudia Andreas Nicole Frank Martina Jörg".split()
        ),
        tuple(
            "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein "
            "Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Krause Lehmann Köhler Maier "
            "Huber Kaiser Fuchs Peters Lang Scholz Möller Weiß Jung Hahn Keller Vogel Friedrich Günther Berger Winkler "
            "Lorenz Baumann Franke Albrecht Schuster Simon Ludwig Böhm Winter Kraus Schumacher Krämer Vogt Jäger Stein "
            "Groß Sommer Seidel Heinrich Brandt Haas Schreiber Graf Dietrich Ziegler Kuhn Kühn Pohl Engel Horn Busch "
            "Bergmann Voigt Sauer Arnold Pfeiffer Petersen Hansen Carstensen Thomsen Jürgensen".split()
        ),
    ),
    "tr": (
        8,
        tuple("Yusuf Zeynep Ayşe Mehmet Fatma Emre Elif Mustafa Hülya Çağla Gökhan Şirin".split()),
        tuple("Yılmaz Kaya Demir Şahin Çelik Yıldız Aydın Özdemir Arslan Doğan".split()),
    ),
    "pl": (
        7,
        tuple("Katarzyna Piotr Agnieszka Tomasz Małgorzata Paweł Łukasz Zofia".split()),
        tuple("Kowalski Nowak Wiśniewski Wójcik Kamiński Lewandowski Dąbrowski".split()),
    ),
    "uk": (
        4,
        tuple("Olena Andriy Oksana Dmytro Kateryna Serhiy".split()),
        tuple("Shevchenko Bondarenko Kovalenko Tkachenko Kravchenko".split()),
    ),
    "zh": (
        3,
        tuple("Wei Ming Mei Xiaoming Jing Lihua Jun Yan".split()),
        tuple("Wang Zhang Chen Li Liu Zhao Huang".split()),
    ),
    "en": (
        4,
        tuple("James Olivia Harry Amelia William Charlotte Robert Margaret".split()),
        tuple("Smith Jones Taylor Brown Wilson Evans O'Brien".split()),
    ),
    "es": (2, tuple("José Lucía Íñigo María Martín".split()), tuple("García Núñez López Fernández".split())),
}
NICKNAMES: Final = {
    "Alexander": "Alex",
    "Andreas": "Andi",
    "Benjamin": "Ben",
    "Christine": "Tina",
    "Elisabeth": "Lisa",
    "Franziska": "Franzi",
    "Friedrich": "Fritz",
    "Hannes": "Johannes",
    "James": "Jim",
    "Joachim": "Achim",
    "Johannes": "Hannes",
    "José": "Pepe",
    "Katarzyna": "Kasia",
    "Katharina": "Kathi",
    "Małgorzata": "Gosia",
    "Manfred": "Manni",
    "Margarete": "Grete",
    "Margaret": "Peggy",
    "Matthias": "Matze",
    "Michael": "Michi",
    "Robert": "Bob",
    "Sebastian": "Basti",
    "Stefan": "Steffi",
    "Susanne": "Susi",
    "Thomas": "Tom",
    "Tomasz": "Tomek",
    "Ulrich": "Uli",
    "Wilhelm": "Willi",
    "William": "Bill",
}
# As German typists write letters their keyboard lacks.
_ASCII: Final = str.maketrans(
    {
        **{"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"},
        **{"ş": "s", "Ş": "S", "ı": "i", "ç": "c", "Ç": "C", "ğ": "g"},
        **{"ą": "a", "ę": "e", "ł": "l", "Ł": "L", "ń": "n", "ó": "o", "ś": "s", "ż": "z"},
        **{"á": "a", "é": "e", "í": "i", "Í": "I", "ú": "u", "ñ": "n"},
    }
)


def draw_language(rng: random.Random) -> str:
    """A language, by its weight."""
    return rng.choices(list(LANGUAGES), [weight for weight, _, _ in LANGUAGES.values()])[0]


def ascii_name(name: str) -> str:
    """`name` as written on a keyboard without its letters: 'Müller' → 'Mueller'."""
    return name.translate(_ASCII)


def slug(name: str) -> str:
    """`name` as part of an address or domain."""
    return "".join(char for char in ascii_name(name).lower() if char.isalnum())


def typed(rng: random.Random, given: str, family: str) -> tuple[str, str, str | None]:
    """(given, family, phenomenon or None): a name as somebody in the office typed it."""
    chance = rng.random()
    if chance < 0.04:
        return given, _typo(rng, family), "typo"
    if chance < 0.12 and given in NICKNAMES:
        return NICKNAMES[given], family, "nickname"
    if chance < 0.14:
        return f"{given[0]}.", family, "initial"
    if chance < 0.15:
        return family, given, "swapped_names"
    if chance < 0.40 and not (given + family).isascii():
        return ascii_name(given), ascii_name(family), "diacritics"
    return given, family, None


def _typo(rng: random.Random, name: str) -> str:
    """Two neighbouring letters swapped, or the last one doubled in short or stuttering names."""
    places = [place for place in range(1, len(name) - 1) if name[place] != name[place + 1]]
    if len(name) < 5 or not places:
        return name + name[-1]
    at = rng.choice(places)
    return name[:at] + name[at + 1] + name[at] + name[at + 2 :]
