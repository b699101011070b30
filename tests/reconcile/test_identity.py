"""Identity: the most trusted key that both have decides whether two records are the same person."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datasyncd.reconcile.cluster import Attempt, AttemptBody, AttemptStatus, Binding, BindingBody, Cluster, ClusterBody
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.identity import MatchKey, Verdict, identify, keys_of, keys_of_values, same
from datasyncd.reconcile.register import Reg, Sib
from datasyncd.reconcile.rules import EntityRule, FieldRule, LinkRule, Policy

FP = Fingerprinter(b"of this test")
LINK = LinkRule(
    system="crm", entity="contact", object="people", rank=0,
    fields=frozenset({1, 2, 3, 4}), pulls=frozenset({1, 2, 3, 4}), pushes=frozenset({1, 2, 3, 4}),
)  # fmt: skip
ENTITY = EntityRule(
    name="contact",
    fields={n: FieldRule(number=n, name=f"f{n}", type="text", policy=Policy.LATEST) for n in (1, 2, 3, 4)},
    identify=((1,), (2,), (3, 4)),
    links={"crm": LINK},
)

keys = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([b"a", b"b", b"c"])), max_size=4)


def known(id: int, state: str = "live", no_create: bool = False, *, bound: bool = False, **values: str) -> Cluster:
    regs = {int(name[1:]): Reg([Sib(0, 1, value)], {0: 1}) for name, value in values.items()}
    cluster = Cluster(id, "contact", ClusterBody(regs, [(0, id)]), state=state, no_create=no_create)
    cluster.keys = keys_of(cluster, ENTITY, FP)
    if bound:
        cluster.bindings = [Binding(100 + id, id, "crm", "people", f"r{id}", BindingBody({}))]
    return cluster


def record(**values: str | None) -> list[MatchKey]:
    return keys_of_values({int(name[1:]): value for name, value in values.items()}, ENTITY, FP)


@given(keys, keys)
def test_to_be_the_same_goes_both_ways(a: list[MatchKey], b: list[MatchKey]) -> None:
    assert same(a, b) == same(b, a)


@given(keys)
def test_everybody_with_a_key_is_the_same_as_themselves(a: list[MatchKey]) -> None:
    assert same(a, a) == bool(a)


@given(keys, keys)
def test_the_most_trusted_key_that_both_have_decides(a: list[MatchKey], b: list[MatchKey]) -> None:
    """F55: a shared phone never makes one person of two who have different addresses."""
    shared = sorted({kind for kind, _ in a} & {kind for kind, _ in b})
    decides = shared[0] if shared else None

    assert same(a, b) == any(k == decides and (k, digest) in b for k, digest in a)


def test_a_blank_is_no_key() -> None:
    assert record(f1=None, f2="") == []
    assert record(f3="x", f4=None) == []
    assert [kind for kind, _ in record(f1="a", f3="x", f4="y")] == [0, 2]


def test_keys_compare_in_their_normal_form() -> None:
    """F52: letter case is no difference."""
    assert record(f2="Ann@Example.org") == record(f2="ann@example.org")


def test_kinds_and_entities_do_not_mix() -> None:
    assert record(f1="a")[0][1] != record(f2="a")[0][1]
    assert FP.match("contact", 0, ["a"]) != FP.match("company", 0, ["a"])
    assert FP.match("contact", 2, ["ab", "c"]) != FP.match("contact", 2, ["a", "bc"])


def test_a_cluster_has_the_keys_of_all_its_siblings() -> None:
    cluster = known(1, f2="old", f3="x")
    cluster.regs[2] = Reg([Sib(0, 1, "old"), Sib(1, 1, "new")], {0: 1, 1: 1})
    cluster.regs[4] = Reg([Sib(0, 1, "y"), Sib(1, 1, "z")], {0: 1, 1: 1})

    found = keys_of(cluster, ENTITY, FP)

    assert found == {
        *record(f2="old"), *record(f2="new"), *record(f3="x", f4="y"), *record(f3="x", f4="z"),
    }  # fmt: skip


def verdict(keys: list[MatchKey], *clusters: Cluster, creates: tuple[Cluster, ...] = (), ext_id: str = "r9") -> Verdict:
    return identify(ext_id, keys, clusters, creates, LINK).verdict


def test_nobody_like_it_is_somebody_new() -> None:
    assert verdict(record(f1="a")) is Verdict.FOUND
    assert verdict(record(f1="a", f2="x"), known(1, f1="b", f2="x")) is Verdict.FOUND


def test_a_free_place_is_taken_and_a_taken_one_makes_a_duplicate() -> None:
    assert verdict(record(f1="a"), known(1, f1="a")) is Verdict.BIND
    assert verdict(record(f1="a"), known(1, f1="a", bound=True)) is Verdict.DUPLICATE


def test_several_or_one_that_was_told_apart_is_ambiguous() -> None:
    assert verdict(record(f1="a", f2="x"), known(1, f1="a"), known(2, f2="x")) is Verdict.AMBIGUOUS
    assert verdict(record(f1="a"), known(1, no_create=True, f1="a")) is Verdict.AMBIGUOUS


def test_the_dead_are_never_matched_and_the_dying_are_waited_for() -> None:
    assert verdict(record(f1="a"), known(1, state="dead", f1="a")) is Verdict.FOUND
    assert verdict(record(f1="a"), known(1, state="deleting", f1="a")) is Verdict.WAIT


def creating(cluster: Cluster, status: str, keys: list[MatchKey], ext_id: str | None = None) -> Cluster:
    cluster.attempts = [
        Attempt(7, cluster.id, "crm", "create", AttemptBody({}, keys=keys), ext_id=ext_id, status=status)
    ]  # fmt: skip
    return cluster


def test_our_own_create_is_known_by_what_was_sent() -> None:
    """F49: not by the key that the person has by now."""
    cluster = creating(known(1, f2="new"), AttemptStatus.UNKNOWN, record(f2="sent"))

    assert identify("r9", record(f2="sent"), [], [cluster], LINK).ours
    assert verdict(record(f2="sent"), creates=(cluster,)) is Verdict.BIND
    assert verdict(record(f2="new"), creates=(cluster,)) is Verdict.FOUND


def test_our_own_create_is_known_by_the_key_that_we_chose() -> None:
    cluster = creating(known(1, f2="new"), AttemptStatus.UNKNOWN, record(f2="sent"), ext_id="ours")

    assert verdict(record(f2="other"), creates=(cluster,), ext_id="ours") is Verdict.BIND
    assert verdict(record(f2="sent"), creates=(cluster,), ext_id="theirs") is Verdict.FOUND


def test_a_create_under_way_is_waited_for() -> None:
    cluster = creating(known(1, f2="x"), AttemptStatus.OPEN, record(f2="x"))

    assert verdict(record(f2="x"), cluster, creates=(cluster,)) is Verdict.WAIT


def test_what_we_made_too_late_is_an_orphan() -> None:
    for cluster in (known(1, state="dead", f2="x"), known(1, state="deleting", f2="x"), known(1, f2="x", bound=True)):
        assert (
            verdict(record(f2="x"), creates=(creating(cluster, AttemptStatus.UNKNOWN, record(f2="x")),))
            is Verdict.ORPHAN
        )
