"""Every play is watched to its end."""

from collections.abc import Iterator

import pytest

from tests.core.play import Play


@pytest.fixture(autouse=True)
def no_order_goes_unseen() -> Iterator[None]:
    Play.made.clear()
    yield
    for play in Play.made:
        play.ends()
