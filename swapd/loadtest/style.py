"""How the report looks, in light and in dark; and text made harmless for it."""

from __future__ import annotations

import html

from swapd.core.text import one_line

LONGEST = 300
"""Characters of any text from elsewhere."""
COLOURS = 4
"""Sides that have a colour of their own; then they begin again."""

STYLE = """
:root { color-scheme: light dark; --ground: #fbfbfa; --card: #fff; --ink: #1d2126; --soft: #667079;
  --line: #e3e6e8; --s0: #1f6fb4; --s1: #d2691e; --s2: #2b8a57; --s3: #8a4fb0; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171a; --card: #1c2024; --ink: #e6e9eb; --soft: #98a2ab;
  --line: #2e343a; --s0: #62aef0; --s1: #f0a060; --s2: #62c893; --s3: #c493e6; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 3rem; max-width: 76rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.05rem; margin: 0 0 .5rem; }
p { margin: .25rem 0; } .soft { color: var(--soft); } .bad { color: var(--bad); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 31rem), 1fr)); gap: 1rem;
  margin-top: 1rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.1rem;
  min-width: 0; }
section:has(th:nth-child(8)) { grid-column: 1 / -1; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; color: var(--soft); } th:first-child, td:first-child { text-align: left; padding-left: 0; }
td.free { white-space: normal; text-align: left; } tr:last-child td { border-bottom: 0; }
.facts { display: flex; flex-wrap: wrap; gap: .25rem 2rem; margin: .6rem 0 .8rem; }
.facts b { font-size: 1.35rem; font-weight: 600; margin-right: .3rem; }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; margin-right: .4rem;
  vertical-align: -1px; background: var(--c); }
.c0 { --c: var(--s0); } .c1 { --c: var(--s1); } .c2 { --c: var(--s2); } .c3 { --c: var(--s3); }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
.grid { stroke: var(--line); } .edge { stroke: var(--soft); }
.curve { fill: none; stroke: var(--c); stroke-width: 2; } .dashed { stroke-dasharray: 6 4; }
.area { fill: var(--c); fill-opacity: .18; stroke: var(--c); stroke-width: 1.5; }
.dot { fill: var(--c); fill-opacity: .65; } .ring { fill: none; stroke: var(--c); stroke-opacity: .65; }
.mid { stroke: var(--c); stroke-width: 3; }
@media (max-width: 40rem) { body { padding: 1.25rem .75rem; } section { padding: .8rem; }
  svg text { font-size: 19px; }
  table { font-size: .8rem; } th, td { padding: .3rem .35rem; } }
"""


def esc(text: object) -> str:
    """Whatever it is, as text of a page: short, no markup, no controls."""
    words = str(text)
    return html.escape(one_line(words[: LONGEST - 1] + "…" if len(words) > LONGEST else words))
