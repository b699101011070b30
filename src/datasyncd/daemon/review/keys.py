"""Keys: finding a record by what a person knows of it.

A KEY is any identify value (the parts of a compound one joined by commas), `SYSTEM:ID` for a record's own id,
or our id, as a number or as `#` and the number.
"""

from __future__ import annotations

from collections.abc import Iterator

from datasyncd.reconcile.cluster import Cluster, ClusterState
from datasyncd.reconcile.rules import EntityRule, FieldNumber, Value
from datasyncd.state.transaction import Tx

from .refusal import Misused
from .terms import Terms


def clusters_named(tx: Tx, terms: Terms, entity: EntityRule, key: str) -> list[Cluster]:
    """All clusters of an entity that a KEY names: those that live, else those that are dead. By id."""
    found = _by_record(tx, entity, key) or _by_value(tx, terms, entity, key) or _by_id(key)
    loaded = [cluster for cluster in tx.clusters.load(found).values() if cluster.entity == entity.name]
    return [cluster for cluster in loaded if cluster.state != ClusterState.DEAD] or loaded


def cluster_named(tx: Tx, terms: Terms, entity: EntityRule, key: str) -> Cluster:
    """The one cluster that a KEY names. Raises `Misused` where there is none, or more than one."""
    found = clusters_named(tx, terms, entity, key)
    if len(found) == 1:
        return found[0]
    if not found:
        ways = "an identify value, SYSTEM:ID or our id"
        raise Misused(f'no {entity.name} "{key}"; expected {ways}')
    names = ", ".join(f"#{cluster.id} ({_records(cluster)})" for cluster in found)
    raise Misused(f'{len(found)} records of {entity.name} have "{key}"; name one by our id: {names}')


def _records(cluster: Cluster) -> str:
    return " ".join(f"{binding.system}:{binding.ext_id}" for binding in cluster.live()) or "no live record"


def _by_record(tx: Tx, entity: EntityRule, key: str) -> list[int]:
    system, separator, ext_id = key.partition(":")
    link = entity.links.get(system)
    if not separator or link is None:
        return []
    found = tx.cluster_of(system, link.object, ext_id)
    return [] if found is None else [found]


def _by_value(tx: Tx, terms: Terms, entity: EntityRule, key: str) -> list[int]:
    digests = [terms.fp.match(entity.name, kind, texts) for kind, texts in _texts(terms, entity, key)]
    matching = tx.clusters.matching(digests)
    for digest in digests:
        if digest in matching:
            return sorted(matching[digest])
    return []


def _texts(terms: Terms, entity: EntityRule, key: str) -> Iterator[tuple[int, list[str]]]:
    """The key as each kind of match key, most trusted first; where it cannot be one, it is left out."""
    for kind, numbers in enumerate(entity.identify):
        parts = [key] if len(numbers) == 1 else key.split(",")
        if len(parts) != len(numbers):
            continue
        values = [_parsed(terms, entity, number, part) for number, part in zip(numbers, parts, strict=True)]
        if all(value is not None for value in values):
            yield (
                kind,
                [
                    entity.match_text(entity.fields[number].type, value)
                    for number, value in zip(numbers, values, strict=True)
                ],
            )


def _parsed(terms: Terms, entity: EntityRule, number: FieldNumber, text: str) -> Value:
    try:
        return terms.parse(entity.fields[number], text)
    except Misused:
        return None


def _by_id(key: str) -> list[int]:
    number = key.removeprefix("#")
    return [int(number)] if number.isascii() and number.isdigit() and len(number) < 19 else []
