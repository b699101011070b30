"""Redis streams keep the promises, on a server from the package index and on the one of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasyncd.adapters.redis.adapter import KIND, RedisOptions
from datasyncd.adapters.testing import AdapterConformance, Stage, staged
from tests.servers.redis import Server, url_of_this_machine


class TestRedis(AdapterConformance):
    @pytest.fixture
    def stage(self, redis: Server) -> Stage:
        return staged(KIND, RedisOptions(**redis.options()), Path())


class TestRedisOfThisMachine(AdapterConformance):
    @pytest.fixture
    def stage(self) -> Stage:
        return staged(KIND, RedisOptions(url=url_of_this_machine()), Path())
