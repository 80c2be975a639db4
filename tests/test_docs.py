"""The README says what the code does: keys, routes, codes, verbs, packages and the diagram."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from swapd.config import load, shapes
from swapd.config.schema import Config, Model
from swapd.config.told import SECTIONS, told
from swapd.config.told_models import Key
from swapd.config.wording import flow, scalar
from swapd.core.diagram import mermaid
from swapd.core.kinds import ABILITIES, KINDS
from swapd.metrics.table import METRICS
from swapd.web import errors
from swapd.web.app import create_app
from swapd.web.upstream import Upstream
from tests.web.conftest import FakeConfig, FakeEngines, FakeGate, catalog

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def first_column(header: str) -> set[str]:
    """The names in backquotes at the start of the rows under the table header."""
    table = README.split(f"| {header} |", 1)[1].split("\n\n", 1)[0]
    return set(re.findall(r"^\| `([^`]+)`", table, re.MULTILINE))


def test_the_diagram_is_the_generated_one():
    assert f"```mermaid\n{mermaid()}\n```" in README


def test_every_route_is_in_the_readme_and_every_route_there_exists():
    app = create_app(FakeGate(catalog(), None), FakeConfig(catalog()), FakeEngines(), Upstream(), lambda *_: "")
    built = set()
    for route in app.router.routes():
        path = re.sub(r"\{(\w+):[^}]*\}", r"{\1}", route.resource.canonical).replace("{rest}", "{model}/{path}")
        built.add(f"{route.method.replace('*', 'ANY')} {path}")
    told = first_column("route")
    aliases = {f"POST {p}" for p in ("/v2/rerank", "/v1/reranking", "/rerank", "/reranking")}
    aliases |= {line.replace("/v1/", "/") for line in told if "/v1/" in line}
    assert told <= built
    assert {r for r in built if not r.startswith("HEAD")} <= told | aliases


def test_every_error_code_is_in_the_readme_with_its_status():
    forms = [*errors.BY_REASON.values(), *(f for f in vars(errors).values() if isinstance(f, errors.Form))]
    table = README.split("| code | status |", 1)[1]
    for form in forms:
        assert f"| `{form.code}` | {form.status} |" in table


@pytest.mark.parametrize(("header", "struct"), [("top-level key", Config), ("model key", Model)])
def test_every_key_that_works_is_in_the_readme_and_no_other(header, struct):
    known = shapes.keys_of(struct)
    working = {name for name, shape in known.items() if not isinstance(shape, shapes.Later)}
    assert first_column(header) == working


def rows(header: str) -> dict[str, tuple[str, str]]:
    """The rows of the table under the header: name -> default, text."""
    table = README.split(f"| {header} | default | what |", 1)[1].split("\n\n", 1)[0]
    found = re.findall(r"^\| `([^`]+)` \| (?:(\S.*?) )?\| (.*) \|$", table, re.MULTILINE)
    return {name: (default, what) for name, default, what in found}


def default_of(struct, name: str, key: Key) -> str:
    """A default as the README says it: in words, or as it is written in YAML; of a section, those of its keys."""
    if key.words is not None:
        return key.words
    shape = shapes.keys_of(struct)[name]
    if isinstance(shape, shapes.Section):
        parts = {n: k.default for n, k in told(shape.struct).items() if k.default is not None}
        return f"`{flow(parts)}`" if parts else ""
    return "" if key.default is None else f"`{scalar(key.default)}`"


@pytest.mark.parametrize(("header", "struct"), [("top-level key", Config), ("model key", Model)])
def test_the_readme_tells_of_every_key_what_the_schema_tells(header, struct):
    texts = {name: (default_of(struct, name, key), key.what) for name, key in told(struct).items()}
    assert rows(header) == texts


def test_the_readme_tells_of_the_keys_within_others_what_the_schema_tells():
    texts = {
        f"{section}.{name}": (
            "" if key.default is None else f"`{str(scalar(key.default)).strip(chr(34))}`",
            key.what,
        )
        for section, keys in SECTIONS.items()
        for name, key in keys.items()
    }
    assert rows("key within another") == texts


@pytest.mark.parametrize(
    ("key", "default"),
    [("ttl", "10m"), ("start_timeout", "10m"), ("stop_grace", "10s"), ("drain", "30s"), ("parallel", "1")],
)
def test_the_readme_knows_the_defaults(key, default):
    assert f"| `{key}` | `{default}` |" in README


def test_every_kind_of_engine_is_in_the_readme_as_the_code_has_it():
    table = README.split("| kind | health | can | stop_grace |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    told = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert told == [
        [
            f"`{kind.name}`",
            f"`{kind.health}`",
            ", ".join(f"`{ability}`" for ability in ABILITIES if ability in kind.can),
            f"{kind.grace:g}s",
        ]
        for kind in KINDS.values()
    ]


def test_every_metric_is_in_the_readme_as_the_code_has_it():
    table = README.split("| metric | type | labels | what |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    told = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert told == [
        [f"`{metric.name}`", metric.type, ", ".join(f"`{label}`" for label in metric.labels), metric.help]
        for metric in METRICS
    ]


def test_every_verb_is_in_the_readme():
    from swapd.cli import main

    known = {f"swapd {name}" for name in main.list_commands(None)}
    assert first_column("verb") | {"swapd ps"} == known | {"swapd ps"}


def test_every_package_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[>=;\[ ]", line)[0] for line in project["dependencies"]}
    packages = README.split("| package | for |", 1)[1]
    for name in names | {"xllamacpp", "gguf"}:
        assert f"| {name} |" in packages


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.name)
def test_every_example_config_loads(path):
    loaded = load(path, {"SWAPD_ADMIN_KEY": "k", "SWAPD_PAID_KEY": "k", "PATH": "/usr/bin"})
    assert [str(problem) for problem in loaded.problems] == []


def test_the_config_in_the_readme_loads(tmp_path):
    text = README.split("```yaml\n", 1)[1].split("```", 1)[0]
    path = tmp_path / "swapd.yaml"
    path.write_text(text)
    loaded = load(path, {"PATH": "/usr/bin"})
    assert loaded.problems == ()
    assert set(loaded.catalog.models) == {"qwen-coder", "embed", "anything"}


def test_every_recipe_of_the_cookbook_loads(tmp_path):
    cookbook = README.split("\n## Cookbook\n", 1)[1].split("\n## ", 1)[0]
    texts = [block.split("```", 1)[0] for block in cookbook.split("```yaml\n")[1:]]
    keys = dict.fromkeys(("SWAPD_ADMIN_KEY", "WEBUI_KEY", "LAPTOP_KEY"))
    environ = {name: f"{name}-of-the-test" for name in keys} | {"PATH": "/usr/bin"}
    for text in texts:
        path = tmp_path / "swapd.yaml"
        path.write_text(text if "models:\n" in text else text + "models: {}\n")
        assert [str(problem) for problem in load(path, environ).problems] == []
    assert len(texts) >= 3
    for target in re.findall(r"\]\((configs/[^)]*)\)", cookbook):
        assert (ROOT / target).exists()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_accepts_the_unit(tmp_path):
    unit = tmp_path / "swapd.service"
    text = (ROOT / "systemd" / "swapd.service").read_text()
    unit.write_text(text.replace("/usr/local/bin/swapd", sys.executable))
    command = ["systemd-analyze", "verify", str(unit)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
