"""Names as typists write them, and ids as Salesforce gives them."""

from __future__ import annotations

import random

import pyarrow as pa

from customer360.connectors.salesforce import id18
from customer360.demo.formats.salesforce import salesforce_id
from customer360.demo.names import LANGUAGES, NICKNAMES, ascii_name, typed


def test_ids_are_distinct_and_have_the_checksum_of_their_15_characters() -> None:
    ids = [salesforce_id("003", number) for number in range(200_000)]
    assert len(set(ids)) == len(ids)
    assert {len(each) for each in ids} == {18}
    sample = ids[::997]
    assert id18(pa.array([each[:15] for each in sample])).to_pylist() == sample
    assert salesforce_id("006", 5)[3:] != salesforce_id("006", 6)[3:]


def test_every_letter_has_a_spelling_in_ascii() -> None:
    for _, givens, families in LANGUAGES.values():
        for name in (*givens, *families):
            assert ascii_name(name).isascii(), name
    assert ascii_name("Weiß-Łukasz Yıldız") == "Weiss-Lukasz Yildiz"


def test_a_typed_name_differs_just_when_it_is_said_to() -> None:
    rng = random.Random(1)
    seen = set()
    for _ in range(5_000):
        _, givens, families = rng.choice(list(LANGUAGES.values()))
        given, family = rng.choice(givens), rng.choice(families)
        written_given, written_family, phenomenon = typed(rng, given, family)
        assert ((written_given, written_family) == (given, family)) == (phenomenon is None)
        seen.add(phenomenon)
    assert seen == {None, "typo", "nickname", "initial", "swapped_names", "diacritics"}


def test_nicknames_are_other_names() -> None:
    assert not [name for name, short in NICKNAMES.items() if name == short]
