"""Session: calls of one user to one database of a server, and what an answer means for whoever called."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import anyio
import msgspec
from yarl import URL

from datasyncd.adapters.errors import AdapterError, NotFound, Throttled, Transient, Unauthorised, Unsupported
from datasyncd.adapters.http.client import LARGEST, Answer, Client, Lost, TooLarge
from datasyncd.adapters.http.patience import wait_s

OK, NO_LOGIN, TOO_MUCH = 200, 401, 413
_NOT_KNOWN_IF_DONE = frozenset({500, 502, 504, 408, 520, 522, 524})
"""Answers to a write that do not say whether it was made."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Refused(Exception):
    """The server did not carry out a call, and will not if it is made again; `said` may quote values of records."""

    def __init__(self, said: str) -> None:
        super().__init__("the server refused it")
        self.said = said


class Changed(Exception):
    """The server did not carry out a call: a record has another timestamp than the call expects."""


class Unsure(Exception):
    """It is not known whether a call had an effect."""


class Session:
    """One user's session, begun at the first call, and once more when the server has forgotten it."""

    def __init__(
        self, client: Client, url: URL, database: str, user: str, password: str, now_us: Callable[[], int]
    ) -> None:
        self.place = client.place
        self._client = client
        self._url = url.join(URL(f"{quote(database, safe='')}/rpc/", encoded=True))
        self._database = database
        self._user = user
        self._password = password
        self._now_us = now_us
        self._token: str | None = None
        self._context: dict[str, Any] = {}
        self._logging_in = anyio.Lock()

    async def ask(self, model: str, method: str, *words: Any, **context: Any) -> Any:
        """Call a method that changes nothing. Raises `Unauthorised` if it is refused."""
        try:
            return await self._call(f"model.{model}.{method}", words, context, asks=True)
        except (Refused, Changed):
            raise Unauthorised(
                f"{self.place}: {self._user} may not read {model}: see the access rights of the user's groups to this"
                " model, and to the models of the fields that are mapped"
            ) from None
        except Unsure as error:
            raise Transient(f"{self.place}: {error}; it is tried again") from None

    async def tell(self, model: str, method: str, *words: Any, **context: Any) -> Any:
        """Call a method that changes something, once. Raises `Refused`, `Changed`, `Unsure`."""
        return await self._call(f"model.{model}.{method}", words, context, asks=False)

    async def _call(self, method: str, words: Sequence[Any], context: Mapping[str, Any], *, asks: bool) -> Any:
        token = await self._logged_in(None)
        answer = await self._send(method, [*words, {**self._context, **context}], token, asks=asks)
        if answer.status == NO_LOGIN:  # it was not carried out
            token = await self._logged_in(token)
            answer = await self._send(method, [*words, {**self._context, **context}], token, asks=asks)
        return self._result(answer)

    async def _logged_in(self, forgotten: str | None) -> str:
        """The token of the session; a new one if the server has forgotten this one."""
        async with self._logging_in:
            if self._token is None or self._token == forgotten:
                self._token = await self._login()
                known = self._result(
                    await self._send("model.res.user.get_preferences", [True, {}], self._token, asks=True)
                )
                self._context = dict(known) if isinstance(known, dict) else {}
            return self._token

    async def _login(self) -> str:
        parameters = [self._user, {"password": self._password}, "en"]
        try:
            answer = await self._send("common.db.login", parameters, None, asks=True)
            said = self._result(answer)
            user, session = said[0], said[1]
        except (Refused, TypeError, LookupError):
            raise Unauthorised(
                f"{self.place}: the server asks for more than a password from {self._user}: see its `authentications`"
            ) from None
        except Unsure as error:
            raise Transient(f"{self.place}: {error}; it is tried again") from None
        return b64encode(f"{self._user}:{user}:{session}".encode()).decode()

    async def _send(self, method: str, words: Sequence[Any], token: str | None, *, asks: bool) -> Answer:
        body = _encode({"id": 1, "method": method, "params": words})
        headers = {"Content-Type": "application/json", **({"Authorization": f"Session {token}"} if token else {})}
        try:
            return await self._client.send("POST", self._url, body, headers, asks=asks)
        except Lost as error:
            raise Unsure(f"the connection was lost ({error})") from None
        except TooLarge:
            if asks:
                raise Unsupported(f"{self.place}: the server's answer has more than {LARGEST >> 20} MB") from None
            raise Unsure("the answer is too large") from None

    def _result(self, answer: Answer) -> Any:
        if answer.status == TOO_MUCH:
            raise Refused("")
        if answer.status in _NOT_KNOWN_IF_DONE:
            raise Unsure(f"the server failed (status {answer.status})")
        if answer.status != OK:
            raise self._trouble(answer)
        try:
            said = _decode(answer.body)
            if "error" not in said:
                return said["result"]
            kind, rest = said["error"][0], said["error"][1:]
        except (ValueError, TypeError, LookupError):
            raise Unsure("the server's answer is not the JSON that it should be") from None
        match kind:
            case "ConcurrencyException":
                raise Changed
            case "UserError" | "UserWarning" | "LoginException":
                texts = rest[0] if rest and isinstance(rest[0], list) else [""]
                raise Refused(str(texts[1 if kind == "UserWarning" else 0]))
        raise Unsure("the server failed; its log tells why")

    def _trouble(self, answer: Answer) -> AdapterError:
        match answer.status:
            case 401:
                return Unauthorised(f"{self.place}: the server does not let {self._user} in; see `user` and `password`")
            case 403:
                return Unauthorised(f"{self.place}: the server does not allow {self._user} to call this")
            case 404:
                return NotFound(f"{self.place}: there is no database {self._database!r}; see `url` and `database`")
            case 301 | 302 | 303 | 307 | 308:
                return NotFound(f"{self.place}: the server says that it is elsewhere; see `url`")
            case 429 | 503:
                wait = wait_s(answer, self._now_us())
                return Throttled(f"{self.place}: the server asks to wait (status {answer.status})", wait)
            case status if status >= 500:
                return Transient(f"{self.place}: the server failed (status {status}); its log may tell why")
        return Unsupported(f"{self.place}: the server does not take the call (status {answer.status}); see `url`")
