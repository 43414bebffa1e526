"""Customers whom no identifier ties together, but whose profiles are one person's.

Contact records are compared by `linkage`, with weights that the company's own profiles taught it. Customers are
united where records of theirs are likely to be one person's, none of them is certainly another's, and most of the
evidence around them says so. What is only possible is left to a reviewer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array, triu
from scipy.sparse.csgraph import connected_components

from customer360.identity import names
from customer360.identity.classify import nobodys
from customer360.identity.constraints import kept_apart
from customer360.linkage import blocking, features, vetoes
from customer360.linkage.cluster import cluster
from customer360.linkage.kinds import Kind, Layout, Veto
from customer360.linkage.learned import FEWEST_PAIRS, Judge, Learned, learn
from customer360.linkage.link import Linkage, Pairs
from customer360.linkage.model import Ints, logit, sigmoid
from customer360.sources import OwnIdentities

LAYOUT = Layout(
    "record_key",
    {
        "given_name": Kind.GIVEN_NAME,
        "family_name": Kind.FAMILY_NAME,
        "birth_date": Kind.BIRTH_DATE,
        "address_line": Kind.ADDRESS_LINE,
        "postal_code": Kind.POSTCODE,
        "city": Kind.LOCALITY,
        "region": Kind.REGION,
        "organisation": Kind.ORGANISATION,
        "email": Kind.MAILBOX,
        "handle": Kind.HANDLE,
        "phone": Kind.PHONE,
    },
    frozenset({Veto.BIRTH_DATE, Veto.TWINS, Veto.GENERATION}),
)
FIELDS = list(LAYOUT.fields)
LIKELY = 0.98  # probability from which on two customers are one
POSSIBLE = 0.5  # and from which on somebody is asked
MOST = 20  # profiles that share a blocking key; what more share tells nobody apart
FEWEST = 1000  # profiles from which weights can be learnt
SAMPLE = 100_000  # of more than these, so many teach
GROWTH = 4  # times as many profiles as a model was learnt from call for another
_RECORDS = 20  # of each of two customers that are compared one by one


def fold(engine: Any, own: OwnIdentities, relation: str) -> None:
    """Make table `folded_profile` (record_key and what `features.prepare` makes) from `relation`, columns of model
    int_identity__record_profile. Addresses and numbers that are nobody's are left out."""
    engine.execute(_ADDRESSES.format(relation=relation))
    nobodys(engine, own, "stated_address")
    query = _STATED.format(relation=relation, handle=_HANDLE, whole=_WHOLE, told=_TOLD)
    engine.execute(query, {"no_name": names.no_name_pattern()})
    features.prepare(engine, "stated", LAYOUT)
    engine.execute(_FOLDED)


def fold_changed(engine: Any, own: OwnIdentities) -> None:
    """`fold` of a slice, where the rows of records that did not change were held since an earlier night.

    `engine` has the relations `record_profiles`, `held_profile`, `replaced_record` (the slice's records) and
    `changed_record`.
    """
    engine.execute(_CHANGED_PROFILES)
    fold(engine, own, "changed_profiles")
    engine.execute(_UNCHANGED)


def population(engine: Any, held: str | None = None, replaced: str | None = None) -> int:
    """Make table `profile` of `folded_profile`, and `far_profile` of the rows of relation `held` but those of the
    records of relation `replaced`; the number of profiles of both."""
    engine.execute(_POPULATION)
    engine.execute(_FAR.format(held=held, replaced=replaced) if held else _NO_FAR)
    ((profiles,),) = engine.sql("select (select count(*) from profile) + (select count(*) from far_profile)").fetchall()
    return int(profiles)


def teach(engine: Any, labels: str) -> Learned | None:
    """What up to SAMPLE profiles of the `population` teach, whole customers; `labels`: relation of record_key and
    label, the number of its customer. None where too few customers have several records. `profile` stays as it is."""
    ((pairs,),) = engine.sql(_TAUGHT.format(labels=labels)).fetchall()
    if pairs < FEWEST_PAIRS:  # counted first, for it is most companies' answer in their first nights
        return None
    engine.execute(_SAMPLE.format(labels=labels, sample=SAMPLE))
    ((profiles,),) = engine.sql(
        "select (select count(*) from near_profile) + (select count(*) from far_profile)"
    ).fetchall()
    learned = learn(engine, FIELDS, profiles)
    engine.execute("create or replace temp table profile as from near_profile")
    return learned


