"""Engine: a config brought to life: state, rules, adapters and links.

A link whose system cannot be reached is *detached*: its edits wait in the outbox, and attaching is tried
again before each of its cycles. The others go on.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from functools import partial
from hashlib import blake2b

import anyio
import msgspec

from datasyncd.adapters.contract import Adapter, Context, Moment
from datasyncd.adapters.errors import AdapterError, NotFound, Unreachable, Unsupported
from datasyncd.adapters.registry import AdapterKind
from datasyncd.adapters.translate import Translation, match_text
from datasyncd.reconcile.effects import Effects
from datasyncd.reconcile.finish import finish
from datasyncd.reconcile.rules import EntityRule, FieldNumber, LinkRule, Value
from datasyncd.state.store import SqliteStore, Store
from datasyncd.state.transaction import Tx

from . import restored
from .clock import Clock
from .config.compile import compile_rules, mapped_fields, objects_of
from .config.load import Config
from .link import Link
from .oversight import Oversight
from .throttle import Obedient, Waits
from .unfinished import doubt

STATE_FILE = "state.db"
RESCAN_BATCH = 1_000
DEFAULT_SWEEP_US = 86_400_000_000
"""How often a link that pulls by a cursor is read whole, where the config does not say."""


class Engine:
    """All that a running daemon or a command works with."""

    def __init__(self, config: Config, store: Store, clock: Clock) -> None:
        self.config = config
        self.store = store
        self.clock = clock
        self.rules: dict[str, EntityRule] = {}
        self.adapters: dict[str, Adapter] = {}
        self.waits = Waits(clock.now)
        self.links: dict[tuple[str, str], Link] = {}
        """Attached links by system and entity, in the order of the config."""
        self.detached: dict[tuple[str, str], AdapterError] = {}
        self.stopping = False
        """What is under way ends with its page or batch, and nothing new begins."""
        self.oversight: Oversight | None = None
        """Who looks at each write of this run."""
        self._wrap: Callable[[str, Adapter], Adapter] = lambda _system, adapter: adapter
        self._looks = False
        """The state is a copy, and forgotten at the end."""
        self.unread: set[str] = set()
        """Entities that were not read whole since the state was restored from a backup."""
        self._turns: dict[tuple[str, str], anyio.Lock] = {}
        self._kinds: dict[str, AdapterKind] = {}
        self._numbers: dict[tuple[str, str], FieldNumber] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, config: Config, command: str, *, attach: bool = True) -> AsyncIterator[Engine]:
        """Open state and adapters; systems that cannot be reached leave their links detached.

        `attach` False: for what needs the state alone.

        Raises `StateError`.
        """
        clock = Clock()
        store = await SqliteStore.open(config.home.state_dir / STATE_FILE, clock.now)
        async with cls.over(store, config, clock, command, attach=attach) as engine:
            yield engine

    @classmethod
    @contextlib.asynccontextmanager
    async def open_copy(
        cls, config: Config, command: str, wrap: Callable[[str, Adapter], Adapter]
    ) -> AsyncIterator[Engine]:
        """The same over a copy of the state, with every system behind what `wrap` makes of its name and adapter.

        Raises `StateError`.
        """
        clock = Clock()
        store = await SqliteStore.open_copy(config.home.state_dir / STATE_FILE, clock.now)
        async with cls.over(store, config, clock, command, wrap=wrap, looks=True) as engine:
            yield engine

    @classmethod
    @contextlib.asynccontextmanager
    async def over(
        cls,
        store: SqliteStore,
        config: Config,
        clock: Clock,
        command: str,
        *,
        attach: bool = True,
        wrap: Callable[[str, Adapter], Adapter] = lambda _system, adapter: adapter,
        looks: bool = False,
    ) -> AsyncIterator[Engine]:
        """Work over a store that is open, and close it at the end."""
        tune_memory()
        clock.start_after(store.clock)
        engine = cls(config, store, clock)
        engine._wrap, engine._looks = wrap, looks
        try:
            await engine.start(command)
            if attach:
                await engine.attach()
            yield engine
        finally:
            await engine.close_adapters()
            await store.aclose()

    async def close_adapters(self) -> None:
        """Free what the systems hold for us; may be called twice."""
        for adapter in self.adapters.values():
            with contextlib.suppress(AdapterError):
                await adapter.aclose()

    def turn(self, what: str, link: Link) -> anyio.Lock:
        """Pulls of one link never overlap, and neither do its pushes, whoever asks for them."""
        return self._turns.setdefault((what, link.name), anyio.Lock())

    def begin(self) -> Moment:
        """The moment at which a reading begins."""
        return Moment(self.store.sequence, self.clock.now())

    async def start(self, command: str) -> None:
        """Number the fields, compile the rules, and take up what a crash left behind."""
        config = self.config
        names = [(entity, name) for entity, known in config.entities.items() for name in known.registers]

        def step(tx: Tx) -> dict[tuple[str, str], FieldNumber]:
            recover(tx)
            _end_guards(tx, {(system, entity) for system, links in config.links.items() for entity in links})
            self.unread = restored.marked(tx) & config.entities.keys()
            return {name: tx.field_number(*name) for name in names}

        self.store.announce(command, config.digest)
        self._numbers = await self.store.transact(step)
        self._open_adapters()
        promised = {
            (system, entity): msgspec.structs.replace(self.adapters[system].capabilities(link.object), assigns_key=True)
            for system, links in config.links.items()
            for entity, link in links.items()
        }
        self.rules = compile_rules(config, lambda entity, field: self._numbers[entity, field], promised)
        for name, rule in self.rules.items():
            self.rules[name] = msgspec.structs.replace(rule, match_text=match_text, links=dict(rule.links))
        self.detached = {key: NotFound(f"{key[0]}: not looked at yet") for key in promised}

    def _open_adapters(self) -> None:
        for name, system in self.config.systems.items():
            kind = self._kinds[name] = system.adapter
            context = Context(name, system.base, self.begin, objects_of(self.config, name), self._looks)
            self.adapters[name] = self._wrap(name, Obedient(name, kind.open(context, system.options), self.waits))

    async def attach(self) -> None:
        """Look at the systems of all detached links, and bring their clusters up to date with their rules."""
        for key in list(self.detached):
            await self.attach_one(key)
        if not self.detached:
            await self.rescan_changed()

    async def attach_one(self, key: tuple[str, str]) -> Link | None:
        """Attach one link, if its system answers and its map fits; None: the reason is in `detached`."""
        system, entity = key
        link = self.config.links[system][entity]
        adapter = self.adapters[system]
        try:
            schema = await adapter.describe(link.object)
            if schema.absent:
                await self.store.transact(partial(_refuse_vanished, system=system, object=link.object))
            fields = mapped_fields(self.config, system, entity, lambda e, f: self._numbers[e, f])
            translation = Translation(fields, schema, edited_at=link.edited_at, text_only=self._kinds[system].text_only)
            problems = translation.problems()
            if problems:
                raise NotFound(f"{system}: {'; '.join(problems)}")
        except AdapterError as error:
            await self.detach(key, error)
            return None
        rules = self.rules[entity]
        exact = all(translation.identity(field.number) for field in fields)
        rule = msgspec.structs.replace(
            rules.links[system],
            assigns_key=schema.key_assigned,
            stored=None if exact else _stored(translation),
        )
        _links(rules)[system] = rule
        spec = objects_of(self.config, system)[link.object]
        attached = self.links[key] = Link(rule, rules, adapter, translation, spec)
        attached.wants_full = await self.store.transact(partial(sweep_is_due, link=attached, sweep=link.sweep))
        self.detached.pop(key, None)
        order = [(s, e) for s, known in self.config.links.items() for e in known]
        self.links = {known: self.links[known] for known in order if known in self.links}
        await self.store.transact(lambda tx: tx.outbox.retry(system, entity, tx.at))
        return self.links[key]

    async def detach(self, key: tuple[str, str], error: AdapterError) -> None:
        """Look at the system of a link anew before its next cycle; `error` is why.

        If its object is not what it was, or cannot be followed, increments may miss something: it is read whole then.
        """
        self.links.pop(key, None)
        self.detached[key] = error
        if isinstance(error, NotFound | Unsupported):
            system, entity = key
            object = self.config.links[system][entity].object
            await self.store.transact(lambda tx: tx.readings.forget(system, object))

    async def rescan_changed(self) -> None:
        """When the rules of an entity are not what they were at the last run: see anew what each cluster is owed."""
        for name, rules in self.rules.items():
            digest = _rules_digest(rules)
            meta = f"rules:{name}"
            if await self.store.transact(partial(Tx.meta, name=meta)) == digest:
                continue
            await self.store.transact(partial(_read_anew, rules=rules))
            for (_system, entity), link in self.links.items():
                link.wants_full = link.wants_full or entity == name
            after = 0
            while after := await self.store.transact(partial(_rescan, store=self.store, rules=rules, after=after)):
                pass
            await self.store.transact(partial(Tx.set_meta, name=meta, value=digest))


def _end_guards(tx: Tx, links: Collection[tuple[str, str]]) -> None:
    """What a link held that the config no longer has waits for nobody."""
    for known in tx.guards.all():
        if (known.system, known.entity) not in links:
            tx.guards.set_state(known.id, "over")
            for system, entity in links:
                if entity == known.entity:
                    tx.outbox.wake(system, entity, tx.at)


def _refuse_vanished(tx: Tx, system: str, object: str) -> None:
    """What is not there and is to be made was never there. Raises `Unreachable` if records of it are known."""
    known = tx.clusters.bound(system, object)
    if known:
        raise Unreachable(
            f"{system}: {object} is gone, and {known} of its records are known: put it back; "
            "put an empty one there if they are all deleted, and it is held for you to approve"
        )


def sweep_is_due(tx: Tx, link: Link, sweep: int | None = None) -> bool:
    """Whether a link that can be asked for changes alone is to be read whole all the same."""
    cursor = tx.readings.cursor(link.system, link.object)
    if not link.capabilities.incremental or cursor.position is None:
        return True
    if tx.clusters.creating(link.system, link.rule.entity):
        # Only a complete pull ends a create of unknown outcome.
        return True
    if tx.guards.keeps(link.system, link.rule.entity) or tx.clusters.suspects(link.system, link.object):
        # What a guard holds was told once; and only a complete pull says whether what was not found is gone.
        return True
    return tx.at - cursor.last_complete_pull_at >= (sweep if sweep is not None else DEFAULT_SWEEP_US)


def _read_anew(tx: Tx, rules: EntityRule) -> None:
    """A row may mean something else now: unchanged ones, too, are read once."""
    for system, link in rules.links.items():
        tx.readings.forget(system, link.object)


def tune_memory() -> None:
    """What is loaded at the start lives for ever, and batches hold no cycles: look for garbage less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(250_000, 20, 20)


