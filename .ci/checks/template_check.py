"""Translates template.yaml with SAM's own transform and compares the result with docs/resources.md.

    python .ci/checks/template_check.py [--write]

Run by the Python that the SAM CLI is installed for, because the transform is part of it. Every resource that CloudFormation
would make must be listed in the document with its type, the role that it acts as and what starts it, and nothing else may
be. --write brings the document's table up to date; what a resource is for stays as written.
"""

import re
import sys
from pathlib import Path

from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "resources.md"
# `Resource` | Type | Role | Started by | What it is for
ROW = re.compile(r"^\| `(\w+)` \| (AWS::[\w:]+) \| (\S+) \| (\S+) \| (.*) \|$", re.MULTILINE)
NOTHING = "–"


def translated():
    """The resources as CloudFormation gets them: name to the resource."""
    template = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    for resource in template["Resources"].values():
        # The transform wants what `sam package` would have put here.
        for uri in ("CodeUri", "DefinitionUri"):
            if uri in resource.get("Properties", {}):
                resource["Properties"][uri] = "s3://bucket/key"
    return Translator({}, Parser()).translate(sam_template=template, parameter_values={})["Resources"]


def names(value):
    """The resources that a value refers to, by Ref or Fn::GetAtt."""
    if isinstance(value, list):
        return [name for item in value for name in names(item)]
    if not isinstance(value, dict):
        return []
    if "Ref" in value:
        return [value["Ref"]]
    if "Fn::GetAtt" in value:
        attribute = value["Fn::GetAtt"]
        return [attribute.split(".")[0] if isinstance(attribute, str) else attribute[0]]
    return [name for item in value.values() for name in names(item)]


def targets(resource):
    """What a rule or a schedule starts: pairs of a target and the role that it is started with."""
    properties = resource["Properties"]
    every = properties.get("Targets", [properties["Target"]] if "Target" in properties else [])
    return [(names(target["Arn"])[0], names(target.get("RoleArn"))) for target in every]


def rows(resources):
    """What the document must say: name to type, role and what starts it."""
    roles = {name: names(resource.get("Properties", {}).get("Role", resource.get("Properties", {}).get("RoleArn")))
             for name, resource in resources.items()}
    starters = {name: [] for name in resources}
    for name, resource in resources.items():
        if resource["Type"] in ("AWS::Events::Rule", "AWS::Scheduler::Schedule"):
            for target, role in targets(resource):
                starters[target].append(name)
                roles[name] = roles[name] or role
    def cell(items):
        return ",".join(f"`{item}`" for item in items) or NOTHING

    return {name: (resource["Type"], cell(roles[name]), cell(starters[name])) for name, resource in resources.items()}


def main():
    """Compares, or writes; says every difference."""
    expected = rows(translated())
    text = DOCUMENT.read_text(encoding="utf-8")
    documented = {match[1]: match.groups()[1:4] for match in ROW.finditer(text)}
    if "--write" in sys.argv:
        purposes = {match[1]: match[5] for match in ROW.finditer(text)}
        lines = [f"| `{name}` | {' | '.join(row)} | {purposes.get(name, 'TODO')} |" for name, row in expected.items()]
        before, rest = text.split("<!-- resources -->\n")[0], text.split("<!-- /resources -->\n")[1]
        header = "| Resource | Type | Role | Started by | What it is for |\n|---|---|---|---|---|\n"
        table = header + "\n".join(lines) + "\n"
        DOCUMENT.write_text(f"{before}<!-- resources -->\n\n{table}\n<!-- /resources -->\n{rest}", encoding="utf-8")
        return 0
    wrong = [f"{name} is not listed: {expected[name]}" for name in expected if name not in documented]
    wrong += [f"{name} is listed, but not made" for name in documented if name not in expected]
    wrong += [f"{name} is listed with {documented[name]}, but made with {expected[name]}"
              for name in expected if name in documented and documented[name] != expected[name]]
    for line in wrong:
        print(f"docs/resources.md: {line}", file=sys.stderr)
    if not wrong:
        print(f"docs/resources.md lists the {len(expected)} resources that SAM's transform makes of template.yaml")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
