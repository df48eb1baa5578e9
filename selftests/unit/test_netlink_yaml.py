#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""uapi/husk.yaml against uapi/husk_netlink.h and the policies of kmod/netlink.c.

What the specification says is turned into a C program of static assertions and
tables, which is compiled with the header; the kernel's source is read for the
policy of each command.
"""
import os
import re
import subprocess
import sys
import tempfile

import yaml

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
passed = failed = 0


def report(name, problems):
    global passed, failed
    if problems:
        failed += 1
        print(f"not ok {name}: {'; '.join(problems)}")
    else:
        passed += 1
        print(f"ok {name}")


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def c_name(name):
    return name.upper().replace("-", "_")


def attr_name(attr_set, attr):
    return c_name(attr_set["name-prefix"] + attr)


def compile_c(body):
    """Compile a program with the header; its problems as a list, its output lines as another."""
    with tempfile.TemporaryDirectory() as folder:
        source, program = os.path.join(folder, "t.c"), os.path.join(folder, "t")
        with open(source, "w", encoding="utf-8") as f:
            f.write('#include <stdio.h>\n#include "uapi/husk_netlink.h"\n' + body)
        cc = subprocess.run(["cc", "-I", TOP, "-o", program, source], capture_output=True, text=True)
        if cc.returncode:
            errors = [line.split("error: ", 1)[1] for line in cc.stderr.splitlines() if "error: " in line]
            return errors or [cc.stderr], []
        return [], subprocess.run([program], capture_output=True, text=True).stdout.splitlines()


def assertions(values):
    return "".join(f'_Static_assert({name} == {value}, "{name} is not {value}");\n' for name, value in values)


def check_values(spec):
    for attr_set in spec["attribute-sets"]:
        values = [(attr_name(attr_set, a["name"]), n) for n, a in enumerate(attr_set["attributes"], 1)]
        values.append((c_name(attr_set["attr-max-name"]), len(attr_set["attributes"])))
        report(f"attributes of {attr_set['name']}", compile_c(assertions(values) + "int main(void) {}\n")[0])

    operations = spec["operations"]
    values = [(c_name(operations["name-prefix"] + op["name"]), n) for n, op in enumerate(operations["list"], 1)]
    values.append(("HUSK_CMD_MAX", len(operations["list"])))
    report("commands", compile_c(assertions(values) + "int main(void) {}\n")[0])

    values = [("HUSK_" + c_name(d["name"]), d["value"]) for d in spec["definitions"] if d["type"] == "const"]
    values.append(("HUSK_FAMILY_VERSION", spec["version"]))
    report("constants", compile_c(assertions(values) + "int main(void) {}\n")[0])

    _, names = compile_c('int main(void) { puts(HUSK_FAMILY_NAME); puts(HUSK_MCGRP_LIFECYCLE); '
                         'puts(HUSK_MCGRP_FAULTS); puts(HUSK_MCGRP_STATS); }\n')
    wanted = [spec["name"]] + [group["name"] for group in spec["mcast-groups"]["list"]]
    report("family and group names", [] if names == wanted else [f"{names} in C, {wanted} in YAML"])


def check_enums(spec):
    lists = {"life": "HUSK_EVENTS", "vm-state": "HUSK_VM_STATES"}
    for enum in (d for d in spec["definitions"] if d["type"] == "enum"):
        prefix = "HUSK_" + c_name(enum["name"]) + "_"
        values = [(prefix + c_name(e), n) for n, e in enumerate(enum["entries"])]
        values.append((prefix + "COUNT", len(enum["entries"])))
        problems, names = compile_c(
            assertions(values) + "#define X(id, name, what) puts(name);\n"
            f"int main(void) {{ {lists[enum['name']]}(X) }}\n")
        if not problems and names != enum["entries"]:
            problems = [f"{names} in C, {enum['entries']} in YAML"]
        report(f"enum {enum['name']}", problems)


def check_nests(spec):
    sets = {s["name"]: s for s in spec["attribute-sets"]}
    problems = []
    for attr_set in sets.values():
        for attr in attr_set["attributes"]:
            if attr["type"] == "nest" and attr.get("nested-attributes") not in sets:
                problems.append(f"{attr_set['name']}.{attr['name']} nests an unknown set")
            if attr["type"] == "u64" and attr_set["attributes"][0]["type"] != "pad":
                problems.append(f"{attr_set['name']} has u64 attributes, but pad is not its number 1")
    report("nests and pads", problems)


def wanted_policy(attr, ranges):
    """The row of a policy that an attribute's type and checks ask for; ranges: C's, by the constant that is their limit"""
    checks = attr.get("checks", {})
    if attr["type"] == "u32" and "min" in checks:
        return f"NLA_POLICY_MIN(NLA_U32, {checks['min']})"
    if attr["type"] == "u32" and checks.get("max") == 63:
        return "NLA_POLICY_MAX(NLA_U32, HUSK_MAX_VCPUS - 1)"
    if attr["type"] == "u32" and "max" in checks:
        return f"NLA_POLICY_FULL_RANGE(NLA_U32, &{ranges.get('HUSK_' + c_name(checks['max']))})"
    lengths = {63: "HUSK_NAME_LEN - 1", 255: "HUSK_START_MESSAGE_LEN - 1"}
    if attr["type"] == "string" and checks.get("max-len") in lengths:
        return f"{{ .type = NLA_NUL_STRING, .len = {lengths[checks['max-len']]} }}"
    if attr["type"] in ("u32", "u64") and not checks:
        return f"{{ .type = NLA_{attr['type'].upper()} }}"
    return f"no policy is known for {attr}"


def c_ranges(source):
    found = re.findall(r"struct netlink_range_validation (\w+) = \{\s*\.max = (\w+),?\s*\};", source)
    return {limit: name for name, limit in found}


def c_policies(source):
    """Tables by name, each with its rows by attribute"""
    tables = re.findall(r"static const struct nla_policy (\w+)\[\] = \{(.*?)\n\};", source, re.S)
    return {name: dict(re.findall(r"\[(\w+)\] = (.*?),\n", rows + "\n")) for name, rows in tables}


def c_operations(source):
    table = re.search(r"husk_nl_ops\[\] = \{(.*?)\n\};", source, re.S).group(1)
    ops = {}
    for row in re.findall(r"\{(.*?)\}", table, re.S):
        fields = dict(re.findall(r"\.(\w+) = (\w+)", row))
        ops[fields.pop("cmd")] = fields
    return ops


def check_policies(spec, source):
    sets = {s["name"]: s for s in spec["attribute-sets"]}
    ranges, policies, ops = c_ranges(source), c_policies(source), c_operations(source)
    used = {name: set() for name in policies}
    for op in spec["operations"]["list"]:
        if "event" in op:
            continue
        problems = []
        command = c_name(spec["operations"]["name-prefix"] + op["name"])
        row = ops.pop(command, None)
        if row is None:
            report(f"policy of {op['name']}", ["not in husk_nl_ops"])
            continue
        attr_set = sets[op["attribute-set"]]
        asked = {a for kind in ("do", "dump") for a in op.get(kind, {}).get("request", {}).get("attributes", [])}
        attrs = [a for a in attr_set["attributes"] if a["name"] in asked]
        policy = policies.get(row["policy"], {})
        taken = set()
        for attr in attrs:
            name = attr_name(attr_set, attr["name"])
            taken.add(name)
            if policy.get(name) != wanted_policy(attr, ranges):
                problems.append(f"{name}: {policy.get(name)} in C, {wanted_policy(attr, ranges)} in YAML")
        used.setdefault(row["policy"], set()).update(taken)
        last = attr_name(attr_set, attrs[-1]["name"]) if attrs else "HUSK_A_VM_PAD"
        if not attrs and policy != {last: "{ .type = NLA_REJECT }"}:
            problems.append(f"takes none, but uses {row['policy']}")
        if row["maxattr"] != last:
            problems.append(f"takes attributes up to {row['maxattr']}, not {last}")
        # of a table that others share, what is beyond maxattr is not taken
        order = [attr_name(attr_set, a["name"]) for a in attr_set["attributes"]]
        more = [n for n in policy if attrs and n not in taken and order.index(n) <= order.index(last)
                and policy[n] != "{ .type = NLA_REJECT }"]
        if more:
            problems.append(f"takes {', '.join(more)}, too")
        for kind, member in (("do", "doit"), ("dump", "dumpit")):
            if (kind in op) != (member in row):
                problems.append(f"{kind} is only in one of C and YAML")
        report(f"policy of {op['name']}", problems)
    spare = [f"{table}: {name}" for table in policies for name in sorted(set(policies[table]) - used[table])
             if policies[table][name] != "{ .type = NLA_REJECT }"]
    report("no command or attribute more", [f"{name} is not in YAML" for name in list(ops) + spare])


def main():
    spec = yaml.safe_load(read("uapi/husk.yaml"))
    check_values(spec)
    check_enums(spec)
    check_nests(spec)
    check_policies(spec, read("kmod/netlink.c"))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
