#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""kmod/btf.sh: a module of 6.1, whose headers can't make BTF, gets what a kernel with vmlinux would have given it."""
import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
MODULE = os.path.join(BUILD, "modules", "6.1", "husk.ko.debug")
KERNEL = os.path.join(os.environ.get("HUSK_CACHE", os.path.expanduser("~/.cache/husk")), "kernels", "6.1")
failed = 0


def verdict(name, why):
    global failed
    failed += bool(why)
    print(f"not ok {name}: {why}" if why else f"ok {name}")


def section(path):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["objcopy", "--dump-section", f".BTF={out.name}", path, "/dev/null"], check=False, stderr=subprocess.DEVNULL)
        return out.read()


def types(path):
    """Names of the module's own types, functions and variables"""
    dump = subprocess.run([f"{KERNEL}/../../tools/bpftool", "-B", f"{KERNEL}/vmlinux.btf", "btf", "dump", "file", path],
                          check=False, stdout=subprocess.PIPE, text=True).stdout
    return sorted(line.split("'")[0].split("] ")[-1] + line.split("'")[1] for line in dump.splitlines() if line.startswith("["))


def add(module, **env):
    done = subprocess.run(["sh", "kmod/btf.sh", KDIR, module], cwd=TOP, env={**os.environ, **env}, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return f"status {done.returncode} " * bool(done.returncode) + done.stdout.strip()


if not os.path.exists(MODULE) or not os.path.exists(f"{KERNEL}/vmlinuz"):
    print("skip btf: no module for 6.1 is built")
    sys.exit(0)
with open(f"{KERNEL}/release", encoding="ascii") as f:
    KDIR = f"/usr/src/linux-headers-{f.read().strip()}"
with tempfile.TemporaryDirectory() as tmp:
    bare, module, tools = f"{tmp}/bare.ko", f"{tmp}/husk.ko", f"{tmp}/bin"
    subprocess.run(["objcopy", "-R", ".BTF", MODULE, bare], check=True)
    os.mkdir(tools)
    for tool in ("sh", "sed", "objdump", "grep"):
        os.symlink(shutil.which(tool), f"{tools}/{tool}")

    for name, wanted, env in (
            ("no_image", "there is no /nowhere", {"HUSK_VMLINUZ": "/nowhere"}),
            ("bad_image", "can't unpack", {"HUSK_VMLINUZ": "/etc/passwd"}),
            ("no_pahole", "install pahole", {"PATH": tools})):
        shutil.copy(bare, module)
        said = add(module, **env)
        verdict(f"btf_{name}", "" if wanted in said and "\n" not in said and not section(module) else said or "silent")
    shutil.copy(bare, module)
    said = add(module, HUSK_VMLINUZ=f"{KERNEL}/vmlinuz")
    verdict("btf_added", said)
    # in another order, since the kernel's build has several threads do it
    verdict("btf_same", "" if types(module) == types(MODULE) != [] else "not what the kernel's build makes")
    verdict("btf_again", add(module, HUSK_VMLINUZ="/nowhere"))
sys.exit(failed != 0)
