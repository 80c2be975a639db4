"""A server that runs on another machine becomes a model with a ``url``: swapd asks it, and starts nothing."""

from __future__ import annotations

from swapd.importers.naming import name_kind
from swapd.importers.quoting import joined
from swapd.importers.remote import Remote
from swapd.importers.sheet import Sheet

_OF_PROCESS = ("env", "nice", "cpus", "oom_score_adj", "umask", "cwd", "start_timeout", "stop_grace", "stop")


def ask(sheet: Sheet, there: Remote) -> None:
    """Put it into the sheet, and how it is reached."""
    for key in _OF_PROCESS:
        sheet.keys.pop(key, None)
    port = there.port
    if not port.isdecimal():
        port = str(there.server.port if there.server is not None else 8080)
        sheet.remark(f"'url': the port is a guess; write the one that it has on {there.host}")
    scheme = "https" if there.said("--ssl-key-file") else "http"
    sheet.keys["url"] = (
        f"{scheme}://127.0.0.1:{there.tunnel}" if there.tunnel else f"{scheme}://{there.host}:{port}"
    )
    if key := there.said("--api-key"):
        sheet.keys["api_key"] = key
    sheet.remark(
        f"it runs on '{there.host}', where ssh starts it: swapd asks it there, by its 'url', and neither starts "
        "nor stops it; keep it running by what that machine has for that, such as a unit or a swapd of its own"
    )
    if there.tunnel:
        sheet.remark(f"'url' leads through the tunnel of that ssh (-L {there.tunnels[0]}): keep that open too")
    elif there.is_closed:
        sheet.remark(f"it answers {there.host} alone: start it with --host 0.0.0.0 there, or lead a tunnel to it")
    sheet.leave(f"ssh {there.host} {joined(there.words[:3])}", "it cannot be started from here")
    name_kind(sheet, there.server, there.words)
    for flag, what in (("--embedding", "embeddings"), ("--embeddings", "embeddings"), ("--reranking", "rerank")):
        if flag in there.words:
            sheet.keys["capabilities"] = [what]
