#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""tutorial.py README FOLDER: what userland/bpf/README.md tells, ready to be run, in FOLDER.

A comment there says what the indented lines after it are:

    file NAME   a file
    from NAME   lines of a file beside README, in their order
    build       commands that compile: in build.sh
    run         commands for a machine with husk: in commands, one a line
"""
import os
import re
import sys


def blocks(text):
    """(comment, indented lines after it), one after the other"""
    for what, body in re.findall(r"^<!-- (\S+(?: \S+)?) -->\n\n((?:(?:    .*)?\n)+)", text, re.M):
        yield what.split(), re.sub(r"^    ", "", body.strip("\n") + "\n", flags=re.M)


def lines_of(body, path):
    """Are all lines of body in the file, in that order?"""
    with open(path, encoding="utf-8") as f:
        left = iter(f.read().splitlines())
    for line in body.splitlines():
        if line not in left:
            sys.exit(f"tutorial.py: {path} has no line '{line.strip()}' there")


def main():
    readme, folder = sys.argv[1:]
    with open(readme, encoding="utf-8") as f:
        text = f.read()
    found = list(blocks(text))
    if len(found) != len(re.findall(r"^<!-- (?:file \S+|from \S+|build|run) -->$", text, re.M)):
        sys.exit("tutorial.py: a comment has no indented lines after it")
    out = {"build.sh": "", "commands": ""}
    for what, body in found:
        if what[0] == "from":
            lines_of(body, os.path.join(os.path.dirname(readme), what[1]))
        elif what[0] == "file":
            out[what[1]] = body
        else:
            out["build.sh" if what[0] == "build" else "commands"] += body
    for name, body in out.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(body)


main()
