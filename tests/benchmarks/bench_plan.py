"""A first sync planned, with and without a file of every write; this carried out; and a plan with nothing to do.

python -m tests.benchmarks.bench_plan [N]      default: 100,000 contacts of 14 fields
"""

from __future__ import annotations

import json

from tests.benchmarks.measured import folder, make_store, run, show, size, write_config


def main() -> None:
    count = size(100_000)
    with folder() as at:
        make_store(at / "source.db", count)
        make_store(at / "target.db", 0)
        config = write_config(at)
        words = ("plan", "--json", "--config", str(config))
        for name, more in (("plan of a first sync", ()), ("with every write", ("-o", str(at / "plan.jsonl")))):
            cost = run(*words, *more)
            assert cost.code == 0, cost
            created = json.loads(cost.output)["systems"]["target"]["contact"]["create"]
            assert created == count, created
            show(name, contacts=count, seconds=cost.seconds, cpu_s=cost.cpu_s, rss_mb=cost.rss_mb)
        show("file", bytes_per_contact=(at / "plan.jsonl").stat().st_size // count)
        cost = run("apply", str(at / "plan.jsonl"), "--json", "--config", str(config))
        assert (cost.code, json.loads(cost.output)["sent"]) == (0, count), cost
        show("apply", seconds=cost.seconds, cpu_s=cost.cpu_s, rss_mb=cost.rss_mb)
        cost = run(*words)
        assert cost.code == 0, cost
        show("plan, nothing to do", seconds=cost.seconds, cpu_s=cost.cpu_s, rss_mb=cost.rss_mb)


if __name__ == "__main__":
    main()
