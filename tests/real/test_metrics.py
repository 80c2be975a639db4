"""True engines say of themselves what the daemon counts besides."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.real.test_swapd import chat

pytestmark = pytest.mark.real


async def test_an_engine_and_the_daemon_agree_on_the_tokens_of_an_answer(serve, ask, connect):
    daemon = serve()
    client, http = ask(daemon), (await connect(daemon)).http
    for model in ("alpha", "beta"):
        await chat(client, model, words=6)
    async with http.get("/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
    found = {(s.name, *(v for _, v in sorted(s.labels.items()))): s.value for f in families for s in f.samples}
    assert found["swapd_engine_scrape_failed", "beta"] == 0
    assert found["swapd_tokens_total", "out", "beta"] == found["llamacpp:tokens_predicted_total", "beta"] == 6
    assert found["llamacpp:n_tokens_max", "beta"] > 6
    assert ("llamacpp:tokens_predicted_total", "alpha") not in found
    parts = {part: found["swapd_swap_part_duration_seconds_sum", part] for part in ("spawn", "load", "first_byte")}
    assert parts["spawn"] > 0 and parts["first_byte"] > 0, parts
    assert parts["load"] >= 0, "none where it was ready at the first look"
