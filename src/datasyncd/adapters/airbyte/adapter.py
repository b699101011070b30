"""The adapter of Airbyte sources."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from datasyncd.adapters.connector.adapter import ConnectorAdapter, Seconds
from datasyncd.adapters.connector.program import Program, secrets_in
from datasyncd.adapters.contract import Context, Schema
from datasyncd.adapters.registry import AdapterKind, manifest_of

from .connector import Connector


class AirbyteOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of a system with `adapter = "airbyte"`."""

    source: Annotated[list[str], msgspec.Meta(min_length=1, examples=[["/opt/connectors/bin/source-faker"]])]
    """The command that runs the connector: its words."""
    settings: dict[str, Any] = {}
    """What the connector is configured with (its `--config`): a table, in which any text can be a credential."""
    environ: dict[str, str] = {}
    """Variables of the connector's environment; it gets none of ours but where programs and homes are."""
    silence_s: Seconds = 600.0
    """For how long the connector may say nothing: then it is ended, and run again later."""

    def __repr__(self) -> str:
        return "AirbyteOptions(...)"


class AirbyteAdapter(ConnectorAdapter):
    """Streams of one source."""

    what = "an Airbyte source"

    def __init__(self, context: Context, options: AirbyteOptions) -> None:
        secrets = [*secrets_in(options.settings), *options.environ.values()]
        place = f"{context.system}: {options.source[0].rpartition('/')[2]}"
        program = Program(place, options.source, options.environ, secrets, options.silence_s)
        self._connector = Connector(program, options.settings)
        super().__init__(context, self._connector)

    async def describe(self, object: str) -> Schema:
        """The fields of the stream, once the source says that it gets through to its system."""
        await self._connector.check()
        return await super().describe(object)


KIND = AdapterKind(
    name="airbyte",
    options=AirbyteOptions,
    open=AirbyteAdapter,
    text_only=False,
    manifest=manifest_of(__package__),
)
