"""Notify: tells systemd how the service is (sd_notify(3)): one datagram to the socket that it names."""

from __future__ import annotations

import os
import socket


def notify(text: str) -> None:
    """Send a state such as "READY=1". Without systemd, or when it does not listen, nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto(text.encode(), address)
    except OSError:
        return


def watchdog_s() -> float | None:
    """How often the watchdog wants to hear from us, in seconds: half of what it allows."""
    allowed = os.environ.get("WATCHDOG_USEC", "")
    if not allowed.isdigit() or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(allowed) / 2_000_000
