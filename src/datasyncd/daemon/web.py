"""Web: what the daemon serves over HTTP. Now: `/healthz`, for load balancers and watchers.

It says no more than `status` says in a word; it holds no personal data. Console, webhooks, events and metrics have
no routes yet.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
import structlog
from aiohttp import web

from .health import Status

log = structlog.get_logger()

LARGEST_REQUEST = 65_536
"""Bytes of a request's body."""


@asynccontextmanager
async def serving(listen: tuple[str, int] | None, status: Callable[[], Awaitable[Status]]) -> AsyncIterator[str | None]:
    """Listen as long as the context lasts; yields why that was not possible, or None.

    An address that is taken does not stop the daemon: `status` says so.
    """
    if listen is None:
        yield None
        return

    async def healthz(_request: web.Request) -> web.Response:
        found = await status()
        body = {"health": found.health, "version": found.version, "problems": [p.code for p in found.problems]}
        code = 503 if found.health == "critical" else 200
        return web.Response(body=orjson.dumps(body), status=code, content_type="application/json")

    app = web.Application(client_max_size=LARGEST_REQUEST)
    app.router.add_get("/healthz", healthz)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    host, port = listen
    trouble = None
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        trouble = f"cannot listen on {host}:{port}: {error.strerror or error}"
        log.warning("not_listening", address=f"{host}:{port}", reason=error.strerror)
    try:
        yield trouble
    finally:
        await runner.cleanup()
