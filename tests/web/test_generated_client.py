"""The API's document is good enough to make a client of: here one is made, and used."""

from __future__ import annotations

import importlib
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from support.audio_files import tone, wav
from support.in_process_server import Server

NAME = "aichat_client"


@pytest.fixture(scope="module")
def package(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """A client made of the document that the server serves."""
    folder = tmp_path_factory.mktemp("generated")
    document, settings = folder / "openapi.json", folder / "settings.yaml"
    answer = httpx.get(f"{server.url}/schema/openapi.json", trust_env=False)
    document.write_bytes(answer.content)
    settings.write_text(
        "post_hooks: []\ncontent_type_overrides:\n  audio/wav: application/octet-stream\n"
    )
    made = subprocess.run(
        [
            sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none",
            "--path", document, "--config", settings, "--output-path", folder / NAME,
            "--fail-on-warning",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(NAME)
    finally:
        sys.path.remove(str(folder))


def part(path: str) -> Any:
    return importlib.import_module(f"{NAME}.{path}")


def call(operation: str, client: Any, **arguments: Any) -> Any:
    return part(f"api.{operation}").sync(client=client, **arguments)


@pytest.fixture(scope="module")
def client(server: Server, package: ModuleType) -> Iterator[Any]:
    with part("client").Client(base_url=server.url) as client:
        yield client


def test_every_operation_of_the_document_has_a_function(
    server: Server, package: ModuleType
) -> None:
    folder = Path(str(package.__file__)).parent / "api"
    functions = {path.stem for path in folder.glob("*/*.py")} - {"__init__"}
    document = httpx.get(f"{server.url}/schema/openapi.json", trust_env=False).json()
    assert len(functions) == sum(len(methods) for methods in document["paths"].values())
    assert {"create_character", "upload_voice", "add_messages", "get_health"} <= functions


def test_a_program_makes_a_character_and_talks_about_it(client: Any) -> None:
    models = part("models")
    body = models.NewCharacter(name="Ada Lovelace", temperature=0.5)
    character = call("characters.create_character", client, body=body)
    assert (character.id, character.voice, character.temperature) == (
        "ada-lovelace-001",
        None,
        0.5,
    )
    changed = models.CharacterChanges(greeting="Hello.")
    character = call("characters.change_character", client, id=character.id, body=changed)
    assert (character.name, character.greeting) == ("Ada Lovelace", "Hello.")
    assert character.updated_at > character.created_at
    assert character in call("characters.list_characters", client)

    conversation = call(
        "conversations.create_conversation",
        client,
        body=models.NewConversation(active_characters=[character.id]),
    )
    id = conversation.conversation_id
    assert isinstance(id, UUID)
    assert call("messages.get_last_message", client, conversation_id=id) is None
    message = models.NewMessage(
        conversation_id=id, role=models.NewMessageRole.USER, content="Good day.", message_id=uuid4()
    )
    kept = call("messages.add_message", client, body=message)
    assert call("messages.add_message", client, body=message) == kept
    assert call("messages.list_messages", client, conversation_id=id, limit=10) == [kept]
    gone = call("conversations.delete_conversation", client, conversation_id=id)
    assert gone.success


def test_a_program_clones_a_voice(client: Any) -> None:
    models, types = part("models"), part("types")
    file = types.File(io.BytesIO(wav(tone())), "clip.wav", "audio/wav")
    body = models.Upload(file=file, voice_name="cloned", transcript="Hello.")
    voice = call("voices.upload_voice", client, body=body)
    assert (voice.voice, voice.method) == ("cloned", models.VoiceMethod.CLONE)


def test_a_program_reads_what_is_wrong(client: Any) -> None:
    models = part("models")
    error = call("characters.get_character", client, id="nobody")
    assert (type(error), error.status_code) == (models.Error, 404)
    body = models.NewCharacter(name="", temperature=9)
    error = call("characters.create_character", client, body=body)
    assert [one.field for one in error.extra] == ["name", "temperature"]
