"""Runs the whole pipeline with its functions in `cargo lambda watch`, by `pageviews up --lambda-endpoint`.

    python3 .ci/checks/lambda_endpoint.py DIR      DIR holds the `pageviews` binary and the functions' binaries

The functions are started here, with events/local.env: cargo-lambda serves Lambda's APIs alone (--only-lambda-apis), so that
nothing is compiled again. First functions that are told of a workgroup which is not there: their error must come through by
its name; then a full load and a refresh.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import rie

# What a function says to a workgroup that is not there.
REFUSED = "QueryFailed"


def variables(endpoint, changed):
    """What events/local.env tells every function, at this endpoint."""
    lines = (rie.ROOT / "events" / "local.env").read_text().splitlines()
    told = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return told | {"AWS_ENDPOINT_URL": endpoint, "PATH": os.environ["PATH"]} | changed


@contextlib.contextmanager
def functions(endpoint, lambda_endpoint, work, **changed):
    """Every function, polling for events while the block lasts."""
    running = []
    try:
        for name in rie.functions():
            own = {"AWS_LAMBDA_RUNTIME_API": f"{lambda_endpoint}/.rt/{name}", "AWS_LAMBDA_FUNCTION_NAME": name,
                   "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"}
            environment = variables(endpoint, changed) | own
            with open(work / f"{name}.log", "ab") as log:
                running.append(subprocess.Popen([rie.BIN / name], env=environment, stdout=log, stderr=log))
        yield
    finally:
        for process in running:
            process.terminate()
            process.wait()


def run(endpoint):
    """One execution: whether it succeeded, and what was printed."""
    command = [rie.BIN / "pageviews", "run", "--json", "--endpoint", endpoint]
    ran = subprocess.run(command, cwd=rie.ROOT, capture_output=True, text=True, timeout=300)
    return ran.returncode == 0, json.loads(ran.stdout)


def expect(holds, what, report):
    if not holds:
        sys.exit(f"{what}: {json.dumps(report, indent=2)}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        work, port = pathlib.Path(folder), rie.free_port()
        lambda_endpoint = f"http://127.0.0.1:{port}"
        watch = ["cargo-lambda", "lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1"]
        watch += ["--invoke-port", str(port)]
        with (
            rie.process(watch, work / "watch.log", port, cwd=rie.ROOT),
            rie.cloud(work, options=["--lambda-endpoint", lambda_endpoint]) as endpoint,
        ):
            rie.load(work, endpoint)
            with functions(endpoint, lambda_endpoint, work, ATHENA_WORKGROUP="nowhere"):
                succeeded, report = run(endpoint)
                expect(not succeeded and REFUSED in json.dumps(report["failure"]), f"it does not end in {REFUSED}", report)
            with functions(endpoint, lambda_endpoint, work):
                for mode in ("full", "incremental"):
                    succeeded, report = run(endpoint)
                    expect(succeeded and report["output"]["mode"] == mode, f"the {mode} load fails", report)
                    print(f"-- {mode}: {report['output']['rows_after']} rows in {report['millis']} ms", flush=True)
            expect(not (work / "data" / "logs").exists(), "the local cloud ran functions itself", report)
    print(f"-- {len(rie.functions())} functions served by cargo-lambda")


if __name__ == "__main__":
    main()
