"""What /sys and /proc look like on machines with GPUs, built as a folder: pass it as ``root``.

The keys and their order are those of the amdgpu, xe and i915 drivers; the amounts are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

AMDGPU = """\
pos:\t0
flags:\t02100002
mnt_id:\t26
ino:\t1156
drm-driver:\tamdgpu
drm-client-id:\t{client}
drm-pdev:\t{slot}
pasid:\t32771
drm-total-cpu:\t0
drm-total-gtt:\t262144 KiB
drm-resident-gtt:\t262144 KiB
drm-total-vram:\t9437184 KiB
drm-shared-vram:\t0
drm-resident-vram:\t{held}
drm-memory-vram:\t{held}
amd-evicted-vram:\t0 KiB
drm-engine-compute:\t1234567 ns
"""
AMDGPU_OLD = (
    "pos:\t0\ndrm-driver:\tamdgpu\ndrm-pdev:\t{slot}\ndrm-client-id:\t{client}\ndrm-memory-vram:\t{held}\n"
)
AMDGPU_SILENT = "pos:\t0\npdev:\t{slot}\ndrm-driver:\tamdgpu\ndrm-pdev:\t{slot}\ndrm-client-id:\t{client}\n"
XE = """\
pos:    0
flags:  0100002
drm-driver:     xe
drm-client-id:  {client}
drm-pdev:       {slot}
drm-total-system:       0
drm-resident-gtt:       192 KiB
drm-total-vram0:        {held}
drm-shared-vram0:       16 MiB
drm-resident-vram0:     {held}
drm-resident-stolen:    4096 KiB
drm-cycles-ccs: 28257900
"""
I915 = """\
drm-driver:     i915
drm-client-id:  {client}
drm-pdev:       {slot}
drm-resident-system0:   2048 KiB
drm-resident-stolen-local0:     8 MiB
drm-resident-local0:    {held}
"""


def write(path: Path, text: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")
    return path


def card(root: Path, n: int, slot: str, vendor: str, files: Mapping[str, object]) -> Path:
    """A card of DRM; ``files`` are of its PCI device. Returns that device's folder."""
    folder = root / f"sys/class/drm/card{n}/device"
    write(folder / "vendor", vendor)
    write(folder / "uevent", f"DRIVER=some\nPCI_CLASS=30000\nPCI_SLOT_NAME={slot}\nMODALIAS=pci:v0")
    for name, content in files.items():
        write(folder / name, content)
    write(root / f"sys/class/drm/card{n}-DP-1/status", "connected")
    return folder


def amd(root: Path, n: int, slot: str, total: int, used: int, label: str = "") -> Path:
    files = {"mem_info_vram_total": total, "mem_info_vram_used": used, "product_name": label}
    return card(root, n, slot, "0x1002", files)


def process(root: Path, pid: int, *fdinfos: str) -> None:
    """A process with standard files, a socket, and one open render node for each of ``fdinfos``."""
    fd, info = root / f"proc/{pid}/fd", root / f"proc/{pid}/fdinfo"
    fd.mkdir(parents=True)
    targets = ["/dev/null", "/tmp/engine.log", "socket:[1234]"]
    texts = ["pos:\t0\nflags:\t02\n"] * len(targets) + list(fdinfos)
    for n, text in enumerate(texts):
        (fd / str(n)).symlink_to(targets[n] if n < len(targets) else "/dev/dri/renderD128")
        write(info / str(n), text)


def status(root: Path, pid: int, anon: int, file: int, shmem: int = 0, locked: int = 0) -> None:
    """What /proc/PID/status says of memory, KiB."""
    lines = [
        "Name:\tllama-server",
        "State:\tS (sleeping)",
        f"VmLck:\t{locked:8} kB",
        f"VmRSS:\t{anon + file + shmem} kB",
    ]
    lines += [f"RssAnon:\t{anon:8} kB", f"RssFile:\t{file:8} kB", f"RssShmem:\t{shmem:8} kB", "Threads:\t9"]
    write(root / f"proc/{pid}/status", "\n".join(lines))


def rollup(root: Path, pid: int, anon: int, file: int, shmem: int = 0, locked: int = 0) -> None:
    """What /proc/PID/smaps_rollup says, KiB."""
    lines = [
        f"Rss: {2 * (anon + file)} kB",
        f"Pss_Anon: {anon} kB",
        f"Pss_File: {file} kB",
        f"Pss_Shmem: {shmem} kB",
        f"Locked: {locked} kB",
    ]
    write(root / f"proc/{pid}/smaps_rollup", "\n".join(lines))


def group(root: Path, name: str, most: str, current: int, file: int = 0) -> None:
    """A cgroup (v2); ``file``: bytes of page cache in it."""
    folder = root / "sys/fs/cgroup" / name
    write(folder / "memory.max", most)
    write(folder / "memory.current", current)
    write(folder / "memory.stat", f"anon {current - file}\nfile {file}\ninactive_file {file}\nactive_file 0")
