"""Whatever the API's document allows, and whatever it forbids, is answered as documented."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from attrs import define
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from aichat.core import ListedModel, load_plugins, new_id
from aichat.core.memory_storage import MemoryStorage
from aichat.core.testing.fakes import FakeLlm
from aichat.web.api.openapi import completed
from aichat.web.app import Setup, create_app
from support.chat import Given
from support.in_process_server import Server, a_server

EXAMPLES = 25
"""For each operation, valid ones and invalid ones alike."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@define
class ListingLlm(FakeLlm):
    async def models(self) -> list[ListedModel]:
        return [ListedModel("maker/large", "Large", 8_192)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AICHAT_DATA", str(tmp_path_factory.mktemp("data")))  # for previews
        with a_server(storage=MemoryStorage(), llm=ListingLlm()) as server:
            yield server


@pytest.fixture
def known(server: Server) -> dict[str, str]:
    """Records that are there, so that not every answer is 404."""
    with httpx.Client(base_url=f"{server.url}/api", trust_env=False) as client:
        character = client.post("/characters", json={"name": "Olivia"}).json()["id"]
        voice = client.post("/voices", json={"voice": f"voice {new_id()}"}).json()["voice"]
        cast = {"active_characters": [character]}
        conversation = client.post("/conversations", json=cast).json()["conversation_id"]
    return {
        "id": character,
        "character_id": character,
        "voice": voice,
        "conversation_id": conversation,
    }


def aim(case: schemathesis.Case, known: dict[str, str]) -> None:
    """Let a valid request be about records that are there."""
    for part in (case.path_parameters, case.query, case.body):
        for name in known.keys() & part.keys() if isinstance(part, dict) else ():
            if part[name] is not None and not (name == "voice" and part is case.body):
                part[name] = known[name]


def document() -> dict[str, object]:
    """What the application serves as its document, without a server."""
    given = Given()
    app = create_app(Setup(given.config(), load_plugins(extra=[given])))
    return completed(app.openapi_schema.to_schema())


schema = schemathesis.openapi.from_dict(document())


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_request_is_answered_as_documented(
    case: schemathesis.Case, server: Server, known: dict[str, str]
) -> None:
    if case.meta.generation.mode is schemathesis.GenerationMode.POSITIVE:
        aim(case, known)
    case.call_and_validate(base_url=server.url, checks=CHECKS)
