#!/usr/bin/env python3
"""What a refresh costs by swap and by merge as history grows: time, bytes and rows, in one run.

    python3 benches/publish.py --bin target/debug [--months 1 12 60] [--views 1000] [--turns 3]

For each number of months: a local cloud with so many views a day, a full load, and then, turn by turn, one more day that is
published by swap in one copy of the lake and by merge in another. Fails if the two outputs differ.
"""

import argparse
import datetime
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAST_DAY = datetime.date(2026, 6, 30)
ALL = "select view_date, url, country, view_count from pageviews_daily order by 1, 2, 3, 4"


def pageviews(bin: Path, *arguments):
    """What a command answers, in JSON."""
    command = [bin / "pageviews", *map(str, arguments), "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed")
    return json.loads(done.stdout)


def generate(bin: Path, raw: Path, first: datetime.date, days: int, views: int, seed: int) -> None:
    subprocess.run([bin / "pageviews", "generate", "--out", raw, "--start", str(first), "--days", str(days), "--views",
                    str(views * days), "--customers", "1000", "--seed", str(seed)],
                   cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, required=True, help="the folder of the binaries")
    parser.add_argument("--months", type=int, nargs="+", default=[1, 12, 60])
    parser.add_argument("--views", type=int, default=1000, help="a day")
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    bin = arguments.bin.resolve()
    print(f"{'months':>6} {'by':>6} {'run s':>8} {'scanned MB':>11} {'statements':>11} {'cost $':>10}")
    for months in arguments.months:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            days = months * 30
            first = LAST_DAY - datetime.timedelta(days=days)
            generate(bin, work / "raw", first, days, arguments.views, 1)
            lake = work / "swap"
            pageviews(bin, "load", work / "raw", "--data-dir", lake)
            pageviews(bin, "run", "--data-dir", lake)
            shutil.copytree(lake, work / "merge")
            found = {"swap": [], "merge": []}
            for turn in range(arguments.turns):
                day = work / f"day-{turn}"
                generate(bin, day, LAST_DAY + datetime.timedelta(days=turn), 1, arguments.views, 2 + turn)
                shutil.rmtree(day / "customers")
                for by, runs in found.items():
                    pageviews(bin, "load", day, "--data-dir", work / by)
                    run = pageviews(bin, "run", "--data-dir", work / by, "--input", json.dumps({"refresh": by}))
                    runs.append(run)
            outputs = [pageviews(bin, "query", ALL, "--data-dir", work / by)["rows"] for by in found]
            if outputs[0] != outputs[1]:
                sys.exit("the two outputs differ")
            for by, runs in found.items():
                middle = lambda value: statistics.median(value(run) for run in runs)
                print(f"{months:6} {by:>6} {middle(lambda run: run['millis'] / 1000):8.2f}"
                      f" {middle(lambda run: run['output']['usage']['bytes_scanned'] / 1e6):11.2f}"
                      f" {middle(lambda run: len(run['output']['usage']['statements'])):11.0f}"
                      f" {middle(lambda run: float(run['output']['cost']['total'])):10.6f}", flush=True)


if __name__ == "__main__":
    main()
