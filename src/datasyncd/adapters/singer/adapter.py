"""The adapter of Singer: a tap, and perhaps a target that writes where the tap reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from datasyncd.adapters.connector.adapter import ConnectorAdapter, Seconds
from datasyncd.adapters.connector.program import Program, secrets_in
from datasyncd.adapters.contract import Capabilities, Column, Context, Key, Outcome, Write
from datasyncd.adapters.registry import AdapterKind, manifest_of

from .tap import Tap
from .target import Push, Target

LATE_S = 300.0
"""Longest time after which what a target has sent can still take effect."""


class SingerOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of a system with `adapter = "singer"`."""

    tap: Annotated[list[str], msgspec.Meta(min_length=1, examples=[["/opt/connectors/bin/tap-postgres"]])]
    """The command that runs the tap: its words."""
    settings: dict[str, Any] = {}
    """What the tap is configured with (its `--config`): a table, in which any text can be a credential."""
    target: Annotated[list[str], msgspec.Meta(min_length=1)] | None = None
    """The command that runs a target, which writes where the tap reads; without one, the system is only read."""
    target_settings: dict[str, Any] = {}
    """What the target is configured with."""
    target_streams: dict[str, str] = {}
    """Stream of the tap = its name for the target, where that is another one: { "public-people" = "people" }."""
    environ: dict[str, str] = {}
    """Variables of their environment; they get none of ours but where programs and homes are."""
    silence_s: Seconds = 600.0
    """For how long they may say nothing: then they are ended, and run again later."""

    def __repr__(self) -> str:
        return "SingerOptions(...)"


class SingerAdapter(ConnectorAdapter):
    """Streams of one tap."""

    what = "a tap"

    def __init__(self, context: Context, options: SingerOptions) -> None:
        secrets = [*secrets_in(options.settings), *secrets_in(options.target_settings), *options.environ.values()]
        self._options = options
        self._target: Target | None = None

        def program(command: Sequence[str]) -> Program:
            place = f"{context.system}: {command[0].rpartition('/')[2]}"
            return Program(place, command, options.environ, secrets, options.silence_s)

        super().__init__(context, Tap(program(options.tap), options.settings))
        if options.target is not None:
            self._target = Target(program(options.target), options.target_settings)

    def capabilities(self, object: str) -> Capabilities:
        """A target takes whole records, and refuses none that is stale."""
        plain = super().capabilities(object)
        if self._target is None:
            return plain
        return msgspec.structs.replace(
            plain, read_only=False, whole_record=True, late_s=LATE_S, last_look="the target is run", batch=1000
        )

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Read all with the tap, then give the records to the target, whole."""
        if self._target is None:
            return await super().push(object, writes)
        if not writes:
            return []
        keys: set[Key] = {write.key for write in writes if write.key is not None}
        held = {key: row.fields async for key, row in self._among(object, None) if key in keys}
        name = self._options.target_streams.get(object, object)
        push = Push(self._target, await self._stream(object), name, self._spec(object), held)
        return await push.run(writes)

    async def aclose(self) -> None:
        """End all processes that run."""
        await super().aclose()
        if self._target is not None:
            await self._target.aclose()

    def _column(self, name: str) -> Column:
        return super()._column(name) if self._target is None else Column(name, "json")


KIND = AdapterKind(
    name="singer",
    options=SingerOptions,
    open=SingerAdapter,
    text_only=False,
    manifest=manifest_of(__package__),
)
