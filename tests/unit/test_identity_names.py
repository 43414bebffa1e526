"""Which names can be one person's: spellings, slips, nicknames; and couples, siblings, generations."""

from __future__ import annotations

import itertools
import random
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer360.identity import names
from customer360.identity.names import Name, fold

ONE = [
    "J. Smith|John Smith|Jon Smith|Smith, John",
    "Jürgen Müller|Juergen Mueller|MULLER Jurgen|Jürgen Mülller|Dr. Jürgen Müller",
    "Katharina Jäger|Katharina Jgäer|Kathi Jaeger",
    "Olena Kovalenko|Olena Kovlaenko",
    "William Jones|Bill Jones|Billy Jones|B. Jones",
    "José Núñez|Pepe Nunez",
    "Małgorzata Wójcik|Gosia Wojcik",
    "Hans-Peter Ott|Hanspeter Ott|Hans Peter Ott",
    "Seán O'Brien|Sean OBrien|Sean O’Brien",
    "Ivan Petrov|Ivan Petrova",
    "Stefan Meyer|Stephan Meier",
    "王伟|王 伟",
    "Wei Li|Wei Lii",
    "Ana de la Cruz|Ana Cruz",
    "A. Meier|Anna",
    "S. Meier|Meier",
]
TWO = [
    "Ana Ruiz|Ben Ruiz",
    "Daniel Beck|Daniela Beck",
    "Jan Beck|Jana Beck",
    "Simon Roth|Simone Roth",
    "Maria Meier|Mario Meier",
    "Lena Ott|Lina Ott",
    "Tim Ott|Tom Ott",
    "王伟|王芳",
    "John Smith Jr.|John Smith Sr.",
    "Karl Berg II|Karl Berg III",
    "Ana Ruiz|Ana Ott",
    "Alexander Graf|Alexandra Graf",
    "S. Meier|Siemens",
]


@pytest.mark.parametrize("spelled", ONE)
def test_spellings_of_one_person(spelled: str) -> None:
    assert names.persons(map(fold, spelled.split("|"))) == 1


@pytest.mark.parametrize("spelled", TWO)
def test_names_of_two_persons(spelled: str) -> None:
    assert names.persons(map(fold, spelled.split("|"))) == 2


def test_what_is_no_name_counts_for_nobody() -> None:
    assert names.persons(map(fold, ["", "GmbH", "Familie", "Dr.", "12345"])) == 0


def test_an_initial_that_fits_two_is_neither_of_them() -> None:
    jo, jan, j = fold("Jo Meier"), fold("Jan Meier"), fold("J. Meier")
    places = names.groups([j, jo, jan], names.same_person)
    assert places[0] is None
    assert {places[1], places[2]} == {0, 1}
    assert names.only_match(j, [[jo], [jan]], names.same_person) is None
    assert names.only_match(fold("Jan Meier"), [[jo], [jan]], names.same_person) == 1


def test_birth_dates_tell_father_and_son_apart_but_not_a_slip() -> None:
    def born(*day: int) -> Name:
        return fold("Karl Berg", birth_date=date(*day))

    assert not names.same_person(born(1951, 4, 7), born(1978, 4, 7))
    for slip in ((1951, 4, 8), (1951, 7, 4), (1915, 4, 7)):
        assert names.same_person(born(1951, 4, 7), born(*slip))
    assert names.same_person(born(1951, 4, 7), fold("Karl Berg"))


def test_a_changed_family_name_is_believed_of_a_mailbox_but_not_of_a_telephone() -> None:
    before, after = fold(None, "Ana", "Ruiz"), fold(None, "Ana", "Ott")
    assert names.same_owner(before, after)
    assert not names.same_person(before, after)
    assert not names.same_owner(before, fold(None, "A.", "Ott"))
    assert not names.same_owner(
        before._replace(birth_date=date(1980, 1, 1)), after._replace(birth_date=date(1955, 6, 9))
    )


def test_an_account_of_a_system_is_one_persons_unless_nothing_agrees() -> None:
    assert names.same_account(fold("Kasia Xyz"), fold("Xyz Unbekannter"))
    assert not names.same_account(fold("Ana Ruiz"), fold("Ben Ott"))


@given(st.lists(st.sampled_from([name for line in ONE + TWO for name in line.split("|")]), max_size=12), st.integers())
def test_the_order_of_names_does_not_matter(spelled: list[str], seed: int) -> None:
    folded = [fold(name) for name in spelled]
    shuffled = folded[:]
    random.Random(seed).shuffle(shuffled)
    where = dict(zip(folded, names.groups(folded, names.same_person), strict=True))
    assert names.groups(shuffled, names.same_person) == [where[name] for name in shuffled]


def test_likeness_has_no_direction() -> None:
    folded = [fold(name) for line in ONE + TWO for name in line.split("|")]
    for a, b in itertools.combinations(folded, 2):
        assert names.same_person(a, b) == names.same_person(b, a), (a, b)
