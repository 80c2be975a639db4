"""The house keeps its plan: who imports whom, what is at home where, how big a room may grow."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "swapd"
MODULES = sorted(ROOT.rglob("*.py"))
ROOMS = (
    "core",
    "config",
    "engines",
    "machine",
    "lab",
    "web",
    "history",
    "metrics",
    "scan",
    "importers",
    "loadtest",
    "cli",
)
PORCH = {"cli", "daemon", "metering", "reload", "rooms", "standin", "upgrade", "__main__"}
"""These may wire rooms together."""
HOMES = {
    "aiohttp": {"web", "engines", "loadtest", "cli"},
    "prometheus_client": {"metrics"},
    "python_multipart": {"web"},
    "yaml": {"config"},
    "watchfiles": {"config"},
    "psutil": {"engines", "machine"},
    "pynvml": {"machine"},
    "rich": {"cli"},
    "click": {"cli"},
}


def room_of(path: Path) -> str:
    top = path.relative_to(ROOT).parts[0]
    return top if top in ROOMS else Path(top).stem


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_imported(path: Path) -> set[str]:
    own = {name.split(".")[1] for name in imports(path) if name.startswith("swapd.")}
    return own - {"tasks", "threads", "core", room_of(path), "__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_rooms_import_core_and_tasks_and_never_each_other(path):
    if room_of(path) not in PORCH:
        assert rooms_imported(path) == set()


@pytest.mark.parametrize("path", sorted((ROOT / "core").glob("*.py")), ids=lambda p: p.name)
def test_core_imports_only_the_standard_library_and_nothing_that_touches_the_world(path):
    outside = {n.split(".")[0] for n in imports(path)} - {"swapd", "__future__"}
    assert outside <= set(sys.stdlib_module_names)
    assert not outside & {
        "asyncio",
        "time",
        "logging",
        "os",
        "pathlib",
        "random",
        "socket",
        "subprocess",
        "threading",
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_third_party_libraries_stay_at_home(path):
    for name in {n.split(".")[0] for n in imports(path)} & set(HOMES):
        assert room_of(path) in HOMES[name], f"{name} is not at home in {path.name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_room_and_no_function_outgrows_its_size(path):
    source = path.read_text()
    assert source.count("\n") <= 300
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno + 1 <= 40, node.name
