"""The state table as a mermaid diagram. The README holds its output; a test compares them."""

from __future__ import annotations

from swapd.core.engine import TABLE, When


def mermaid() -> str:
    """The text of a ``stateDiagram-v2``. Cells that stay where they are (late news) are left out."""
    lines = ["stateDiagram-v2", "    [*] --> STARTING: spawn"]
    for state, cells in TABLE.items():
        for signal, ways in cells.items():
            for when, target in ways:
                if target is state:
                    continue
                label = signal.value + (f" ({when.value})" if when is not When.ALWAYS else "")
                lines.append(f"    {state.name} --> {target.name if target else '[*]'}: {label}")
    return "\n".join(lines)
