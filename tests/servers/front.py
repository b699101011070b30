"""A front: an HTTP server before a real one, which passes everything on but what a test wants otherwise."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import aiohttp
from aiohttp import web

Rule: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
"""What is answered in place of the server; None: what the server answers."""

_PASSED = ("authorization", "content-type", "depth", "if-match", "if-none-match", "accept")


class Front:
    """One front."""

    def __init__(self, behind: str) -> None:
        """`behind`: the real server's address."""
        self._behind = behind
        self._session: aiohttp.ClientSession | None = None
        self.url = ""
        self.asked: list[tuple[str, str]] = []
        """Method and path of each request."""
        self.rule: Rule = _nothing

    async def passed_on(self, request: web.Request) -> web.Response:
        """What the real server answers."""
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() in _PASSED}
        url = self._behind + request.raw_path
        async with self._session.request(
            request.method, url, data=await request.read(), headers=headers, allow_redirects=False
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() in ("etag", "location")}
            body = await answer.read()
            return web.Response(status=answer.status, body=body, headers=kept, content_type=answer.content_type)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path))
        return await self.rule(request) or await self.passed_on(request)


async def _nothing(_request: web.Request) -> None:
    return None


@asynccontextmanager
async def fronting(behind: str, path: str, encrypted: ssl.SSLContext | None = None) -> AsyncIterator[Front]:
    """A front of a server, on a free port of this machine; `path`: what its `url` ends with."""
    front = Front(behind)
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{tail:.*}", front._answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    async with aiohttp.ClientSession() as session:
        front._session = session
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=encrypted)
            await site.start()
            host, port = runner.addresses[0][:2]
            front.url = f"{'https' if encrypted else 'http'}://{host}:{port}{path}"
            yield front
        finally:
            await runner.cleanup()
