#!/usr/bin/env python3
"""One large CSV file from the inbox into the raw zone, against DuckDB's partitioned COPY of the same file, in turn.

Ours is the function as it is deployed locally: `pageviews up` serves S3 and runs `extract-load`, which reads the file by
HTTP and writes the raw files by HTTP. The function's processor time and peak memory are its own process's (`/proc`), the
local cloud's processor time stands beside it. Fails if the raw zone does not hold every row.

Makes what it needs by itself: a virtual environment with DuckDB, the file, the programs built in the development profile.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DUCKDB = "duckdb==2.0.*"
TICKS = os.sysconf("SC_CLK_TCK")
# `text` copies all columns and takes the day out of the text; `typed` parses the time stamp, as our function does.
VARIANTS = {
    "text": ("VARCHAR", "viewed_at[1:4] as year, viewed_at[6:7] as month, viewed_at[9:10] as day"),
    "typed": ("TIMESTAMP", "strftime(viewed_at, '%Y') as year, strftime(viewed_at, '%m') as month, "
                           "strftime(viewed_at, '%d') as day"),
}
COPY = """
copy (
    select *, {keys}
    from read_csv('{file}', header = true, columns = {{
        'view_id': 'VARCHAR', 'customer_id': 'VARCHAR', 'url': 'VARCHAR', 'viewed_at': '{kind}'}})
) to '{out}' (format csv, header, partition_by (year, month, day))
"""


def duckdb_process(variant: str, file: str, out: str, threads: str) -> None:
    """What runs inside the virtual environment."""
    import duckdb

    kind, keys = VARIANTS[variant]
    # So much that it need not spill, and no more than this machine can spare.
    connection = duckdb.connect(config={"threads": int(threads), "memory_limit": "10GB"})
    connection.execute(COPY.format(keys=keys, file=file, kind=kind, out=out))


def virtual_environment(folder: Path) -> str:
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", DUCKDB], check=True)
    return str(python)


def generate(path: Path, size: int, days: int, quoted: float) -> int:
    """Page views of `days` days in no order; the number of rows. Blocks of rows recur, which nothing here profits from."""
    rng = random.Random(4)
    blocks, number = [], 0
    for _ in range(32):
        rows = []
        for _ in range(20_000):
            number += 1
            url = f"https://shop.example.com/{rng.choice(['product', 'category', 'blog'])}/{rng.randrange(50_000)}"
            if rng.random() < quoted:
                url = f'"{url}?q=a,b&title=""x"""'
            second = rng.randrange(days * 86_400)
            day, clock = divmod(second, 86_400)
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(1_767_225_600 + day * 86_400 + clock))
            rows.append(f"{number:010},{rng.randrange(1_000_000)},{url},{stamp}\n")
        blocks.append("".join(rows).encode())
    written = rows = 0
    with open(path, "wb") as file:
        written += file.write(b"view_id,customer_id,url,viewed_at\n")
        while written < size:
            written += file.write(rng.choice(blocks))
            rows += 20_000
    return rows


def build() -> Path:
    command = ["cargo", "build", "--workspace", "--bins", "--message-format", "json"]
    built = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = (json.loads(line) for line in built.splitlines())
    found = [m["executable"] for m in messages if m.get("target", {}).get("name") == "pageviews" and m.get("executable")]
    return Path(found[-1])


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mib(pid: int) -> float:
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def child(pid: int, name: str) -> int:
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "comm").read_text().strip() == name:
                if (entry / "stat").read_text().rsplit(")", 1)[1].split()[1] == str(pid):
                    return int(entry.name)
        except OSError:
            continue
    sys.exit(f"{name} does not run")


