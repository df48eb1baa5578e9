#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What husk takes against what its help, its manual page and the shells' completion say.

What a command takes it says itself: "--=" is an abbreviation of all of its options.
"""
import os
import re
import shutil
import subprocess
import tempfile

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
HUSK = os.path.abspath(os.path.join(os.environ.get("O", os.path.join(TOP, "build")), "bin", "husk"))
COMPLETION = os.path.join(TOP, "userland", "completion")
passed = failed = 0


def report(name, problems):
    global passed, failed
    if problems:
        failed += 1
        print(f"not ok {name}: {'; '.join(problems)}")
    else:
        passed += 1
        print(f"ok {name}")


SCRATCH = tempfile.TemporaryDirectory()


def husk(*args):
    # an option may name a file that is made
    return subprocess.run([HUSK, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10,
                          check=False, cwd=SCRATCH.name)


def listing(command):
    """Options, those that take an argument, and operands, by husk help --list"""
    options, arguments, operands = set(), {}, []
    for line in husk("help", "--list", command).stdout.splitlines():
        kind, name, *argument = line.split("\t")
        if kind == "option":
            options.add(name)
            if argument:
                arguments[name] = argument[0]
        else:
            operands.append(name)
    return options, arguments, operands


def taken(command):
    """Options by getopt's own table"""
    words = husk(command, "--=x").stderr.splitlines()[0]
    assert "ambiguous" in words or "doesn't allow" in words, words
    return {f for f in re.findall(r"'(--[a-z-]+)'", words)}


def test_options(command):
    problems = []
    options, arguments, _ = listing(command)
    real = taken(command)
    if options != real:
        problems.append(f"help and program differ in {sorted(options ^ real)}")
    for option in sorted(real):
        # one without an argument refuses one; then nothing of the command is done
        words = husk(command, f"{option}=\x01").stderr
        if ("doesn't allow an argument" in words) == (option in arguments):
            problems.append(f"{option} takes an argument, or not: {words.splitlines()[:1]}")
    asked = husk(command, "--help")
    if asked.returncode or asked.stderr or not asked.stdout.startswith("usage: husk "):
        problems.append(f"--help: status {asked.returncode}: {(asked.stderr or asked.stdout)[:60]!r}")
    if husk(command, "-h").stdout != asked.stdout:
        problems.append("-h is not --help")
    if any(len(line) > 100 for line in asked.stdout.splitlines()):
        problems.append("--help has lines of more than 100 characters")
    report(f"help_{command}", problems)


def manual():
    """What the manual page has about each command: its lines of the synopsis, its part of the description"""
    with open(os.path.join(TOP, "userland", "husk.1"), encoding="utf-8") as f:
        page = f.read()
    synopsis = page.split(".Sh SYNOPSIS\n")[1].split(".Sh ")[0]
    description = page.split(".Sh DESCRIPTION\n")[1].split(".Ss ")[0]
    parts = {}
    for part in synopsis.split(".Nm\n")[1:]:
        for name in re.findall(r"[a-z]+", part.split("\n")[0].removeprefix(".Cm ")):
            parts.setdefault(name, ["", ""])[0] += part
    items = re.split(r"^\.It (Cm .*)\n", description, flags=re.M)
    for head, part in zip(items[1::2], items[2::2]):
        for name in re.findall(r"Cm ([a-z]+)", head):
            parts.setdefault(name, ["", ""])[1] += part
    return parts


def test_manual(command, parts):
    problems = []
    synopsis, description = parts.get(command, ["", ""])
    if not synopsis or not description:
        problems.append("not in the synopsis, or without a description")
    taken = listing(command)[0] - {"--help"}
    if "The options are those of\n.Cm run" in description:
        taken -= listing("run")[0]
    for option in sorted(taken):
        if not re.search(r"Fl " + re.escape(option[1:]) + r"\b", synopsis + description):
            problems.append(f"{option} is missing")
    for option in re.findall(r"^\.Op Fl (-[a-z-]+)", synopsis, flags=re.M):
        if "-" + option not in listing(command)[0]:
            problems.append(f"-{option} does not exist")
    report(f"manual_{command}", problems)


def complete(*words, path=None):
    """What bash offers for the last word"""
    script = f'. {COMPLETION}/husk.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _husk; printf "%s\\n" "${{COMPREPLY[@]}}"'
    environment = dict(os.environ, HUSK_DEFINITIONS=path or "/nowhere", LC_ALL="C")
    done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, timeout=20,
                          env=environment, check=False, cwd=path or "/")
    return [word for word in done.stdout.splitlines() if word] if not done.stderr else [done.stderr]


