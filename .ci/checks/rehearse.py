#!/usr/bin/env python3
"""Rehearses a document: runs its ```console rehearse blocks against a running local cloud, in order, in one shell.

A line that begins with `$ ` is a command (a backslash at its end continues it); it must succeed. The lines after it, if
there are any, must appear in what it prints, in that order; `…` in a line stands for anything. Wants AWS_ENDPOINT_URL.

    rehearse.py docs/operations.md …
"""

import os
import re
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"^```console rehearse\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def steps(text):
    """Each command of a document with its line number and the output that the document shows."""
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1)) + 1
        step = None
        continues = False
        for offset, line in enumerate(block.group(1).splitlines()):
            if line.startswith("$ "):
                if step:
                    yield step
                step = (first + offset, [line[2:]], [])
            elif step is None:
                raise SystemExit(f"line {first + offset}: a block begins with a command")
            elif continues:
                step[1].append(line)
            else:
                step[2].append(line)
            continues = line.endswith("\\") and (line.startswith("$ ") or continues)
        if step:
            yield step


def shell(work):
    """One shell for a whole document, so that a variable which one block sets is there in the next."""
    return subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=work,
                            stderr=subprocess.STDOUT, text=True)


def run(bash, command):
    mark = "rehearsed-step-ends"
    bash.stdin.write(f"{command}\necho; echo {mark} $?\n")
    bash.stdin.flush()
    printed = []
    for line in bash.stdout:
        if line.startswith(mark):
            return printed, int(line.split()[1])
        printed.append(line.rstrip("\n"))
    return printed, 1


def missing(expected, printed):
    """The first line of the document that the command did not print, or None."""
    rest = iter(printed)
    for line in expected:
        pattern = re.compile(".*".join(re.escape(part.strip()) for part in line.split("…")))
        if not any(pattern.search(found) for found in rest):
            return line
    return None


def rehearse(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    count = 0
    with tempfile.TemporaryDirectory() as work:
        # A person types in the repository; what the commands write should not stay there.
        for name in ("template.yaml", "statemachine", "events"):
            os.symlink(os.path.abspath(name), os.path.join(work, name))
        bash = shell(work)
        for number, command, expected in steps(text):
            printed, status = run(bash, "\n".join(command))
            lost = missing(expected, printed) if status == 0 else None
            if status != 0 or lost is not None:
                why = f"it ended with {status}" if status else f"it did not print: {lost}"
                print(f"{path}:{number}: {command[0]}: {why}; it printed:", *printed, sep="\n  ", file=sys.stderr)
                return False
            count += 1
        bash.stdin.close()
        bash.wait()
    if count == 0:
        print(f"{path}: there is nothing to rehearse", file=sys.stderr)
        return False
    print(f"{path}: {count} commands rehearsed")
    return True


if __name__ == "__main__":
    sys.exit(0 if all([rehearse(path) for path in sys.argv[1:]]) else 1)
