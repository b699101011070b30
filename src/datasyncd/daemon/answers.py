"""Answers: what the running daemon says and does over the control socket."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from datasyncd import __version__
from datasyncd.adapters.contract import Concerned
from datasyncd.state import backup
from datasyncd.state.errors import StateError
from datasyncd.state.transaction import Tx

from . import drift
from .control.message import TRY_AGAIN, UNAVAILABLE, Failure
from .cycle import sync
from .engine import STATE_FILE
from .health import LATELY_S, Facts, LinkFacts, Problem, assess
from .review import commands, quarantine
from .review.refusal import Unable
from .review.terms import Terms

if TYPE_CHECKING:
    from .app import App

Handler = Callable[[dict[str, Any]], Awaitable[Any]]
USAGE = 64
COPY = ".copy-"
"""Between the name of the state and something random: a copy that a backup is made of."""


def handlers(app: App) -> dict[str, Handler]:
    """By the command's name."""
    out: dict[str, Handler] = {name: _command(app, name) for name in commands.COMMANDS}

    async def status(_arguments: dict[str, Any]) -> Any:
        return msgspec.to_builtins(assess(await facts(app)))

    async def synced(arguments: dict[str, Any]) -> Any:
        link, full = arguments.get("link"), bool(arguments.get("full"))
        if link is not None and link not in {worker.name for worker in app.workers.values()}:
            raise Failure(f'no link "{link}"', USAGE)
        result = await sync(app.engine, link=link, full=full, told=lambda key, *how: app.workers[key].told(*how))
        return {**msgspec.to_builtins(result), "exit_code": result.exit_code}

    async def backed_up(_arguments: dict[str, Any]) -> Any:
        """A copy of the state beside it, which the command takes away: it may write where the daemon may not."""
        folder = app.engine.config.home.state_dir
        try:
            return {"copy": str(await anyio.to_thread.run_sync(_copy, folder))}
        except OSError as error:
            raise Failure(str(error), UNAVAILABLE) from None

    return {
        name: _told(handler) for name, handler in {**out, "status": status, "sync": synced, "backup": backed_up}.items()
    }


def _told(handler: Handler) -> Handler:
    """Trouble with the state is told as what it is."""

    async def carry_out(arguments: dict[str, Any]) -> Any:
        try:
            return await handler(arguments)
        except StateError as error:
            raise Failure(str(error), TRY_AGAIN if error.passes else UNAVAILABLE) from None

    return carry_out


def _copy(folder: Path) -> Path:
    """On crash: the copy stays until a later backup finds it."""
    backup.clear(folder, f"{STATE_FILE}{COPY}")
    target = folder / f"{STATE_FILE}{COPY}{secrets.token_hex(8)}"
    backup.copy(folder / STATE_FILE, target)
    return target


def _command(app: App, name: str) -> Handler:
    async def carry_out(arguments: dict[str, Any]) -> Any:
        try:
            step = commands.step(name, arguments, terms_of(app))
            answer = await app.engine.store.transact(step)
        except Unable as refusal:
            raise Failure(refusal.text, refusal.exit_code) from None
        if name in commands.WRITES:
            app.wake()
        return answer

    return carry_out


def terms_of(app: App) -> Terms:
    """The words of the config that runs."""
    engine = app.engine
    return Terms.of(engine.config, engine.rules, engine.store.fingerprints)


