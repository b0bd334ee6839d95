from collections.abc import Iterator

import pytest

from controller.declaration.renderer import Renderer


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    with Renderer() as made:
        yield made
