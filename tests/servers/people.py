"""People served over HTTP: a small service with pages, for a connector that asks it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 200
KEY = "secret key of people"


class People:
    """The rows, by key; who changes them holds the lock."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.lock = threading.Lock()
        self.status = 200
        """What is answered."""
        self.asked: list[dict[str, str]] = []
        self.url = ""

    def page(self, after: str, since: int) -> dict[str, Any]:
        with self.lock:
            keys = sorted(
                k for k, row in self.rows.items() if k > after and (not since or (row["changed"] or 0) >= since)
            )
            people = [dict(self.rows[key]) for key in keys[:PAGE]]
        return {"people": people, "next": people[-1]["id"] if len(keys) > PAGE else None}

    def settings(self) -> dict[str, Any]:
        """What Airbyte's source is told: where the people are, and how they are asked for."""
        return {"key": KEY, "__injected_declarative_manifest": manifest(self.url)}


@contextmanager
def serving() -> Iterator[People]:
    """People at a free port of this machine."""
    people = People()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            words = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            people.asked.append(words)
            status = people.status if self.headers.get("X-Key") == KEY else 401
            body = json.dumps(people.page(words.get("after", ""), int(words.get("since", 0)))).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body if status == 200 else b"{}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    people.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield people
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def manifest(url: str) -> dict[str, Any]:
    """A low-code source of Airbyte for these people."""
    kinds = {
        "id": "string",
        "name": "string",
        "email": "string",
        "amount": "integer",
        "changed": "integer",
        "note": "string",
    }
    schema = {
        "type": "object",
        "properties": {name: {"type": ["null", kind]} for name, kind in kinds.items()},
    }
    requester = {
        "type": "HttpRequester",
        "url_base": url,
        "path": "/people",
        "http_method": "GET",
        "request_headers": {"X-Key": "{{ config['key'] }}"},
        "error_handler": {"type": "DefaultErrorHandler", "max_retries": 0},
    }
    paginator = {
        "type": "DefaultPaginator",
        "page_token_option": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "after"},
        "pagination_strategy": {"type": "CursorPagination", "cursor_value": "{{ response.get('next') }}",
                                "stop_condition": "{{ not response.get('next') }}"},
    }  # fmt: skip
    increments = {
        "type": "DatetimeBasedCursor",
        "cursor_field": "changed",
        "datetime_format": "%s",
        "start_datetime": {"type": "MinMaxDatetime", "datetime": "0", "datetime_format": "%s"},
        "start_time_option": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "since"},
    }
    stream = {
        "type": "DeclarativeStream",
        "name": "people",
        "primary_key": ["id"],
        "schema_loader": {"type": "InlineSchemaLoader", "schema": schema},
        "incremental_sync": increments,
        "retriever": {
            "type": "SimpleRetriever",
            "requester": requester,
            "paginator": paginator,
            "record_selector": {
                "type": "RecordSelector",
                "extractor": {"type": "DpathExtractor", "field_path": ["people"]},
            },
        },
    }
    return {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["people"]},
        "streams": [stream],
        "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
    }
