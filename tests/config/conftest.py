"""What the library's tests share: a config on disk, loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from swapd.config import Loaded, load

ENVIRON = {"HOME": "/home/ada", "PATH": "/usr/bin:/bin", "GGUF_DIR": "/srv/gguf"}
Write = Callable[..., Loaded]


@pytest.fixture
def loaded(tmp_path: Path) -> Write:
    """Write ``swapd.yaml`` (and other files) and load it."""

    def write(text: str | bytes, *, environ: dict[str, str] | None = None, find_binary=lambda: "/x", **files: str):
        path = tmp_path / "swapd.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        for name, content in files.items():
            (tmp_path / f"{name}.yaml").write_text(content)
        return load(path, ENVIRON if environ is None else environ, find_binary)

    return write


@pytest.fixture
def problems(loaded: Write, tmp_path: Path) -> Callable[..., list[str]]:
    """The problems of a config as text, without the folder."""

    def tell(text: str | bytes, **more) -> list[str]:
        found = loaded(text, **more)
        assert (found.catalog is None) == bool(found.problems) == (found.settings is None)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in found.problems]

    return tell


@pytest.fixture
def warnings(loaded: Write, tmp_path: Path) -> Callable[..., list[str]]:
    """The warnings of a good config as text, without the folder."""

    def tell(text: str, **more) -> list[str]:
        found = loaded(text, **more)
        assert found.problems == ()
        return [str(warning).replace(f"{tmp_path}/", "") for warning in found.warnings]

    return tell


@pytest.fixture
def spec(loaded: Write):
    """The only model of a config."""

    def tell(text: str, **more):
        found = loaded(text, **more)
        assert found.problems == ()
        (only,) = found.catalog.models.values()
        return only

    return tell


@pytest.fixture
def model(spec):
    """The Spec of ``models: {m: {<keys>}}``."""
    return lambda keys: spec(f"models: {{m: {{{keys}}}}}")