def recover(tx: Tx) -> int:
    """What a crash left `open` is of unknown outcome: its records are read before anything else happens. What the
    run before left out is due again.

    Returns how many writes are of unknown outcome because of it.
    """
    tx.outbox.take_back(tx.at)
    return doubt(tx, tx.clusters.with_open_attempts())


def _rescan(tx: Tx, store: Store, rules: EntityRule, after: int) -> int:
    """One batch of clusters; returns the last id, or 0 at the end."""
    ids = tx.clusters.ids(rules.name, after, RESCAN_BATCH)
    effects: Effects = tx.effects("config")
    clusters = tx.clusters.load(ids)
    for cluster in clusters.values():
        cluster.rescan = True
        finish(cluster, rules, store.fingerprints, effects)
    tx.clusters.save(clusters.values(), tx.stamp)
    tx.records.write(effects, tx.run)
    return ids[-1] if ids else 0


def _stored(translation: Translation) -> Callable[[FieldNumber, Value], Value]:
    def stored(number: FieldNumber, value: Value) -> Value:
        return translation.stored(number, value)

    return stored


def _links(rules: EntityRule) -> dict[str, LinkRule]:
    links: Mapping[str, LinkRule] = rules.links
    assert isinstance(links, dict)
    return links


def _rules_digest(rules: EntityRule) -> bytes:
    """Eight bytes that change when other systems, fields or conditions may be owed something."""
    parts = [
        rules.name,
        [(system, link.mapping_digest, link.opt_in, link.assigns_key) for system, link in rules.links.items()],
        [(f.number, f.policy, f.authority, f.authorised, f.members, f.derive) for f in rules.fields.values()],
        rules.on_delete,
        rules.identify,
    ]
    return blake2b(msgspec.msgpack.encode(parts), digest_size=8).digest()
