#!/usr/bin/env python3
"""The full load against DuckDB, in turn, on the same CSVs: wall time, processor time and peak memory of each process.

Makes what it needs by itself: a virtual environment with DuckDB, the generated data, the program built in the
development profile. Fails if the two do not give the same groups.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DUCKDB = "duckdb==2.0.*"
# Each reads what the pipeline reads and writes what it writes. `typed` parses every column and takes the date from the
# time stamp; `hive` takes the date from the folders, as the pipeline's own SQL does, and parses nothing.
VARIANTS = {
    "typed": (
        "{'view_id': 'BIGINT', 'customer_id': 'BIGINT', 'url': 'VARCHAR', 'viewed_at': 'TIMESTAMP'}",
        "cast(viewed_at as date)",
        "BIGINT",
    ),
    "hive": (
        "{'view_id': 'VARCHAR', 'customer_id': 'VARCHAR', 'url': 'VARCHAR', 'viewed_at': 'VARCHAR'}",
        "make_date(cast(year as int), cast(month as int), cast(day as int))",
        "VARCHAR",
    ),
}
FULL_LOAD = """
copy (
    select view_date, url, coalesce(country, 'UNKNOWN') as country, count(*) as view_count
    from (
        select {date} as view_date, url, customer_id
        from read_csv('{raw}/pageviews/*/*/*/*.csv', header = true, hive_partitioning = true, columns = {columns})
    )
    left join (
        select customer_id, min(country) as country
        from read_csv('{raw}/customers/*/*.csv', header = true, hive_partitioning = true, columns = {{
            'customer_id': '{customer_id}', 'name': 'VARCHAR', 'email': 'VARCHAR', 'created_at': 'VARCHAR'}})
        group by customer_id
    ) using (customer_id)
    group by all
) to '{out}' (format parquet, compression snappy)
"""


def duckdb_process(variant: str, raw: str, out: str, threads: str) -> None:
    """What runs inside the virtual environment."""
    import duckdb

    columns, date, customer_id = VARIANTS[variant]
    connection = duckdb.connect(config={"threads": int(threads)})
    connection.execute(FULL_LOAD.format(date=date, raw=raw, columns=columns, customer_id=customer_id, out=out))


def compare(ours: str, theirs: str) -> None:
    """Inside the virtual environment, too: both results hold the same rows."""
    import duckdb

    columns = "view_date, url, country, view_count"
    sides = [f"select {columns} from read_parquet('{files}')" for files in (ours, theirs)]
    count, views = duckdb.sql(f"select count(*), sum(view_count) from ({sides[0]})").fetchall()[0]
    for left, right in (sides, reversed(sides)):
        extra = duckdb.sql(f"select count(*) from ({left} except all {right})").fetchall()[0][0]
        if extra:
            sys.exit(f"the results differ: {extra} rows are in one only")
    print(f"both give the same {count:,} groups of {views:,} page views")


def measured(command: list[str]) -> dict:
    """Runs a process to its end."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} failed")
    return {
        "wall": time.monotonic() - started,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss / 1024,
        "output": output.strip(),
    }


def virtual_environment(folder: Path) -> str:
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", DUCKDB], check=True)
    return str(python)


def program() -> str:
    command = ["cargo", "build", "--package", "pageviews", "--bench", "full_load", "--message-format", "json"]
    built = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = (json.loads(line) for line in built.splitlines())
    found = [m["executable"] for m in messages if m.get("target", {}).get("name") == "full_load" and m.get("executable")]
    return found[-1]


def table(results: dict[str, list[dict]]) -> None:
    ours = results["pageviews"]
    print(f"\n{'':22}{'wall s':>10}{'min':>8}{'max':>8}{'cpu s':>9}{'peak MiB':>10}{'ours / it':>11}")
    for name, runs in results.items():
        walls = [run["wall"] for run in runs]
        ratio = statistics.median(run["wall"] for run in ours) / statistics.median(walls)
        cpu = statistics.median(run["cpu"] for run in runs)
        memory = max(run["memory"] for run in runs)
        print(f"{name:22}{statistics.median(walls):10.2f}{min(walls):8.2f}{max(walls):8.2f}{cpu:9.2f}{memory:10.0f}{ratio:11.2f}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--views", type=int, default=20_000_000)
    arguments.add_argument("--days", type=int, default=60)
    arguments.add_argument("--turns", type=int, default=5)
    arguments.add_argument("--folder", type=Path, default=ROOT / "target" / "bench")
    options = arguments.parse_args()

    python = virtual_environment(options.folder / "venv")
    full_load = program()
    data = options.folder / f"data-{options.views}-{options.days}"
    raw, out = data / "s3" / "lake" / "raw", options.folder / "duckdb.parquet"
    if not raw.exists():
        subprocess.run([full_load, "generate", data, str(options.days), str(options.views)], check=True)
    threads = str(os.cpu_count())
    commands = {"pageviews": [full_load, "load", str(data)]}
    for variant in VARIANTS:
        commands[f"DuckDB ({variant})"] = [python, __file__, "duckdb", variant, str(raw), str(out), threads]

    results = {name: [] for name in commands}
    for turn in range(options.turns + 1):
        for name, command in commands.items():
            result = measured(command)
            if turn:  # The first one warms the page cache.
                results[name].append(result)
            print(f"turn {turn}: {name}: {result['wall']:.2f} s {result['output']}", flush=True)
    ours = data / "s3" / "lake" / "curated" / "pageviews_daily" / "**" / "*.parquet"
    subprocess.run([python, __file__, "compare", ours, out], check=True)
    table(results)


if __name__ == "__main__":
    inside = {"duckdb": duckdb_process, "compare": compare}
    if len(sys.argv) > 1 and sys.argv[1] in inside:
        inside[sys.argv[1]](*sys.argv[2:])
    else:
        main()
