#!/usr/bin/env python3
"""The states that list files and register partitions, with many registered and a few new: seconds per state, from the history.

    python3 benches/partitions.py --bin target/debug [--days 10000] [--new 10] [--files 1]

Makes a local cloud with so many days of page views and as many countries of customers, runs once, so that all of them are
registered, adds the new ones and runs again. A file has a row if its day is one of the last thousand, else only its header:
Athena writes no more than a hundred partitions at once, so the output can have no more than a hundred months.
"""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATES = ["List Pageviews Files", "Load Customers Partitions", "Load Pageviews Partitions"]
FIRST_DAY = datetime.date(1998, 1, 1)


def put(raw: Path, numbers: range, files: int, first_row: int) -> None:
    """One day of page views and one country of customers for each number."""
    for number in numbers:
        day = FIRST_DAY + datetime.timedelta(days=number)
        views = raw / "pageviews" / f"year={day:%Y}" / f"month={day:%m}" / f"day={day:%d}"
        country = raw / "customers" / f"country=C{number:05}"
        for folder in (views, country):
            folder.mkdir(parents=True)
        for file in range(files):
            row = f"{number}-{file},{number},/a,{day} 01:00:00\n" if number >= first_row else ""
            (views / f"{file:04}.csv").write_text(f"view_id,customer_id,url,viewed_at\n{row}")
        customer = f"{number},Ada,ada@example.com,2026-01-01\n"
        (country / "a.csv").write_text(f"customer_id,name,email,created_at\n{customer}")


def up(command: list, work: Path):
    """A local cloud, and where it listens."""
    log = open(work / "up.log", "wb")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=ROOT)
    decoder, text = json.JSONDecoder(), ""
    for line in process.stdout:
        text += line.decode()
        try:
            return process, decoder.raw_decode(text)[0]["endpoint"]
        except json.JSONDecodeError:
            continue
    sys.exit(f"pageviews does not start:\n{(work / 'up.log').read_text(errors='replace')}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, required=True, help="the folder of the binaries")
    parser.add_argument("--days", type=int, default=10_000, help="how many are registered before")
    parser.add_argument("--new", type=int, default=10, help="how many are new")
    parser.add_argument("--files", type=int, default=1, help="files a day")
    arguments = parser.parse_args()
    pageviews = (arguments.bin / "pageviews").resolve()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        process, endpoint = up([pageviews, "up", "--listen", "127.0.0.1:0", "--json", "--data-dir", work / "data"], work)
        try:
            bucket = next((work / "data" / "s3").glob("*lake*"))
            known, new = range(arguments.days), range(arguments.days, arguments.days + arguments.new)
            for numbers in (known, new):
                put(bucket / "raw", numbers, arguments.files, arguments.days - 1000)
                run = subprocess.run(
                    [pageviews, "run", "--json", "--endpoint", endpoint], cwd=ROOT, stdout=subprocess.PIPE
                )
                if run.returncode != 0:
                    sys.exit("the run failed")
                report = json.loads(run.stdout)
                print(f"{len(numbers):,} new days and countries: {report['millis'] / 1000:.2f} s, {report['output']['mode']}")
                for visit in report["states"]:
                    if visit["state"] in STATES or visit["millis"] > 1000:
                        print(f"  {visit['state']:28} {visit['millis'] / 1000:8.2f} s")
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
