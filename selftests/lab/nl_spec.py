#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""nl_spec.py husk.yaml: its attributes and commands as C tables, for nl_fuzz.c, which has their types."""
import sys

import yaml

spec = yaml.safe_load(open(sys.argv[1]))
constants = {d["name"]: d["value"] for d in spec["definitions"] if d["type"] == "const"}
prefixes = {s["name"]: s["name-prefix"] for s in spec["attribute-sets"]}


def c_name(text):
    return text.upper().replace("-", "_")


def number(value):
    return constants.get(value, value)


def attribute(prefix, attr):
    checks = {key: number(value) for key, value in attr.get("checks", {}).items()}
    fields = [f'.kind = SPEC_{c_name(attr["type"])}', f'.min = {checks.get("min", 0)}u',
              f'.max = {checks.get("max", 0xffffffff)}u', f'.len = {checks.get("exact-len", checks.get("max-len", 0))}']
    if attr["type"] == "nest":
        fields.append(f'.nest = &spec_set_{attr["nested-attributes"]}')
    return f'\t\t[{c_name(prefix + attr["name"])}] = {{ {", ".join(fields)} }},'


def attributes(op, way, side):
    names = op.get(way, {}).get(side, {}).get("attributes", [])
    return [c_name(prefixes[op["attribute-set"]] + name) for name in names]


def command(op):
    request = sorted(set(attributes(op, "do", "request") + attributes(op, "dump", "request")))
    answer = attributes(op, "do", "reply") + attributes(op, "dump", "reply")
    answer += [c_name(prefixes[op["attribute-set"]] + name) for name in op.get("event", {}).get("attributes", [])]
    mask = " | ".join(f"1ULL << {name}" for name in sorted(set(answer))) or "0"
    return (f'\t{{ .cmd = {c_name(spec["operations"]["name-prefix"] + op["name"])}, .set = &spec_set_{op["attribute-set"]}, '
            f'.answer = {mask},\n\t  .requests = {len(request)}, .request = {{ {", ".join(request)} }} }},')


print("/* Made by selftests/lab/nl_spec.py from uapi/husk.yaml */")
for s in spec["attribute-sets"]:
    print(f'static const struct spec_set spec_set_{s["name"]};')
for s in spec["attribute-sets"]:
    print(f'static const struct spec_set spec_set_{s["name"]} = {{\n\t.max = {c_name(s["attr-max-name"])},\n\t.attr = {{')
    for attr in s["attributes"]:
        print(attribute(s["name-prefix"], attr))
    print("\t},\n};")
print("static const struct spec_cmd spec_cmds[] = {")
for op in spec["operations"]["list"]:
    print(command(op))
print("};")
