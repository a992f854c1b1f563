"""Translates template.yaml with SAM's own transform and compares the result with docs/resources.md, and what remains of
it after `sam delete` with what the document says remains.

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
# `Resource or action` | stays or goes | What it is
LEFTOVER = re.compile(r"^\| `([\w:]+)` \| (stays|goes) \| (.*) \|$", re.MULTILINE)
# What makes something that CloudFormation does not know of.
MAKES = re.compile(r"^\w+:(Batch)?(Create|Put|Register|Publish|Import|Copy|Restore)")
# What makes resources outside the stack, of which its template does not tell.
OPAQUE = re.compile(r"^(Custom::|AWS::CloudFormation::|AWS::Serverless::Application$)")


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


def allowed(value):
    """The actions that policies allow the stack's own roles; statements with a principal are about others."""
    if isinstance(value, list):
        return {action for item in value for action in allowed(item)}
    if not isinstance(value, dict):
        return set()
    if value.get("Effect") == "Allow" and "Action" in value and "Principal" not in value:
        actions = value["Action"]
        return {actions} if isinstance(actions, str) else set(actions)
    return {action for item in value.values() for action in allowed(item)}


def keeps(resource):
    """Whether CloudFormation leaves a resource behind, also when it is replaced."""
    return [resource.get(policy, "Delete") for policy in ("DeletionPolicy", "UpdateReplacePolicy")]


def log_group(resource):
    """The log groups that a function or a state machine writes to: none means one that nobody deletes."""
    properties = resource["Properties"]
    return names(properties.get("LoggingConfig", {}).get("LogGroup", properties.get("LoggingConfiguration")))


def leftovers(resources, text):
    """Sentences about what `sam delete` would leave and the document does not say, or the reverse."""
    documented = {match[1]: match[2] for match in LEFTOVER.finditer(text)}
    kept = {name for name, resource in resources.items() if set(keeps(resource)) != {"Delete"}}
    made = {action for action in allowed(resources) if MAKES.match(action)}
    for name in sorted(kept | made):
        if name not in documented:
            yield f"What remains does not tell of {name}"
        elif name in kept and documented[name] != "stays":
            yield f"What remains says that {name} goes, but it is kept"
    for name in documented.keys() - kept - made:
        yield f"What remains lists {name}, which nothing keeps or makes"
    for name, resource in resources.items():
        if len(set(keeps(resource))) > 1:
            yield f"{name} has a DeletionPolicy and an UpdateReplacePolicy that differ"
        if OPAQUE.match(resource["Type"]):
            yield f"{name} makes resources that the template does not show"
        if resource["Type"] in ("AWS::Lambda::Function", "AWS::StepFunctions::StateMachine"):
            if not any(resources.get(group, {}).get("Type") == "AWS::Logs::LogGroup" for group in log_group(resource)):
                yield f"{name} writes to a log group that the stack does not own"
        if resource["Type"] == "AWS::Logs::LogGroup" and "RetentionInDays" not in resource["Properties"]:
            yield f"{name} keeps its log for ever"
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-athena-workgroup.html
        if resource["Type"] == "AWS::Athena::WorkGroup" and not resource["Properties"].get("RecursiveDeleteOption"):
            yield f"{name} cannot be deleted once a query has run in it"


def main():
    """Compares, or writes; says every difference."""
    resources = translated()
    expected = rows(resources)
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
    wrong += leftovers(resources, text)
    for line in wrong:
        print(f"docs/resources.md: {line}", file=sys.stderr)
    if not wrong:
        print(f"docs/resources.md lists the {len(expected)} resources that SAM's transform makes of template.yaml, and what remains")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