def test_bash(commands):
    def expect(name, got, wanted):
        report(name, [] if sorted(got) == sorted(wanted) else [f"{sorted(got)}, not {sorted(wanted)}"])

    expect("bash_commands", complete(HUSK, ""), commands)
    expect("bash_commands_help", complete(HUSK, "help", ""), commands)
    expect("bash_command_begun", complete(HUSK, "tra"), ["trace"])
    for command in commands:
        expect(f"bash_options_{command}", complete(HUSK, command, "--"), taken(command))
    with tempfile.TemporaryDirectory() as folder:
        fake = os.path.join(folder, "husk")
        # a husk with two VMs, which else is the real one
        with open(fake, "w", encoding="utf-8") as f:
            f.write('#!/bin/sh\n[ "$1" = ls ] || exec "$HUSK" "$@"\n'
                    'printf \'[\\n {"id": 1, "name": "web"},\\n {"id": 2, "name": "mail", "uuid": ""}\\n]\\n\'\n')
        os.chmod(fake, 0o755)
        os.environ["HUSK"] = HUSK
        for name in ("disk.raw", "a file", "web.conf", "old.conf"):
            with open(os.path.join(folder, name), "w", encoding="utf-8"):
                pass
        expect("bash_vms", complete(fake, "show", ""), ["web", "mail"])
        expect("bash_vm_begun", complete(fake, "show", "--json", "w"), ["web"])
        expect("bash_one_vm", complete(fake, "show", "web", ""), [])
        expect("bash_vm_option", complete(fake, "trace", "--vm", "m"), ["mail"])
        expect("bash_vm_equals", complete(fake, "trace", "--vm", "=", "m"), ["mail"])
        expect("bash_vm_equals_empty", complete(fake, "trace", "--vm", "="), ["web", "mail"])
        expect("bash_vm_after_option", complete(fake, "stop", "--timeout", "5", "w"), ["web"])
        expect("bash_number", complete(fake, "stop", "--timeout", ""), [])
        expect("bash_choices", complete(fake, "run", "--console", ""), ["serial", "virtio"])
        expect("bash_definitions", complete(fake, "start", "", path=folder), ["old", "web"])
        expect("bash_files", complete(fake, "run", "--disk", "d", path=folder), ["disk.raw"])
        expect("bash_files_space", complete(fake, "run", "--kernel", "a", path=folder), ["a file"])
        expect("bash_optional_argument", complete(fake, "trace", "--flame", "=", "c"), ["count"])
        expect("bash_optional_argument_empty", complete(fake, "trace", "--flame", "="), ["ns", "count"])
        expect("bash_optional_argument_no_word", complete(fake, "trace", "--flame", "n"), [])
        expect("bash_reasons", complete(fake, "trace", "--reason", "rd"), ["rdmsr", "rdpmc", "rdtsc"])
        expect("bash_levels", complete(fake, "trace", "--level", ""), ["fast", "kernel", "worker"])
        expect("bash_choice_or_file", complete(fake, "run", "--firmware", "o", path=folder), ["ovmf", "old.conf"])
        # what a command does not know, or no husk at all, is no error
        expect("bash_unknown", complete(fake, "nosuch", ""), [])
        expect("bash_no_husk", complete("/nowhere/husk", ""), [])


def test_zsh():
    if not shutil.which("zsh"):
        print("skip zsh_syntax: no zsh here (package zsh)")
        return
    done = subprocess.run(["zsh", "-n", os.path.join(COMPLETION, "_husk")], capture_output=True, text=True, check=False)
    report("zsh_syntax", [done.stderr] if done.returncode or done.stderr else [])


def main():
    if not os.path.exists(HUSK):
        report("help", [f"no {HUSK}: make userland"])
        return
    commands = [line.split("\t")[0] for line in husk("help", "--list").stdout.splitlines()]
    parts = manual()
    report("commands", [] if len(commands) > 10 else [f"only {commands}"])
    for command in commands:
        test_options(command)
        test_manual(command, parts)
    test_bash(commands)
    test_zsh()
    husk_run = husk("run", "--help").stdout
    report("help_run_options", [o for o in listing("run")[0] - {"--help"} if f"  {o}" not in husk_run])


if __name__ == "__main__":
    main()
    print(f"{passed} passed, {failed} failed")
    raise SystemExit(bool(failed))
