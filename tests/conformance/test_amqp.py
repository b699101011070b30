"""RabbitMQ streams keep the promises, on the server of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasyncd.adapters.amqp.adapter import KIND, AmqpOptions
from datasyncd.adapters.testing import AdapterConformance, Stage, staged
from tests.servers import rabbitmq


class TestAmqp(AdapterConformance):
    @pytest.fixture
    def stage(self) -> Stage:
        return staged(KIND, AmqpOptions(**rabbitmq.found().options()), Path())
