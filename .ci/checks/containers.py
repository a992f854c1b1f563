"""Runs every function by `sam local invoke`, in containers, against a `pageviews up` with generated data.

    python3 .ci/checks/containers.py DIR [BUILD]     DIR holds the `pageviews` binary, BUILD is what `sam build` made

Each function gets events/<function>.json and events/env.json, in the order of the states, as in rie.py, which says what is
checked. Needs a container engine whose command is `docker`; where there is none, it says SKIPPED and why. The image is AWS's
own where it can be pulled; elsewhere a stand-in of this machine's C library and shell, which proves SAM's wiring and not
Amazon Linux.
"""

import contextlib
import io
import ipaddress
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

import rie

BUILD = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else rie.ROOT / ".aws-sam" / "build").resolve()
IMAGE = f"public.ecr.aws/lambda/provided:al2023-{os.uname().machine}"
# What SAM's own layer on top of the image runs, and what links it.
STAND_IN = ["sh", "mv", "chmod"]
# As events/env.json has it.
HOST = "host.docker.internal"


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def without_engine():
    """Why no container can be run here, or None."""
    if not shutil.which("docker"):
        return "there is no docker command"
    info = subprocess.run(["docker", "info", "--format", "{{.ServerVersion}}"], capture_output=True, text=True)
    return None if info.returncode == 0 else f"the engine does not answer: {info.stderr.strip().splitlines()[-1]}"


def libraries(program):
    """The shared libraries of a program with their paths, the loader among them."""
    words = output("ldd", program).split()
    return {word for word in words if word.startswith("/")}


def stand_in():
    """An image of what a function and SAM's layer need of a system, from this machine."""
    programs = {pathlib.Path("/bin") / name: shutil.which(name) for name in STAND_IN}
    needed = [*programs.values(), *BUILD.glob("*/bootstrap")]
    files = {path: path for program in needed for path in libraries(program)} | programs
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", dereference=True) as tar:
        for target, source in sorted(files.items(), key=lambda item: str(item[0])):
            tar.add(os.path.realpath(source), arcname=str(target).lstrip("/"))
        for folder in ("tmp", "var/task", "var/runtime"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(entry)
    subprocess.run(["docker", "import", "-", IMAGE], input=archive.getvalue(), check=True, stdout=subprocess.DEVNULL)


def image():
    """Sees to it that there is an image; says which one."""
    if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True).returncode == 0:
        return "the image that is there"
    with contextlib.suppress(subprocess.TimeoutExpired):
        if subprocess.run(["docker", "pull", "--quiet", IMAGE], capture_output=True, timeout=300).returncode == 0:
            return "AWS's image"
    stand_in()
    return "a stand-in made of this machine's C library: AWS's image cannot be pulled"


class Contained(rie.Function):
    """One function, in a new container for each event."""

    def __init__(self, name, work, logical_id):
        super().__init__(name, 0)
        self.work, self.logical_id = work, logical_id

    def invoke(self, event):
        path = self.work / "event.json"
        path.write_text(json.dumps(event))
        command = ["sam", "local", "invoke", self.logical_id, "--template", BUILD / "template.yaml", "--event", path]
        command += ["--env-vars", self.work / "env.json", "--skip-pull-image", "--add-host", f"{HOST}:host-gateway"]
        # With credentials in its environment, SAM asks AWS who they belong to.
        variables = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        variables |= {"AWS_DEFAULT_REGION": "us-east-1", "SAM_CLI_TELEMETRY": "0"}
        # The functions' own credentials: SAM passes these on as they are.
        ran = subprocess.run(command, cwd=self.work, env=variables, capture_output=True, text=True, timeout=300)
        last = (ran.stdout.strip().splitlines() or [""])[-1]
        try:
            return json.loads(last)
        except json.JSONDecodeError:
            sys.exit(f"sam local invoke {self.logical_id} gives no answer:\n{ran.stdout}\n{ran.stderr}")


def logical_ids():
    """Function name to the name of its resource."""
    stacks, _ = rie.SamLocalStackProvider.get_stacks(str(rie.ROOT / "template.yaml"))
    return {function.functionname: function.name for function in rie.SamFunctionProvider(stacks).get_all()}


def gateway():
    """Where containers reach this machine: what `host-gateway` stands for. It is the first address, unless said otherwise."""
    config = json.loads(output("docker", "network", "inspect", "bridge"))[0]["IPAM"]["Config"][0]
    return config.get("Gateway") or str(ipaddress.ip_network(config["Subnet"])[1])


def main():
    reason = without_engine()
    if reason:
        print(f"SKIPPED: sam local invoke in containers: {reason}")
        return
    if not (BUILD / "template.yaml").exists():
        sys.exit(f"there is nothing in {BUILD}: run `sam build` first")
    names, resources = rie.functions(), logical_ids()
    print(f"-- in {image()}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        with rie.cloud(work, gateway()) as endpoint:
            rie.load(work, endpoint)
            told = json.loads((rie.ROOT / "events" / "env.json").read_text())
            told["Parameters"]["AWS_ENDPOINT_URL"] = f"http://{HOST}:{endpoint.rsplit(':', 1)[1]}"
            (work / "env.json").write_text(json.dumps(told))

            def opened(name):
                return contextlib.nullcontext(Contained(name, work, resources[name]))

            rie.Pipeline(opened, endpoint, work, refused=1).run_all(names)
    print(f"-- {len(names)} functions answer in containers; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
