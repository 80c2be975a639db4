"""``swapd scan``: finds model files and writes a config for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swapd.cli.console import Bit, Line, spin, stderr, stdout
from swapd.cli.failure import Failed
from swapd.cli.target import config_option, json_option

if TYPE_CHECKING:
    from swapd.scan import Scan, Search

INTERRUPTED = 130


@click.command("scan")
@click.argument("folders", metavar="[DIR]…", nargs=-1, type=click.Path(path_type=Path))
@click.option("--caches", is_flag=True, help="Look into the caches of other tools too; without a DIR, only there.")
@click.option("--write", is_flag=True, help="Add what is new to models.d/scanned.yaml, or make a first config.")
@click.option("--depth", default=16, show_default=True, type=click.IntRange(1, 64), help="Levels of folders.")
@click.option("--limit", default=5000, show_default=True, type=click.IntRange(1), help="Files that are opened.")
@config_option
@json_option
@click.pass_context
def verb(
    ctx: click.Context, /, folders: tuple[Path, ...], caches: bool, write: bool, config: str | None, **rest: int
) -> None:
    """Find GGUF models in folders, or in the caches of llama.cpp, Hugging Face, LM Studio and Ollama.

    A config for them goes to stdout, what was found and left out to stderr: `swapd scan ~/models > swapd.yaml`.
    """
    # What reads headers and weighs takes its time to import: `--help` need not wait for that.
    from swapd.cli.scan import config as scan_config  # noqa: PLC0415
    from swapd.cli.scan import fit as scan_fit  # noqa: PLC0415
    from swapd.cli.scan import show as scan_show  # noqa: PLC0415
    from swapd.cli.scan import write as scan_write  # noqa: PLC0415
    from swapd.config.author import written  # noqa: PLC0415
    from swapd.scan import Search  # noqa: PLC0415

    for folder in folders:
        if not folder.exists():
            raise Failed(f"cannot scan {folder}: there is no such folder")
    known = scan_config.known_at(config) if write else scan_config.Known()
    search = Search(scan_config.facts_of, rest["depth"], rest["limit"])
    scan = _searched(search, folders, caches or not folders, known.names)
    known.drop_from(scan)
    fits, together = scan_fit.fitted(scan.models, known.loaded, known.common)
    draft = scan_config.draft_of(scan, fits, known)
    if rest["as_json"]:
        stdout().json(scan_show.as_data(scan, fits))
    scan_show.show(stderr(), scan, fits, together, "new model" if known.has else "model")
    if write and scan.interrupted:
        stderr().line("nothing was written", style="bold yellow")
    elif write and (scan.models or known.has):
        scan_write.place(stderr(), known, draft)
    elif not scan.models and not scan.interrupted:
        raise Failed(_nothing(scan))
    elif scan.models and not rest["as_json"]:
        stdout().text(written(draft))
    if scan.interrupted:
        ctx.exit(INTERRUPTED)


def _nothing(scan: Scan) -> str:
    if scan.left:
        return "no model was found that an engine could load: what was left out, and why, stands above"
    return "no model was found: name the folder where your GGUF files are, as in `swapd scan ~/models`"


def _searched(search: Search, folders: tuple[Path, ...], caches: bool, taken: frozenset[str]) -> Scan:
    """Look, and show on a terminal how far it is."""
    from swapd.scan import places  # noqa: PLC0415

    others = [path for path in places.caches(os.environ) if path.is_dir()] if caches else []
    stores = [path for path in places.stores(os.environ) if path.is_dir()] if caches else []

    def picture() -> list[Line]:
        where = search.looking_at[-30:]
        return [Line((spin(), Bit(f" {search.scan.entries} files and folders, now {where}")))]

    with stderr().live(picture):
        return search.run((*folders, *others), stores, taken)