def unite(engine: Any, learned: Learned | None) -> None:
    """Let `record_component` and `anchors` say which components are one customer; make the tables `united`
    (component, label: of its customer) and `similarity` (record_key_a, record_key_b, probability, is_vetoed,
    is_link), the most alike records of every two components that are possibly one.

    `engine` has `profile`, `folded_profile`, `record_component`, `components`, `anchors`, `claim` and `cannot_link`.
    """
    engine.execute(_NOTHING)
    if learned is None:
        return
    engine.execute(_PARTS)
    blocking.block(engine, FIELDS, across="part", most=MOST, others="far_profile")
    found = engine.sql("select part from profile order by row").to_arrow_table()["part"].to_numpy()
    parts = int(found.max(initial=-1)) + 1
    if parts < 2:
        return
    compared = _Compared(engine, learned, found, parts)
    engine.register("part_cluster", pa.table({"part": np.arange(parts), "first": compared.clusters}))
    engine.register("likeness", compared.likeness())
    engine.execute(_UNITED)


def similar(engine: Any, own: OwnIdentities, learned: Learned) -> pa.Table:
    """Column `record_key`: records that are possibly one person's with a changed one, and those that share a blocking
    key which becomes too common tonight, or is so no longer. A veto between two records lies in the two alone; so one
    that a changed record is certainly another's than changes nothing of, unless others tie it to what is looked at.

    `engine` has the relations `changed_profile` (every version of the changed records, columns of model
    int_identity__record_profile) and `held_profile` (`folded_profile` of all, of the night before).
    """
    engine.execute(_VERSIONS)
    fold(engine, own, "version")
    engine.execute(_CHANGED)
    for key in blocking.keys(FIELDS):
        engine.execute(_MEETING.format(key=key, most=MOST))
    engine.execute(_MET)
    likeness = _Likeness(engine, learned)
    met = likeness.score(*likeness.supported("met_pair"))
    engine.register("likely", pa.table({"row": met.right[(met.odds > logit(POSSIBLE)) & ~met.vetoes]}))
    return engine.sql(_SIMILAR).to_arrow_table()


class _Likeness:
    """Compares rows of table `profile` by what a population taught."""

    def __init__(self, engine: Any, learned: Learned) -> None:
        ((rows,),) = engine.sql("select count(*) from profile").fetchall()
        vetoes.prepare(engine, FIELDS)
        self._judge = Judge(engine, learned)
        self._engine = engine
        self._linkage = Linkage(engine, FIELDS, rows, np.zeros(rows, np.int64), False, LAYOUT.vetoes, self._judge)

    def supported(self, relation: str) -> tuple[Ints, Ints]:
        """The pairs of `relation` (l, r: rows) that may be possible: the name alone makes none so."""
        found = self._engine.sql(_SUPPORTED.format(relation=relation, supported=self._judge.supported()))
        return _ends(found.to_arrow_table())

    def score(self, left: Ints, right: Ints) -> Pairs:
        """A veto stands also where names are two persons' by the rules of `names`: a family's mailbox and address say
        much, but not that Eric is Melissa."""
        pairs = self._linkage.score(left, right)
        possible = np.flatnonzero((pairs.odds > logit(POSSIBLE)) & ~pairs.vetoes)
        rows = np.unique([pairs.left[possible], pairs.right[possible]])
        self._engine.register("asked_row", pa.table({"row": rows}))
        named = {
            row: names.fold(None if given and family else given or family, given, family)
            for row, given, family in self._engine.sql(_NAMES).fetchall()
        }
        for place in possible.tolist():
            one, other = named[int(pairs.left[place])], named[int(pairs.right[place])]
            pairs.vetoes[place] = min(len(one.tokens), len(other.tokens)) < 2 or not names.same_owner(one, other)
        return pairs


