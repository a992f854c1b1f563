"""Runs every function of the template as `sam local invoke` would, without containers.

    python3 .ci/checks/rie.py DIR      DIR holds the `pageviews` binary and the functions' binaries

The Runtime Interface Emulator is AWS's own and ships with the SAM CLI; the environment of each function is what SAM's
own code makes of template.yaml and events/env.json. Each function gets events/<function>.json, in the order of the
states, against a `pageviews up` with generated data. What only the answer before can know (a query's id, the output's
version) replaces the example in the fixture.
https://github.com/aws/aws-lambda-runtime-interface-emulator
"""

import contextlib
import itertools
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import samcli
from samcli.commands.local.lib.local_lambda import LocalLambdaRunner
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.argv[1]).resolve()
EMULATOR = pathlib.Path(samcli.__file__).parent / "local" / "rapid" / f"aws-lambda-rie-{os.uname().machine}"
DEFINITION = ROOT / "statemachine" / "page_views_transform.asl.json"
DAYS = 3
# Fields that an event may do without.
OPTIONAL = {"older_than_hours"}
# What a merge needs of a run of its own: the temporary table of the other run is the output when its merge would come.
MERGED = ["acquire-lease", "query-count", "get-count", "incremental-load-step-1", "incremental-load-step-2", "audit"]
# Loopback, whatever the proxies of this machine are.
HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port(host="127.0.0.1"):
    with socket.socket() as listener:
        listener.bind((host, 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def process(command, log, port, host="127.0.0.1", **options):
    """A program that answers at `port`; ends with the block."""
    with open(log, "wb") as output:
        running = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options
        )
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
                break
            if running.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{command[0]} does not answer:\n{pathlib.Path(log).read_text(errors='replace')}")
            time.sleep(0.02)
        yield
    finally:
        running.terminate()
        running.wait()


def in_order(states):
    """The functions of a definition's Task states, as the states follow each other; branches where they are."""
    for name, state in states.items():
        for branch in state.get("Branches", []):
            yield from in_order(branch["States"])
        if "lambda:invoke" in state.get("Resource", ""):
            # State, folder, binary and fixture share one name.
            yield re.sub(r"[^a-z0-9]+", "-", name.lower())


def environments(endpoint):
    """Function name to the variables that SAM would give its container, as `sam local invoke --env-vars` does."""
    overrides = json.loads((ROOT / "events" / "env.json").read_text())
    overrides["Parameters"]["AWS_ENDPOINT_URL"] = endpoint
    stacks, _ = SamLocalStackProvider.get_stacks(str(ROOT / "template.yaml"))
    provider = SamFunctionProvider(stacks)
    runner = LocalLambdaRunner(
        None, provider, str(ROOT), str(ROOT), aws_region="us-east-1", env_vars_values=overrides
    )
    # pylint: disable=protected-access
    return {function.functionname: runner._make_env_vars(function).resolve() for function in provider.get_all()}


class Function:
    """One function behind its own emulator."""

    def __init__(self, name, port):
        self.name, self.url = name, f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"

    def invoke(self, event):
        request = urllib.request.Request(self.url, data=json.dumps(event).encode(), method="POST")
        with HTTP.open(request, timeout=120) as response:
            return json.load(response)

    def answer(self, event):
        answer = self.invoke(event)
        if "errorType" in answer:
            sys.exit(f"{self.name} failed: {answer['errorType']}: {answer['errorMessage']}\nthe event was {event}")
        return answer

    def refuses(self, event, field):
        """The event must be refused as InvalidInput, in a sentence that names the field."""
        answer = self.invoke(event)
        told = answer.get("errorType") == "InvalidInput" and field in answer.get("errorMessage", "")
        if not told:
            sys.exit(f"{self.name} does not refuse {field}: {answer}\nthe event was {event}")


@contextlib.contextmanager
def emulated(name, environment, work):
    port, runtime_port = free_port(), free_port()
    command = [EMULATOR, "--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    command += ["--runtime-api-address", f"127.0.0.1:{runtime_port}", BIN / name]
    variables = {"PATH": os.environ["PATH"], **environment}
    with process(command, work / f"{name}.log", port, env=variables, cwd=work):
        yield Function(name, port)


def fixture(name):
    return json.loads((ROOT / "events" / f"{name}.json").read_text())


def wrong(event):
    """Events that are none of this function's, each with the field that its error must name; the likeliest first."""
    if "Records" in event:
        # S3's: they may hold more than the function reads.
        yield {"Record": event["Records"]}, "Records"
        for field in ("eventVersion", "eventName", "eventTime", "s3"):
            record = {key: value for key, value in event["Records"][0].items() if key != field}
            yield {"Records": [record]}, field
        return
    yield {**event, "surprise": 1}, "surprise"
    yield {**event, "redrive_count": "often"}, "redrive_count"
    for field in event:
        if field not in OPTIONAL:
            yield {key: value for key, value in event.items() if key != field}, field
    yield ["no", "object"], "object" if "state" in event else ""


class Pipeline:
    """The answers so far, and what they give the events that follow. `opened` is a function by its name, while its block
    lasts; each is given the first `refused` of the events that it must refuse, or all of them."""

    def __init__(self, opened, endpoint, work, refused=None):
        self.opened, self.endpoint, self.work, self.refused, self.answers = opened, endpoint, work, refused, {}

    def event(self, name):
        """The fixture, with the fields that only this run can know."""
        event, answers = fixture(name), self.answers
        known = {
            "query_execution_id": lambda: answers["query-count"]["query_execution_id"],
            "watermark": lambda: answers["get-count"]["watermark"],
            "latest_day": lambda: answers["get-count"]["watermark"],
            "seen_location": lambda: answers["list-pageviews-files"]["seen_location"],
            "seen_before": lambda: self.noted(),
            "output_location": lambda: answers["query-count"]["output"]["location"],
            "output_version": lambda: answers["query-count"]["output"]["version"],
            "output": lambda: answers["query-count"]["output"],
            "temporary_location": lambda: answers["incremental-load-step-1"]["temporary_location"],
            "metadata_location": lambda: answers["incremental-load-step-4"]["previous_metadata_location"],
        }
        event.update({field: value() for field, value in known.items() if field in event})
        if "Records" in event:
            self.drop(event["Records"][0]["s3"])
        if name == "summary":
            # It reads the history of an execution, so there must be one.
            event["execution_arn"] = self.executed()
        return event

    def noted(self):
        """The manifest that the output names: none before the full load, then the run's."""
        return self.answers["list-pageviews-files"]["seen_location"] if "full-load" in self.answers else None

    def drop(self, told):
        """Puts a generated file where S3's event says that one was created, and the event right about it."""
        body = next((self.work / "raw" / "pageviews").rglob("*.csv")).read_bytes()
        url = f"{self.endpoint}/{told['bucket']['name']}/{told['object']['key']}"
        with HTTP.open(urllib.request.Request(url, data=body, method="PUT"), timeout=60) as response:
            told["object"].update(size=len(body), eTag=response.headers["ETag"].strip('"'))

    def executed(self):
        command = [BIN / "pageviews", "run", "--json", "--endpoint", self.endpoint]
        run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        return json.loads(run.stdout)["execution_arn"]

    def run(self, name, **changes):
        event = {**self.event(name), **changes}
        with self.opened(name) as function:
            answer = self.answers[name] = function.answer(event)
            for refused, field in itertools.islice(wrong(event), self.refused):
                function.refuses(refused, field)
        check(name, answer, self.answers)
        print(f"   {name}: {json.dumps(answer)}", flush=True)

    def run_all(self, names):
        """Every function once, in this order; those that count once more when the output has changed."""
        for name in names:
            if name == "incremental-load-step-1":
                # The table has changed; under the same token Athena would answer with the count of before.
                self.run("query-count", redrive_count=1)
                self.run("get-count", redrive_count=1)
            if name == "merge":
                self.run("clean-up")
                changes = {"execution_arn": fixture(name)["execution_arn"] + "-merge"}
                for earlier in MERGED:
                    # As the state machine has it for a merge: no day is copied.
                    nothing = {"watermark": "0001-01-01"} if earlier == "incremental-load-step-1" else {}
                    self.run(earlier, **changes, **nothing)
            own = name in ("merge", "compact", "clean-up")
            self.run(name, **(changes if own else {}))


def check(name, answer, answers):
    """What the answer must hold, beyond not being an error."""
    required = {
        "extract-load": lambda: answer["sources"][0]["status"] == "loaded" and answer["sources"][0]["rows_rejected"] == 0,
        "list-pageviews-files": lambda: answer["days"] == answer["unseen_days"] == DAYS,
        "load-customers-partitions": lambda: answer["folders"] == answer["added"] > 0,
        "load-pageviews-partitions": lambda: answer["days"] == answer["added"] == DAYS,
        "query-count": lambda: set(answer["output"]) == {"version", "location", "metadata_location", "pageviews_seen"},
        "get-count": lambda: (answer["row_count"] > 0) == ("full-load" in answers),
        "full-load": lambda: answer["rows"] > 0,
        "acquire-lease": lambda: answer["taken_over_from"] is None,
        "incremental-load-step-1": lambda: answer["temporary_location"].startswith("s3://"),
        "incremental-load-step-2": lambda: answer["rows"] > 0,
        "incremental-load-step-3": lambda: answer["removed"] == "nothing",
        "audit": lambda: len(answer["checks"]) >= 7,
        "incremental-load-step-4": lambda: answer["published"]["location"]
        == answers["incremental-load-step-1"]["temporary_location"],
        "incremental-load-step-5": lambda: answer["removed"] is True,
        "merge": lambda: answer["rows"] > 0,
        "compact": lambda: answer["most_files"] > 0,
        "clean-up": lambda: answer["released"] is True,
        "rollback": lambda: answer["changed"] is True,
        "janitor": lambda: answer["removed_objects"] == 0,
        "summary": lambda: answer["rows_after"] > 0 and answer["cost"]["currency"] == "USD",
    }
    holds = required.get(name, lambda: bool(answer["query_execution_id"]))
    if not holds():
        sys.exit(f"{name} answers something else: {answer}")


def functions():
    """The template's functions: those that S3 starts, those of the states in their order, and what comes after a run."""
    stacks, _ = SamLocalStackProvider.get_stacks(str(ROOT / "template.yaml"))
    every = {function.functionname for function in SamFunctionProvider(stacks).get_all()}
    states = list(in_order(json.loads(DEFINITION.read_text())["States"]))
    if not every.issuperset(states):
        sys.exit(f"the states have {sorted(states)}, the template has {sorted(every)}")
    others = every.difference(states)
    by_s3 = sorted(name for name in others if "Records" in fixture(name))
    # An operator's and a schedule's, once there is something for them; the last state runs everything once more.
    return by_s3 + states[:-1] + sorted(others.difference(by_s3), reverse=True) + states[-1:]


@contextlib.contextmanager
def cloud(work, host="127.0.0.1", options=()):
    """An empty local cloud; gives its endpoint."""
    port = free_port(host)
    up = [BIN / "pageviews", "up", "--listen", f"{host}:{port}", "--data-dir", work / "data", *options]
    with process(up, work / "up.log", port, host, cwd=ROOT):
        yield f"http://{host}:{port}"


def load(work, endpoint):
    """Puts generated data into a local cloud."""
    raw = work / "raw"
    generate = ["generate", "--out", raw, "--days", str(DAYS), "--views", "3000", "--customers", "100"]
    for command in (generate, ["load", raw, "--endpoint", endpoint]):
        subprocess.run([BIN / "pageviews", *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def main():
    with tempfile.TemporaryDirectory() as folder:
        work, names = pathlib.Path(folder), functions()
        with cloud(work) as endpoint:
            load(work, endpoint)
            variables = environments(endpoint)
            Pipeline(lambda name: emulated(name, variables[name], work), endpoint, work).run_all(names)
    print(f"-- {len(names)} functions answer, and refuse what is no event of theirs")


if __name__ == "__main__":
    main()
