"""The demo's config: three models, and room for one engine."""

from __future__ import annotations

import json
from pathlib import Path

from swapd.cli.demo.model import Brain

CONTEXTS = {"red": 1024, "green": 1536, "blue": 2048}
"""The models, and the one thing in which they differ: it makes three launches out of one file."""
NAMES = tuple(CONTEXTS)

# A base model knows no roles. Shown one question with its answer, it goes on in the same manner.
TEMPLATE = """\
Tell me about snow.
Snow is white and cold. It falls in winter, covers the hills and melts in spring.

{% for message in messages %}{{ message.content }}
{% if not loop.last %}
{% endif %}{% endfor %}"""
REQUEST = {"temperature": 0, "frequency_penalty": 0.8, "stop": ["\n"]}

CONFIG = """\
# What `swapd demo` runs: three models, and room for one engine at a time.
listen: 127.0.0.1:{port}
state_dir: state
budget: {{engines: 1}}
scheduling: {{linger: 0s}}
keepalive_comments: never  # the tour reads from its answers' heads how long they waited
models:
{models}
"""


def write(folder: Path, brain: Brain, port: int) -> Path:
    """Write the config, and what it refers to, into ``folder``; the config's path."""
    common: dict[str, object] = {}
    if brain.completes:
        template = folder / "chat.jinja"
        template.write_text(TEMPLATE)
        common = {"args": ["--chat-template-file", str(template)], "request": {"default": REQUEST}}
    models = [
        f"  {name}: {json.dumps({'path': str(brain.files[name]), 'context': context, **common})}"
        for name, context in CONTEXTS.items()
    ]  # JSON is YAML too, and quotes every path that needs it
    config = folder / "swapd.yaml"
    config.write_text(CONFIG.format(port=port, models="\n".join(models)))
    return config
