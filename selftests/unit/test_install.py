#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What `make install` leaves, and that `make uninstall` takes it away; libhusk as its users find it.

Every public function has kernel-doc that names each parameter and says what is returned; the headers
compile alone; the library has what they declare, and nothing else that is not libhusk's own.
"""
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
failed = False


def verdict(name, why):
    """why: an empty list, string or set if all is well"""
    global failed
    print(f"not ok {name}: {why}" if why else f"ok {name}")
    failed |= bool(why)


def run(*command, **more):
    env = {**os.environ, "BUILD": BUILD, **more}
    return subprocess.run(command, cwd=TOP, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def files(root):
    return {"/" + os.path.relpath(os.path.join(d, f), root) for d, _, names in os.walk(root) for f in names}


def read(path):
    with open(path) as f:
        return f.read()


def test_installed(root, prefix):
    done = run("scripts/install", DESTDIR=root, PREFIX=prefix)
    verdict("install", done.stdout if done.returncode else "")
    listed = set(run("scripts/install", "--list", DESTDIR=root, PREFIX=prefix).stdout.split())
    verdict("install_list", listed ^ files(root))
    need = {f"{prefix}/{path}" for path in (
        "bin/husk", "libexec/husk/husk-vm", "libexec/husk/husk-backend", "include/husk/husk.h", "include/husk/husk_netlink.h", "include/husk/libhusk.h",
        "include/husk/netlink.h", "lib/libhusk.a", "lib/pkgconfig/libhusk.pc", "share/man/man1/husk.1", "share/man/man7/husk-trace.7",
        "share/man/man7/husk-policy.7", "share/husk/bpf/exits.bpf.o", "share/husk/bpf/policy_table.bpf.o",
        "lib/udev/rules.d/60-husk.rules", "lib/sysusers.d/husk.conf")}
    verdict("install_complete", need - listed)
    verdict("install_filled_in", [f for f in listed if not f.endswith((".a", ".bpf.o", "/husk", "/husk-vm", "/husk-backend", "/huskd")) and
                                  re.search(r"@[A-Z]+@|" + re.escape(root), read(root + f))])
    programs = {f for f in listed if os.path.dirname(f) in (f"{prefix}/bin", f"{prefix}/sbin", f"{prefix}/libexec/husk")}
    verdict("install_modes", [f for f in listed if os.stat(root + f).st_mode & 0o777 != (0o755 if f in programs else 0o644)])


def test_headers(include):
    for name in sorted(os.listdir(include + "/husk")):
        done = run("cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I", include, "-x", "c",
                   f"{include}/husk/{name}")
        verdict("header_" + name[:-2], done.stdout.split("\n")[0] if done.returncode else "")


def prototypes(text):
    """(kernel-doc before it or None, name, parameters, returns something?) of each function"""
    found = re.finditer(r"(?:/\*\*\n((?: \*.*\n)*?) \*/\n)?^((?:const )?(?:struct \w+ |\w+ )\**)(husk_\w+)\(([^;]*)\);",
                        text, re.M)
    for m in found:
        if m[2].startswith("typedef"):
            continue
        yield m[1], m[3], re.sub(r"\s+", " ", m[4]), m[2] != "void "


def parameters(text):
    text = re.sub(r"\(\*(\w+)\)\([^)]*\)", r" \1", text)	# a function pointer
    return [] if text == "void" else [re.search(r"(\w+)(\[\w*\])?$", p.strip())[1] for p in text.split(",")]


def undocumented(doc, name, params, returns):
    if doc is None or not re.match(rf" \* {name} - \S", doc):
        return f"{name}: no kernel-doc"
    named = re.findall(r"^ \* @(\w+):", doc, re.M)
    if named != parameters(params):
        return f"{name}: {named} are described"
    return f"{name}: no Return" if returns != ("\n * Return: " in doc) else ""


def test_library(include, archive):
    declared = set()
    for header in ("libhusk.h", "netlink.h"):
        functions = list(prototypes(read(f"{include}/husk/{header}")))
        declared |= {f[1] for f in functions}
        verdict("doc_" + header[:-2], [w for w in (undocumented(*f) for f in functions) if w])
    defined = {line.split()[2] for line in run("nm", "-g", "--defined-only", archive).stdout.split("\n") if len(line.split()) == 3}
    verdict("library_complete", declared - defined if declared else "no function was found")
    private = set(re.findall(r"(husk_\w+)\(", read(TOP + "/userland/lib/netlink_attr.h")))
    verdict("library_no_more", defined - declared - private)


def test_version():
    version = re.search(r"^VERSION := (.*)$", read(TOP + "/Makefile"), re.M)[1]
    packaged = re.match(r"husk \(([^)]*)\)", read(TOP + "/debian/changelog"))[1]
    verdict("version", "" if version == packaged else f"Makefile has {version}, debian/changelog {packaged}")


def test_uninstalled(root, prefix):
    done = run("scripts/install", "--uninstall", DESTDIR=root, PREFIX=prefix)
    verdict("uninstall", done.stdout if done.returncode else "")
    verdict("uninstall_files", files(root))
    verdict("uninstall_folders", [d for d, _, _ in os.walk(root) if "husk" in os.path.basename(d)])
    # what is not ours stays
    stranger = f"{root}{prefix}/include/husk/other.h"
    os.makedirs(os.path.dirname(stranger), exist_ok=True)
    open(stranger, "w").close()
    done = run("scripts/install", "--uninstall", DESTDIR=root, PREFIX=prefix)
    verdict("uninstall_twice", done.stdout if done.returncode or not os.path.exists(stranger) else "")


def main():
    with tempfile.TemporaryDirectory(prefix="install.") as root:
        prefix = "/usr"
        test_installed(root, prefix)
        test_headers(root + prefix + "/include")
        test_library(root + prefix + "/include", root + prefix + "/lib/libhusk.a")
        test_uninstalled(root, prefix)
    test_version()


main()
sys.exit(failed)
