"""How the demo looks: the tour while it goes, its times, and what to try next."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from swapd.cli.console import Bit, Console, Line, Table, spin
from swapd.cli.demo.tour import Leg
from swapd.cli.words import seconds

COLOURS = {"red": "red", "green": "green", "blue": "bright_blue"}
INDENT = 8
COLUMNS = ("MODEL", "QUEUED", "OF IT LOAD", "FIRST WORD", "TOTAL", "TOKENS", "TOKENS/S")


def opening(console: Console) -> None:
    """What is about to happen."""
    console.line("Three models, room for one engine: each that is asked for takes the place of the last.")


def setting(console: Console, origin: str, engine: str, config: Path) -> None:
    """What it happens with."""
    for name, fact in (("model", origin), ("engine", engine), ("config", str(config))):
        console.bits(Bit(f"{name:<8}", "dim"), Bit(fact))
    console.line()


@contextmanager
def following(console: Console, leg: Leg) -> Iterator[None]:
    """Show the leg while the block walks it: moving on a terminal, a line a fact in a pipe."""
    if console.terminal:
        with console.live(lambda: picture(leg), keep=True):
            yield
        return
    console.line(f"{leg.model}: {leg.question}")
    leg.told = lambda: _tell(console, leg)
    yield


def _tell(console: Console, leg: Leg) -> None:
    if leg.phase == "speaking":
        console.line(f"{leg.model}: {_waited(leg)}")
    elif leg.phase == "done":
        console.line(f"{leg.model}: {_said(leg)}")
    elif leg.phase != "thinking":
        console.line(f"{leg.model}: {leg.phase}")


def picture(leg: Leg) -> Sequence[Line]:
    """The leg as it stands: who is asked what, the wait or what it was, the words so far."""
    head = Line((Bit("● ", COLOURS[leg.model]), Bit(f"{leg.model:<{INDENT - 2}}", "bold"), Bit(leg.question)))
    if leg.phase not in ("speaking", "done"):
        wait = (spin(), Bit(f" {leg.phase} … {leg.elapsed:.1f} s", "dim"))
        return head, Line(wait, INDENT)
    end = () if leg.phase == "speaking" else (Line((Bit(""),)),)
    said = Bit(_said(leg), COLOURS[leg.model])
    return head, Line((Bit(_waited(leg), "dim"),), INDENT), Line((said,), INDENT), *end


def _waited(leg: Leg) -> str:
    times = leg.times
    load = f"loaded in {seconds(times.load / 1000)}" if times.load else "was up already"
    return f"{load}, first word after {seconds(times.first)}"


def _said(leg: Leg) -> str:
    return " ".join(leg.text.split()) or "(it said nothing)"


def times(console: Console, legs: Sequence[Leg]) -> None:
    """The table at the end of the tour."""
    if not console.terminal:  # where every leg ends with a blank line already
        console.line()
    console.table(Table(COLUMNS, [_row(leg) for leg in legs], frozenset(COLUMNS[1:])))
    console.line()


def _row(leg: Leg) -> tuple[Bit, ...]:
    times = leg.times
    speaking = times.total - times.first
    pace = f"{(times.tokens - 1) / speaking:.0f}" if times.tokens > 1 and speaking > 0.05 else ""
    return (
        Bit(leg.model, COLOURS[leg.model]),
        Bit(f"{times.queued} ms"),
        Bit(f"{times.load} ms", "" if times.load else "green"),
        Bit(f"{times.first * 1000:.0f} ms"),
        Bit(f"{times.total * 1000:.0f} ms"),
        Bit(str(times.tokens)),
        Bit(pace),
    )


def what_next(console: Console, url: str) -> None:
    """Lines to copy while it goes on serving."""
    console.bits(Bit("Serving on "), Bit(url, "bold"), Bit(" until Ctrl-C. To try in another terminal:"))
    for example in (_curl(url), _python(url), f"{own_name()} status --url {url}\n"):
        console.line()
        for line in example.splitlines():
            console.copyable(Bit(line, "cyan"))
    console.line()


def _curl(url: str) -> str:
    return f"""\
curl {url}/v1/chat/completions -H 'Content-Type: application/json' \\
  -d '{{"model": "red", "max_tokens": 64, "messages": [{{"role": "user", "content": "Tell me about cats."}}]}}'
"""


def _python(url: str) -> str:
    return f"""\
from openai import OpenAI
client = OpenAI(base_url="{url}/v1", api_key="none")
question = {{"role": "user", "content": "What is the capital of France?"}}
answer = client.chat.completions.create(model="green", max_tokens=64, messages=[question])
print(answer.choices[0].message.content)
"""


def own_name() -> str:
    """How to call swapd again: it may not be on the PATH."""
    called = Path(sys.argv[0])
    if called.name != "swapd":
        return f"{sys.executable} -m swapd"
    return "swapd" if shutil.which("swapd") == str(called) else str(called)
