"""Checks what `sam build` made: every function of the template has a program that Lambda can run, and all of them together
are the pipeline.

    python3 .ci/checks/build_check.py DIR [BUILD]     DIR holds the `pageviews` binary
"""

import filecmp
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import rie

BUILD = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else rie.ROOT / ".aws-sam" / "build").resolve()
# The C library of Amazon Linux 2023. https://docs.aws.amazon.com/linux/al2023/release-notes/all-packages-al2023.7.html
GLIBC = (2, 34)
# Above what a function has without optimisation: what grows beyond it has something among its dependencies by mistake.
LARGEST_MB = 40


def glibc(program):
    """The newest version of the C library that a program asks for."""
    told = subprocess.run(["readelf", "--version-info", "--wide", program], check=True, capture_output=True, text=True)
    return max(tuple(int(part) for part in found.split(".")) for found in re.findall(r"GLIBC_([\d.]+)", told.stdout))


def compiled():
    """Where cargo-lambda puts what it compiled."""
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1"]
    told = subprocess.run(command, cwd=rie.ROOT, check=True, capture_output=True).stdout
    return pathlib.Path(json.loads(told)["target_directory"]) / "lambda"


def mistakes(name, program):
    if not os.access(program, os.X_OK):
        return [f"{name} has no program in {program}"]
    found = []
    # SAM's own cache looks at a function's folder alone, and would miss a change in shared/.
    if not filecmp.cmp(program, compiled() / name / "bootstrap", shallow=False):
        found.append(f"{name} is not what cargo compiled last")
    if glibc(program) > GLIBC:
        found.append(f"{name} needs glibc {glibc(program)}, Lambda has {GLIBC}")
    if program.stat().st_size > LARGEST_MB << 20:
        found.append(f"{name} is larger than {LARGEST_MB} MB")
    return found


def pipeline():
    """A full load and a refresh, by the programs that would be deployed."""
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        with rie.cloud(work, options=["--functions", BUILD]) as endpoint:
            rie.load(work, endpoint)
            for mode in ("full", "incremental"):
                command = [rie.BIN / "pageviews", "run", "--json", "--endpoint", endpoint]
                report = json.loads(subprocess.run(command, cwd=rie.ROOT, check=True, capture_output=True).stdout)
                if report["output"]["mode"] != mode:
                    sys.exit(f"the {mode} load was none: {report['output']}")
                print(f"-- {mode}: {report['output']['rows_after']} rows in {report['millis']} ms")


def main():
    stacks, _ = rie.SamLocalStackProvider.get_stacks(str(rie.ROOT / "template.yaml"))
    programs = {function.functionname: BUILD / function.name / "bootstrap"
                for function in rie.SamFunctionProvider(stacks).get_all()}
    wrong = [mistake for name, program in programs.items() for mistake in mistakes(name, program)]
    if wrong:
        sys.exit("\n".join(wrong))
    sizes = [program.stat().st_size / 1e6 for program in programs.values()]
    newest = max(glibc(program) for program in programs.values())
    print(f"-- {len(programs)} functions of {min(sizes):.1f} to {max(sizes):.1f} MB; glibc {'.'.join(map(str, newest))}")
    pipeline()


if __name__ == "__main__":
    main()