class _Compared:
    """Components (parts) compared by the profiles of their records. `clusters`: smallest part of each one's cluster."""

    def __init__(self, engine: Any, learned: Learned, part_of: Ints, parts: int) -> None:
        self._engine = engine
        self._part_of = part_of
        self._parts = parts
        self._run = _Likeness(engine, learned)
        apart = kept_apart(engine)
        self._apart = apart["left"].to_numpy() * parts + apart["right"].to_numpy()
        self._logs_in = engine.sql(_LOG_INS).to_arrow_table()
        self._pairs = self._run.score(*self._run.supported("pair"))
        self._keep_near()
        self._compare(*self._neighbours())
        while True:
            left, right, best, vetoed = self._edges()
            odds = self._pairs.odds[best] - logit(LIKELY)
            unseen = np.setdiff1d(self._apart, left * parts + right)
            self.clusters = cluster(
                parts,
                np.concatenate([left, unseen // parts]),
                np.concatenate([right, unseen % parts]),
                np.concatenate([odds, np.zeros(len(unseen))]),
                np.concatenate([vetoed, np.ones(len(unseen), bool)]),
            )
            if not self._compare(*_inside(self.clusters)):
                return

    def likeness(self) -> pa.Table:
        """(l, r: rows; probability, is_vetoed, is_link) of the most alike records of parts that are possibly one."""
        left, right, best, vetoed = self._edges()
        kept = (self._pairs.odds[best] > logit(POSSIBLE)) & ~self._pairs.vetoes[best]
        best = best[kept]
        return pa.table(
            {
                "l": self._pairs.left[best],
                "r": self._pairs.right[best],
                "probability": sigmoid(self._pairs.odds[best]),
                "is_vetoed": vetoed[kept],
                "is_link": self.clusters[left[kept]] == self.clusters[right[kept]],
            }
        )

    def _keep_near(self) -> None:
        """Of the blocked pairs, those of parts that possible ones tie together, whatever they say: no others have a
        say in who is one."""
        pairs = self._pairs
        possible = (pairs.odds > logit(POSSIBLE)) & ~pairs.vetoes
        ends = self._part_of[pairs.left], self._part_of[pairs.right]
        ties = coo_array(
            (possible[possible].astype(np.int8), (ends[0][possible], ends[1][possible])), shape=(self._parts,) * 2
        )
        labels = connected_components(ties, directed=False)[1]
        tied = np.unique(np.concatenate([ends[0][possible], ends[1][possible]]))
        self._pairs = pairs.where(labels[ends[0]] == labels[ends[1]])
        self._engine.register("tied_part", pa.table({"part": tied, "label": labels[tied].astype(np.int64)}))
        self._score_more(*_ends(self._engine.sql(_NEAR).to_arrow_table()))

    def _score_more(self, left: Ints, right: Ints) -> bool:
        """Score these pairs of rows that have not been; whether a veto came up."""
        rows = len(self._part_of)
        fresh = np.setdiff1d(left * rows + right, self._pairs.left * rows + self._pairs.right)
        more = self._run.score(fresh // rows, fresh % rows)
        self._pairs = self._pairs.extended(more)
        return bool(more.vetoes.any())

    def _edges(self) -> tuple[Ints, Ints, Ints, Any]:
        """Parts with compared records, left < right; place of their most alike pair, of those that no veto parts if
        there are any; whether a veto on others or a decision stands."""
        pairs = self._pairs
        ends = self._part_of[pairs.left], self._part_of[pairs.right]
        code = np.minimum(*ends) * self._parts + np.maximum(*ends)
        order = np.lexsort((pairs.right, pairs.left, -pairs.odds, pairs.vetoes, code))
        found, first = np.unique(code[order], return_index=True)
        vetoed = np.isin(found, self._apart)
        vetoed[np.searchsorted(found, code[pairs.vetoes])] = True
        left, right = found // self._parts, found % self._parts
        return left, right, order[first], vetoed | self._log_in_apart(left, right)

    def _log_in_apart(self, left: Ints, right: Ints) -> Any:
        """Whether both parts have log-ins of one system: a person has one."""
        apart = np.zeros(len(left), bool)
        part, space = (self._logs_in[name].to_numpy() for name in ("part", "space"))
        for each in np.unique(space):
            has = np.zeros(self._parts, bool)
            has[part[space == each]] = True
            apart |= has[left] & has[right]
        return apart

    def _neighbours(self) -> tuple[Ints, Ints]:
        """Parts that are possibly one, or both likely to be one with a third."""
        left, right, best, vetoed = self._edges()
        odds = self._pairs.odds[best]
        likely = (odds > logit(LIKELY)) & ~vetoed
        ends = _steps(left[likely], right[likely], self._parts)
        possible = (odds > logit(POSSIBLE)) & ~self._pairs.vetoes[best]
        return np.concatenate([left[possible], ends[0]]), np.concatenate([right[possible], ends[1]])

    def _compare(self, left: Ints, right: Ints) -> bool:
        """Compare the records of these parts that have not been; whether a veto came up."""
        self._engine.register("asked_part", pa.table({"l": left, "r": right}))
        return self._score_more(*_ends(self._engine.sql(_RECORD_PAIRS.format(records=_RECORDS)).to_arrow_table()))


def _ends(pairs: pa.Table) -> tuple[Ints, Ints]:
    return pairs["l"].to_numpy(), pairs["r"].to_numpy()


def _steps(left: Ints, right: Ints, size: int) -> tuple[Ints, Ints]:
    """Pairs that have a neighbour in common, among edges left < right."""
    graph = coo_array((np.ones(len(left), np.int32), (left, right)), shape=(size, size))
    both = (graph + graph.T).tocsr()
    found = triu(both @ both, 1).tocoo()
    return found.row.astype(np.int64), found.col.astype(np.int64)


def _inside(clusters: Ints) -> tuple[Ints, Ints]:
    """All pairs of members of one cluster."""
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(clusters[order]) != 0])
    none = np.empty(0, np.int64)
    lefts, rights = [none], [none]
    for members in np.split(order, starts[1:]):
        if len(members) > 1:
            i, j = np.triu_indices(len(members), 1)
            lefts.append(members[i])
            rights.append(members[j])
    return np.concatenate(lefts), np.concatenate(rights)


_ADDRESSES = """
    create or replace temp table stated_address as
    select distinct unnest(['email', 'phone']) as identifier_type, unnest([email, phone]) as identifier_value
    from {relation}
"""
# What an address begins with, unless it is made from the name: anna.koehler, akoehler2.
_LETTERS = "regexp_replace(strip_accents(lower({value})), '[^a-z]', '', 'g')"
_SPELT = "replace(replace(replace(replace(lower({value}), 'ä', 'ae'), 'ö', 'oe'), 'ü', 'ue'), 'ß', 'ss')"
_LOCAL = _LETTERS.format(value="split_part(t.email, '@', 1)")
_NAMED = " or ".join(
    f"contains({_LOCAL}, {_LETTERS.format(value=spelt)})"
    for name in ("coalesce(last_name, split_part(whole, ' ', -1))", "coalesce(first_name, split_part(whole, ' ', 1))")
    for spelt in (name, _SPELT.format(value=name))
)
_HANDLE = f"case when e.identifier_value is null and not coalesce({_NAMED}, true) then split_part(t.email, '@', 1) end"
# Hartfeld, Anna is Anna Hartfeld, but Hartfeld, Jr is not Jr Hartfeld.
_WHOLE = r"""case when regexp_matches(full_name, '(?i),\s*(jr|sr|junior|senior|i{2,3}|iv)\.?\s*$') then full_name
    else regexp_replace(full_name, '^([^,]+),([^,]+)$', '\2 \1') end"""
_TOLD = ", ".join(f"{names.told(each)} as {each}" for each in ("full_name", "given_name", "family_name"))
# A name that is only known as a whole begins with the given and ends with the family name.
_STATED = """
    create or replace temp table stated as
    with trimmed as (
        select *, nullif(trim({whole}), '') as whole, nullif(trim(given_name), '') as first_name,
            nullif(trim(family_name), '') as last_name
        from (select * replace ({told}) from {relation})
    )
    select t.record_key, birth_date, address_line, postal_code, city, region, organisation, {handle} as handle,
        case when first_name is null and last_name is null and contains(whole, ' ') then split_part(whole, ' ', 1)
            else first_name end as given_name,
        case when first_name is null and last_name is null then split_part(whole, ' ', -1)
            else last_name end as family_name,
        case when e.identifier_value is null then t.email end as email,
        case when p.identifier_value is null then t.phone end as phone
    from trimmed t
    left join nobodys e on e.identifier_type = 'email' and t.email = e.identifier_value
    left join nobodys p on p.identifier_type = 'phone' and t.phone = p.identifier_value
"""
_FOLDED = """
    create or replace temp table folded_profile as
    select key::bigint as record_key, * exclude (row, key, source) from profile
"""
_CHANGED_PROFILES = """
    create or replace temp table changed_profiles as
    select p.* from record_profiles p
    where p.record_key in (select record_key from changed_record)
        or p.record_key not in (select record_key from held_profile)
"""
_UNCHANGED = """
    insert into folded_profile by name
    select h.* from held_profile h
    semi join replaced_record using (record_key)
    semi join record_profiles using (record_key)
    anti join changed_profiles using (record_key)
"""
# Record keys are hashes: their order tells nothing.
_POPULATION = """
    create or replace temp table profile as
    select (row_number() over (order by record_key) - 1)::bigint as row, * from folded_profile
"""
_FAR = """
    create or replace temp table far_profile as
    select * from {held} where record_key not in (select record_key from {replaced})
"""
_NO_FAR = "create or replace temp table far_profile as select * from folded_profile limit 0"
# Customers' numbers are hashes too.
_TAUGHT = """
    select coalesce(sum(records - 1), 0)
    from (
        select count(*) as records
        from (select record_key from profile union all select record_key from far_profile)
        join {labels} using (record_key)
        group by label
    )
"""
_SAMPLE = """
    create or replace temp table near_profile as from profile;
    create or replace temp table profile as
    select (row_number() over (order by record_key) - 1)::bigint as row, *
    from (
        select p.*, label
        from (select * exclude (row) from near_profile union all by name select * from far_profile) p
        join {labels} using (record_key)
        qualify row_number() over (order by label, record_key) <= {sample}
    )
"""
_NOTHING = """
    create or replace temp table united (component bigint, label bigint);
    create or replace temp table similarity
        (record_key_a bigint, record_key_b bigint, probability double, is_vetoed boolean, is_link boolean)
"""
_PARTS = """
    create or replace temp table part as
    select component, (row_number() over (order by component) - 1)::bigint as part
    from (select distinct component from record_component join folded_profile using (record_key));
    create or replace temp table profile as
    select p.*, t.part
    from profile p
    left join record_component c on p.record_key = c.record_key
    left join part t using (component)
"""
_NAMES = "select row, given_name, family_name from profile semi join asked_row using (row)"
_SUPPORTED = """
    select p.l, p.r from {relation} p join profile l on p.l = l.row join profile r on p.r = r.row
    where {supported} order by p.l, p.r
"""
_NEAR = """
    with near as (select row, label from profile join tied_part using (part))
    select l, r from pair join near a on l = a.row join near b on r = b.row where a.label = b.label
"""
_LOG_INS = """
    select distinct p.part, c.space
    from claim c
    join components k using (node)
    join part p using (component)
    where c.is_login
"""
_RECORD_PAIRS = """
    with record as (
        select row, part, row_number() over (partition by part order by row) as place from profile
    )
    select distinct least(l.row, r.row) as l, greatest(l.row, r.row) as r
    from asked_part a
    join record l on a.l = l.part and l.place <= {records}
    join record r on a.r = r.part and r.place <= {records}
"""
_UNITED = """
    insert into united
    select p.component, f.component
    from part_cluster l join part p using (part) join part f on l.first = f.part
    where l.first in (select first from part_cluster group by 1 having count(*) > 1);
    insert into similarity
    select least(a.record_key, b.record_key), greatest(a.record_key, b.record_key), probability, is_vetoed, is_link
    from likeness k join profile a on k.l = a.row join profile b on k.r = b.row;
    update record_component set component = u.label from united u where record_component.component = u.component;
    update anchors set component = u.label from united u where anchors.component = u.component
"""
_VERSIONS = """
    create or replace temp table version_of as
    select row_number() over () as version, * from changed_profile;
    create or replace temp table version as
    select version as record_key, * exclude (version, record_key) from version_of
"""
_CHANGED = """
    create or replace temp table every_profile as
    select v.record_key, p.* exclude (record_key), true as is_new, true as is_changed
    from folded_profile p join version_of v on p.record_key = v.version
    union all by name
    select h.*, false as is_new, h.record_key in (select record_key from changed_profile) as is_changed
    from held_profile h;
    create or replace temp table every_profile as select row_number() over () as number, * from every_profile;
    create or replace temp table changed as from every_profile where is_changed;
    create or replace temp table crossing (record_key bigint);
    create or replace temp table meeting (l bigint, r bigint)
"""
_MEETING = """
    create or replace temp table sharing as
    with wanted as (
        select {key} as k, count(distinct record_key) as tonight from changed where {key} is not null group by 1
    )
    select w.k, w.tonight, p.number, p.record_key, p.is_changed, p.is_new,
        count(*) filter (where not p.is_changed) over (partition by w.k) as others
    from every_profile p join wanted w on {key} = w.k;
    insert into crossing
    select record_key from sharing where others <= {most} and others + tonight > {most} and not is_new;
    insert into meeting
    select n.number, o.number from sharing n join sharing o using (k)
    where n.is_new and not o.is_changed and n.others <= {most}
"""
_MET = """
    create or replace temp table profile as
    select (row_number() over (order by number) - 1)::bigint as row, *
    from every_profile where number in (select l from meeting union select r from meeting);
    create or replace temp table met_pair as
    select distinct n.row as l, o.row as r
    from meeting m join profile n on m.l = n.number join profile o on m.r = o.number
"""
_SIMILAR = """
    select record_key from crossing
    union select record_key from profile join likely using (row)
"""
