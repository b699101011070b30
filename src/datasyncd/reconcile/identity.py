"""Identity: which cluster a record without a binding belongs to.

Match keys stand in the config in order of trust. Two things are the same when the most trusted key that
both have is equal: a lesser key that they share (a household's phone) never outweighs a better one that
differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from .cluster import Cluster, ClusterState
from .fingerprint import Fingerprinter
from .rules import EntityRule, FieldNumber, LinkRule, Value

MatchKey = tuple[int, bytes]
"""Index in `identify`, digest."""


class Verdict(StrEnum):
    """What becomes of a record that has no binding."""

    FOUND = "found"
    """No cluster has it: it founds one."""
    BIND = "bind"
    DUPLICATE = "duplicate"
    """Its cluster has another live record in the same system."""
    AMBIGUOUS = "ambiguous"
    ORPHAN = "orphan"
    """One of our own creates made it too late."""
    WAIT = "wait"
    """Its cluster is being deleted, or our create of it is under way."""


class Match(msgspec.Struct, frozen=True):
    verdict: Verdict
    cluster: Cluster | None = None
    ours: bool = False
    """One of our own creates made it, as far as its keys tell."""


_NOBODY = Match(Verdict.FOUND)


def keys_of_values(values: Mapping[FieldNumber, Value], entity: EntityRule, fp: Fingerprinter) -> list[MatchKey]:
    """Match keys of one record, most trusted first; a key with a blank part is none."""
    out = []
    for kind, numbers in enumerate(entity.identify):
        texts = []
        for number in numbers:
            part = values.get(number)
            if part is None or part == "":
                break
            texts.append(entity.match_text(entity.fields[number].type, part))
        else:
            out.append((kind, fp.match(entity.name, kind, texts)))
    return out


def keys_of(cluster: Cluster, entity: EntityRule, fp: Fingerprinter) -> frozenset[MatchKey]:
    """Match keys of a cluster: of every value that is not overwritten."""
    out: list[MatchKey] = []
    for kind, numbers in enumerate(entity.identify):
        versions = [
            [sib.val for sib in reg.sibs] if (reg := cluster.regs.get(number)) is not None else [] for number in numbers
        ]
        for combination in _combinations(versions):
            if all(value is not None for value in combination):
                texts = [
                    entity.match_text(entity.fields[number].type, value)
                    for number, value in zip(numbers, combination, strict=True)
                ]
                out.append((kind, fp.match(entity.name, kind, texts)))
    return frozenset(out)


def _combinations(versions: Sequence[Sequence[Value]]) -> Iterable[tuple[Value, ...]]:
    if len(versions) == 1:
        return [(value,) for value in versions[0]]
    out: list[tuple[Value, ...]] = [()]
    for values in versions:
        out = [(*known, value) for known in out for value in values][:64]
    return out


def same(keys: Iterable[MatchKey], others: Iterable[MatchKey]) -> bool:
    """Whether the most trusted key that both have is equal."""
    mine: dict[int, set[bytes]] = {}
    theirs: dict[int, set[bytes]] = {}
    for kind, digest in keys:
        mine.setdefault(kind, set()).add(digest)
    for kind, digest in others:
        theirs.setdefault(kind, set()).add(digest)
    for kind in sorted(mine):
        if kind in theirs:
            return not mine[kind].isdisjoint(theirs[kind])
    return False


def identify(
    ext_id: str,
    keys: Sequence[MatchKey],
    candidates: Sequence[Cluster],
    creates: Sequence[Cluster],
    link: LinkRule,
) -> Match:
    """Decide for one record.

    `candidates`: clusters that share a key; `creates`: clusters with a create of ours in this system that
    was sent with one of these keys, or with this record's own id.
    """
    own = [cluster for cluster in creates if _ours(cluster, ext_id, keys, link.system)] if creates else []
    if own:
        return _of_own_create(own, link)
    if not candidates:
        return _NOBODY
    matched = [cluster for cluster in candidates if cluster.state != ClusterState.DEAD and same(keys, cluster.keys)]
    if not matched:
        return _NOBODY
    if len(matched) > 1 or matched[0].no_create:
        return Match(Verdict.AMBIGUOUS, matched[0])
    cluster = matched[0]
    if cluster.state == ClusterState.DELETING or _is_creating(cluster, link.system):
        return Match(Verdict.WAIT, cluster)
    if cluster.binding_in(link.system) is not None:
        return Match(Verdict.DUPLICATE, cluster)
    return Match(Verdict.BIND, cluster)


def _ours(cluster: Cluster, ext_id: str, keys: Sequence[MatchKey], system: str) -> bool:
    for attempt in cluster.attempts:
        if attempt.system == system and attempt.op == "create":
            if attempt.ext_id is not None:
                if attempt.ext_id == ext_id:
                    return True
            elif same(keys, attempt.body.keys):
                return True
    return False


def _is_creating(cluster: Cluster, system: str) -> bool:
    """A create is under way: its answer decides who has the place."""
    attempt = cluster.open_attempt(system)
    return attempt is not None and attempt.op == "create"


def _of_own_create(own: Sequence[Cluster], link: LinkRule) -> Match:
    """A record that one of our creates made is never a cluster of its own."""
    if len(own) > 1:
        return Match(Verdict.AMBIGUOUS, own[0], ours=True)
    cluster = own[0]
    if _is_creating(cluster, link.system):
        return Match(Verdict.WAIT, cluster)
    if cluster.state != ClusterState.LIVE or cluster.binding_in(link.system) is not None:
        return Match(Verdict.ORPHAN, cluster)
    return Match(Verdict.BIND, cluster, ours=True)