async def facts(app: App) -> Facts:
    """What the daemon knows of itself now."""
    engine, terms = app.engine, terms_of(app)
    counted = await engine.store.transact(lambda tx: count(tx, terms))
    links = []
    for worker in app.workers.values():
        system, entity = worker.key
        pending, held = counted.pending.get(worker.key, (0, 0))
        oldest = counted.oldest.get(worker.key)
        runs, failed = worker.lately(LATELY_S)
        links.append(
            LinkFacts(
                system=system,
                entity=entity,
                state=worker.state.value,
                last_success=worker.last_success,
                expected_every_s=worker.expected_every_s,
                watched_s=(counted.at - worker.started_at) / 1_000_000,
                lag_s=max(0.0, (counted.at - oldest) / 1_000_000) if oldest is not None else 0.0,
                pending=pending - held,
                held=held,
                quarantined=counted.quarantined.get(worker.key, 0),
                failure_rate=worker.failure_rate,
                runs_lately=runs,
                failed_lately=failed,
                unread_s=worker.pull.failing_s(counted.at),
                unsent_s=worker.push.failing_s(counted.at),
                last_error=worker.last_error,
                next_run=app.next_run(worker),
                tries=counted.tries.get(worker.key, 0),
                waits_s=engine.waits.left_s(system),
            )
        )
    return Facts(
        at=counted.at,
        version=__version__,
        uptime_s=(counted.at - app.started_at) / 1_000_000,
        links=links,
        conflicts=counted.conflicts,
        outbox=sum(pending for pending, _held in counted.pending.values()),
        guards=counted.guards,
        crashes=dict(app.crashes),
        others=[*_others(app), *_drifts(counted)],
        systems={
            system: dict(figures)
            for system, adapter in engine.adapters.items()
            if isinstance(adapter, Concerned) and (figures := adapter.figures())
        },
    )


def _others(app: App) -> list[Problem]:
    out = []
    if app.engine.store.trouble:
        fix = "until it can be written nothing is sent; then it goes on by itself"
        out.append(Problem(severity="critical", code="state", link=None, text=app.engine.store.trouble, fix=fix))
    if app.not_listening is not None:
        fix = 'choose another address in [daemon] listen, or listen = ""'
        out.append(Problem(severity="warning", code="listen", link=None, text=app.not_listening, fix=fix))
    if app.refused_config:
        first, *more = app.refused_config
        text = f"the config was to be taken anew and is not valid, so the old one goes on: {first}"
        fix = "correct it (datasyncd check lists all), then reload again: systemctl reload datasyncd, or SIGHUP"
        text += f" (and {len(more)} more)" if more else ""
        out.append(Problem(severity="warning", code="config", link=None, text=text, fix=fix))
    for system, adapter in app.engine.adapters.items():
        if isinstance(adapter, Concerned):
            for text in adapter.concerns():
                text = f"{system}: {text}"
                out.append(Problem(severity="warning", code="system", link=None, text=text, fix="datasyncd check"))
    for entity in sorted(app.engine.unread):
        text = f"restored from a backup: until all sources of {entity} are read whole, only opt-outs are written"
        fix = "see which links fail; what cannot be read any more is taken out of the config"
        out.append(Problem(severity="warning", code="restored", link=None, text=text, fix=fix))
    return out


def _drifts(counted: Counted) -> list[Problem]:
    out = []
    for link, fields in sorted(counted.drifting.items()):
        text = f"most records no longer show {', '.join(fields)} in a form that can be read; writes of it wait"
        fix = "datasyncd conflicts; put it back there, or correct the link's map"
        out.append(Problem(severity="warning", code="schema_drift", link=link, text=text, fix=fix))
    return out


class Counted(msgspec.Struct):
    """What the state says, for `status`."""

    at: int
    pending: dict[tuple[str, str], tuple[int, int]]
    oldest: dict[tuple[str, str], int]
    tries: dict[tuple[str, str], int]
    quarantined: dict[tuple[str, str], int]
    conflicts: int
    guards: dict[str, int]
    drifting: dict[str, list[str]]
    """By link: fields that most of its records no longer show."""


def count(tx: Tx, terms: Terms) -> Counted:
    """In one transaction."""
    guards: dict[str, int] = {}
    for guard in tx.guards.all():
        name = f"{guard.system}.{guard.entity}"
        guards[name] = guards.get(name, 0) + 1
    oldest, tries = tx.outbox.oldest()
    return Counted(
        at=tx.at,
        pending=tx.outbox.pending(),
        oldest=oldest,
        tries=tries,
        quarantined=quarantine.waiting(tx, terms),
        conflicts=sum(n for (_kind, state), n in tx.records.report_counts().items() if state == "open"),
        guards=guards,
        drifting={
            f"{system}.{entity.name}": [name for name in map(terms.name, numbers) if name is not None]
            for entity in terms.rules.values()
            for system in entity.links
            if (numbers := sorted(drift.known(tx, system, entity.name).drifting))
        },
    )
