#!/usr/bin/env python3
"""The laws of docs/reliability.md with as many random schedules as you like, and the figures that stand there.

    python3 benches/laws.py [--seeds 1000] [--from 0] [--reader 60] [--only FILTER]

Builds what is needed, runs the laws, prints their figures with the machine's, and fails if a law does not hold. A schedule that
failed is told by its seed: `--from 42 --seeds 1 --only random_schedule` runs it again.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ("faults injected:", "random schedules:", "the reader:", "kill -9", "test result:")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000, help="how many random schedules")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--reader", type=int, default=60, help="for how many seconds clients read, at least")
    parser.add_argument("--only", help="only the laws with this in their name")
    arguments = parser.parse_args()
    seeds = f"{arguments.first}..{arguments.first + arguments.seeds}"
    environment = {**os.environ, "PAGEVIEWS_SEEDS": seeds, "PAGEVIEWS_READER_SECONDS": str(arguments.reader),
                   "PAGEVIEWS_THOROUGH": "1"}
    command = ["cargo", "test", "--workspace", "--test", "laws", "--", *([arguments.only] if arguments.only else [])]
    began = time.time()
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as laws:
        for line in laws.stdout:
            if "FAILED" in line or "panicked" in line or line.startswith(FIGURES):
                print(line.rstrip(), flush=True)
    print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} processors, {time.time() - began:.0f} s")
    sys.exit(laws.returncode)


if __name__ == "__main__":
    main()
