"""How long `datasyncd status` takes, as a process of its own, with a daemon that runs and without one.

python -m tests.benchmarks.bench_status [N]          default: stores of 1,000 contacts; 20 calls each
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.measured import daemon, folder, make_store, quantile, run, show, size, write_config

CALLS = 20


def main() -> None:
    count = size(1_000)
    with folder() as at:
        make_store(at / "source.db", count)
        make_store(at / "target.db", 0)
        config = write_config(at, live=True)
        assert run("sync", "--config", str(config)).code == 0
        command = str(Path(sys.executable).with_name("datasyncd"))
        bare = [timed([sys.executable, "-c", "pass"]) for _ in range(CALLS)]
        without = [timed([command, "status", "--config", str(config)]) for _ in range(CALLS)]
        with daemon(config):
            asked = [timed([command, "status", "--config", str(config)]) for _ in range(CALLS)]
        for name, took in (("python itself", bare), ("status, nothing runs", without), ("status, daemon", asked)):
            show(name, calls=CALLS, median_ms=quantile(took, 0.5), most_ms=max(took))


def timed(command: list[str]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
