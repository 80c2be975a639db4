"""Run as the first process of new namespaces: builds a root out of the machine's own and becomes systemd in it.

Called with a folder, an empty one, and with binds: ``SOURCE=TARGET``, the target inside the new root. Nothing
that systemd or anybody inside does reaches the machine's own files: the root is an overlay whose upper layer is
in memory. What belongs to hardware, to the clock or to the kernel is masked: it is not ours to start.

``$LAB_LOWER`` may name another root for it than the machine's: that of a newer Debian, for instance.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

MASKED = (
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
    "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service",
    "systemd-modules-load.service",
    "systemd-random-seed.service",
    "systemd-remount-fs.service",
    "systemd-sysctl.service",
    "systemd-timesyncd.service",
    "systemd-tmpfiles-clean.timer",
    "systemd-tmpfiles-setup-dev-early.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-udev-trigger.service",
    "systemd-udevd.service",
    "systemd-update-done.service",
)
TARGET = "[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n"
MACHINE = "5e11ab0f5e11ab0f5e11ab0f5e11ab0f"
"""A machine-id of its own: the journal is filed under it."""


def main(folder: Path, binds: list[str]) -> None:
    """Does not return."""
    root = build(folder)
    for bind in binds:
        source, _, target = bind.partition("=")
        place = root / target.lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        mount("--bind", source, str(place))
    furnish(root)
    become(root)


def build(folder: Path) -> Path:
    """The new root, with the kernel's own filesystems in it."""
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder))
    upper, work, root = (folder / name for name in ("upper", "work", "root"))
    for path in (upper, work, root):
        path.mkdir()
    lower = os.environ.get("LAB_LOWER", "/")
    mount("-t", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", "overlay", str(root))
    mount("-t", "proc", "proc", str(root / "proc"))
    mount("-t", "sysfs", "sysfs", str(root / "sys"))
    mount("--rbind", "/dev", str(root / "dev"))
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(root / "run"))
    mount("-t", "cgroup2", "cgroup2", str(root / "sys/fs/cgroup"))
    return root


def furnish(root: Path) -> None:
    """What makes the boot short, and harmless."""
    units = root / "etc/systemd/system"
    (units / "lab.target").write_text(TARGET)
    for name in MASKED:
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    # systemd-tmpfiles would empty /tmp: slow in an overlay, and no good where folders are bound below it.
    rules = root / "etc/tmpfiles.d"
    rules.mkdir(exist_ok=True)
    (rules / "tmp.conf").unlink(missing_ok=True)
    (rules / "tmp.conf").symlink_to("/dev/null")
    (root / "etc/fstab").write_text("")
    (root / "etc/machine-id").write_text(f"{MACHINE}\n")
    (root / "root").chmod(0o755)  # an interpreter may live below it, which the service's user has to run


def become(root: Path) -> None:
    """Make it the root of these namespaces, and be systemd."""
    os.chdir(root)
    Path("old").mkdir(exist_ok=True)
    subprocess.run(["pivot_root", ".", "old"], check=True)
    mount("--make-rshared", "/")  # credentials are mounted where they are shared from
    systemd = "/lib/systemd/systemd"
    environ = {"container": "lab", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    os.execve(systemd, [systemd, "--system", "--unit=lab.target", "--log-target=console"], environ)


def mount(*words: str) -> None:
    """mount(8)."""
    subprocess.run(["mount", *words], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
