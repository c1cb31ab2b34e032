"""The conformance fixture is the product's own server with more on it, nothing less."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_tools.server.build import build_server
from agent_tools.settings import Settings
from lab.conformance import fixtures


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_the_fixture_publishes_all_that_the_product_does(tmp_path: Path) -> None:
    product = build_server(Settings(home=tmp_path))
    fixture = build_server(Settings(home=tmp_path), long_tools=fixtures.LONG_TOOLS)
    fixtures.install(fixture)
    assert type(fixture) is type(product)
    assert fixture.instructions == product.instructions
    tools = await product.list_tools()
    assert (await fixture.list_tools())[: len(tools)] == tools
    names = {prompt.name for prompt in await product.list_prompts()}
    assert len(names) == 6
    assert names <= {prompt.name for prompt in await fixture.list_prompts()}
    assert set(fixtures.LONG_TOOLS) <= {tool.name for tool in await fixture.list_tools()}