def ours(pageviews: Path, file: Path, folder: Path) -> dict:
    """Drops the file into a fresh lake, starts the function, and tells what it took."""
    data = folder / "cloud"
    shutil.rmtree(data, ignore_errors=True)
    command = [pageviews, "up", "--listen", "127.0.0.1:0", "--data-dir", data, "--template", ROOT / "template.yaml", "--json"]
    cloud = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        text = ""
        while "http://" not in text:
            line = cloud.stdout.readline()
            if not line:
                sys.exit("the local cloud did not start")
            text += line
        endpoint = re.search(r"http://127\.0\.0\.1:\d+", text).group(0)
        bucket = next(path.name for path in (data / "s3").iterdir() if path.is_dir() and "lake" in path.name)
        inbox = data / "s3" / bucket / "inbox" / "pageviews"
        inbox.mkdir(parents=True)
        os.link(file, inbox / "views.csv")
        head = urllib.request.Request(f"{endpoint}/{bucket}/inbox/pageviews/views.csv", method="HEAD")
        with urllib.request.urlopen(head) as answer:
            tag, size = answer.headers["ETag"].strip('"'), int(answer.headers["Content-Length"])
        event = json.loads((ROOT / "events" / "extract-load.json").read_text())
        record = event["Records"][0]
        record["eventTime"] = "2027-06-01T00:00:00.000Z"
        record["s3"]["bucket"]["name"] = bucket
        record["s3"]["object"] = {"key": "inbox/pageviews/views.csv", "size": size, "eTag": tag, "sequencer": "1"}
        before = cpu_seconds(cloud.pid)
        started = time.monotonic()
        invoke = urllib.request.Request(f"{endpoint}/2015-03-31/functions/extract-load/invocations",
                                        data=json.dumps(event).encode(), method="POST")
        with urllib.request.urlopen(invoke, timeout=1200) as answer:
            result, failed = json.load(answer), answer.headers.get("X-Amz-Function-Error")
        wall = time.monotonic() - started
        if failed:
            sys.exit(f"extract-load failed: {result}")
        function = child(cloud.pid, "extract-load")
        return {"wall": wall, "cpu": cpu_seconds(function), "cloud": cpu_seconds(cloud.pid) - before,
                "memory": peak_mib(function), "rows": result["sources"][0]["rows_loaded"]}
    finally:
        cloud.send_signal(signal.SIGTERM)
        cloud.wait()


def theirs(python: str, variant: str, file: Path, folder: Path) -> dict:
    out = folder / "duckdb"
    shutil.rmtree(out, ignore_errors=True)
    started = time.monotonic()
    process = subprocess.Popen([python, __file__, "duckdb", variant, file, out, str(os.cpu_count())])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit("DuckDB failed")
    return {"wall": time.monotonic() - started, "cpu": usage.ru_utime + usage.ru_stime, "cloud": 0.0,
            "memory": usage.ru_maxrss / 1024}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--gigabytes", type=float, default=5)
    arguments.add_argument("--days", type=int, default=30)
    arguments.add_argument("--quoted", type=float, default=0.02, help="share of rows with a quoted field")
    arguments.add_argument("--turns", type=int, default=3)
    arguments.add_argument("--folder", type=Path, default=ROOT / "target" / "bench-extract")
    options = arguments.parse_args()

    options.folder.mkdir(parents=True, exist_ok=True)
    python = virtual_environment(options.folder / "venv")
    pageviews = build()
    file = options.folder / "views.csv"
    rows = generate(file, int(options.gigabytes * 1e9), options.days, options.quoted)
    size = file.stat().st_size
    results = {"extract-load": [], **{f"DuckDB ({variant})": [] for variant in VARIANTS}}
    for turn in range(options.turns):
        for name, runs in results.items():
            if name == "extract-load":
                result = ours(pageviews, file, options.folder)
                if result["rows"] != rows:
                    sys.exit(f"{result['rows']} of {rows} rows were loaded")
            else:
                result = theirs(python, name[8:-1], file, options.folder)
            runs.append(result)
            print(f"turn {turn + 1}: {name}: {result['wall']:.2f} s", flush=True)
    median = {name: statistics.median(run["wall"] for run in runs) for name, runs in results.items()}
    print(f"\n{size / 1e9:.2f} GB, {rows:,} rows, {options.days} days")
    print(f"{'':18}{'wall s':>9}{'MB/s':>7}{'cpu s':>8}{'MB/s/core':>11}{'cloud cpu s':>13}{'peak MiB':>10}{'ours / it':>11}")
    for name, runs in results.items():
        cpu, cloud = (statistics.median(run[key] for run in runs) for key in ("cpu", "cloud"))
        memory, wall = max(run["memory"] for run in runs), median[name]
        print(f"{name:18}{wall:9.2f}{size / 1e6 / wall:7.0f}{cpu:8.2f}{size / 1e6 / cpu:11.0f}{cloud:13.2f}{memory:10.0f}"
              f"{median['extract-load'] / wall:11.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["duckdb"]:
        duckdb_process(*sys.argv[2:])
    else:
        main()
