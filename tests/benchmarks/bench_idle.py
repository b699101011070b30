"""What a daemon costs while nobody edits anything: its share of one core, and its memory.

python -m tests.benchmarks.bench_idle [N]            default: two live stores of 10,000 contacts; 20 s
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.benchmarks.measured import daemon, folder, make_store, run, show, size, write_config

SECONDS = 20.0
SETTLE_S = 3.0


def main() -> None:
    count = size(10_000)
    with folder() as at:
        make_store(at / "source.db", count)
        make_store(at / "target.db", 0)
        config = write_config(at, live=True)
        assert run("sync", "--config", str(config)).code == 0
        with daemon(config) as process:
            time.sleep(SETTLE_S)
            before, began = cpu_seconds(process.pid), time.perf_counter()
            time.sleep(SECONDS)
            share = (cpu_seconds(process.pid) - before) / (time.perf_counter() - began)
            show("idle daemon", contacts=count, share_of_a_core=f"{share:.2%}", rss_mb=resident_mb(process.pid))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, its threads included."""
    numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
