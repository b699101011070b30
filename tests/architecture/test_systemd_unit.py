"""The systemd unit: valid, hardened, and in step with what the daemon promises."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "datasyncd.service"
PAGE = ROOT / "systemd" / "README.md"

EXPOSURE_AT_MOST = "15"
"""In tenths: `systemd-analyze security` calls 1.5 of 10 "OK", and a unit without hardening 9.6 "UNSAFE"."""

HARDENING = {
    "CapabilityBoundingSet": [""],
    "DevicePolicy": ["closed"],
    "DynamicUser": ["yes"],
    "KeyringMode": ["private"],
    "LockPersonality": ["yes"],
    "MemoryDenyWriteExecute": ["yes"],
    "NoNewPrivileges": ["yes"],
    "PrivateDevices": ["yes"],
    "PrivateMounts": ["yes"],
    "PrivateTmp": ["yes"],
    "PrivateUsers": ["yes"],
    "ProcSubset": ["pid"],
    "ProtectClock": ["yes"],
    "ProtectControlGroups": ["yes"],
    "ProtectHome": ["yes"],
    "ProtectHostname": ["yes"],
    "ProtectKernelLogs": ["yes"],
    "ProtectKernelModules": ["yes"],
    "ProtectKernelTunables": ["yes"],
    "ProtectProc": ["invisible"],
    "ProtectSystem": ["strict"],
    "RestrictNamespaces": ["yes"],
    "RestrictRealtime": ["yes"],
    "RestrictSUIDSGID": ["yes"],
    "SystemCallArchitectures": ["native"],
    "SystemCallFilter": ["@system-service", "~@privileged @resources"],
    "UMask": ["0077"],
}
"""What gives the unit its score, so that machines without systemd hold it too."""


def test_the_unit_says_what_the_daemon_relies_on() -> None:
    unit = directives(UNIT)

    assert unit["Type"] == ["notify"]
    assert unit["WatchdogSec"] == ["60s"]
    assert unit["Restart"] == ["on-failure"]
    assert unit["RestartPreventExitStatus"] == ["64 72 78"]
    assert unit["ExecStart"] == ["/opt/datasyncd/bin/datasyncd run --config /etc/datasyncd/config.toml"]
    assert unit["ExecReload"] == ["kill -HUP $MAINPID"]
    for folder in ("StateDirectory", "RuntimeDirectory", "ConfigurationDirectory"):
        assert unit[folder] == ["datasyncd"]
    assert "AF_UNIX" in unit["RestrictAddressFamilies"][0].split(), "sd_notify and the control socket need it"


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/datasyncd/bin/datasyncd", sys.executable))

    assert sections(unit) == ["Unit", "Service", "Install"]
    if systemd_can_judge():
        assert complaints(unit) == []


def test_systemd_accepts_the_drop_ins_that_the_page_shows(tmp_path: Path) -> None:
    drop_ins = re.findall(r"^```ini\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/datasyncd/bin/datasyncd", sys.executable))
    (tmp_path / f"{UNIT.name}.d").mkdir()
    for number, text in enumerate(drop_ins):
        (tmp_path / f"{UNIT.name}.d" / f"{number}.conf").write_text(text)

    assert "LoadCredential=crm-dsn:/etc/datasyncd/credentials/crm-dsn\n" in "".join(drop_ins)
    if systemd_can_judge():
        assert complaints(unit) == []
        said = analyze("security", "--offline=true", f"--threshold={EXPOSURE_AT_MOST}", str(unit))
        assert said.returncode == 0, said.stdout + said.stderr


def test_the_unit_can_do_little_harm() -> None:
    unit = directives(UNIT)

    assert {name: unit[name] for name in HARDENING} == HARDENING
    if systemd_can_judge():
        said = analyze("security", "--offline=true", f"--threshold={EXPOSURE_AT_MOST}", str(UNIT))
        assert said.returncode == 0, said.stdout + said.stderr


def directives(unit: Path) -> dict[str, list[str]]:
    """The unit's settings, each with its values in order; those that it lacks are empty."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in unit.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not name.startswith(("#", ";")):
            found[name].append(value)
    return found


def sections(unit: Path) -> list[str]:
    return [line.strip("[]") for line in unit.read_text().splitlines() if line.startswith("[")]


def complaints(unit: Path) -> list[str]:
    """What systemd says of a unit and its drop-ins."""
    said = analyze("verify", "--man=no", "--recursive-errors=no", str(unit))
    return [line for line in said.stderr.splitlines() if unit.name in line] or ["refused"] * said.returncode


def systemd_can_judge() -> bool:
    """A systemd is here that judges units offline; where everything has to be tested there is one."""
    there = systemd_version() >= 250
    assert there or not os.environ.get("CI"), "install systemd 250 or newer: the unit is tested with systemd-analyze"
    return there


def systemd_version() -> int:
    """The version of `systemd-analyze`; 0 without one. Units can be judged offline from 250 on."""
    if shutil.which("systemd-analyze") is None:
        return 0
    return int(analyze("--version").stdout.split()[1].split(".")[0].split("~")[0])


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "--no-pager", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
