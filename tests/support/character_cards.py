"""Character cards as other programs write them: JSON, in a PNG, in a CHARX file."""

from __future__ import annotations

import base64
import io
import json
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from support.picture_files import PNG, png_chunk

V2 = {
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "data": {
        "name": "Zoë",
        "description": "{{char}} is a pilot. <USER> is her co-pilot.",
        "personality": "brave",
        "scenario": "",
        "first_mes": "Welcome aboard, {{user}}!",
        "mes_example": "<START>\n{{char}}: Roger.",
        "creator_notes": "never in a prompt",
        "system_prompt": "{{original}} Be brief.",
        "post_history_instructions": "",
        "alternate_greetings": ["Hi", "Ho"],
        "character_book": {"entries": [{"keys": ["fuel"], "content": "low", "extensions": {}}]},
        "tags": ["sky", "🎙"],
        "creator": "somebody",
        "character_version": "1.1",
        "extensions": {"talkativeness": "0.5", "elsewhere": {"depth": 3}},
        "of a later version": [1, {"a": None}],
    },
}


def with_text(keyword: str, text: bytes) -> bytes:
    return PNG[:33] + png_chunk(b"tEXt", keyword.encode() + b"\0" + text) + PNG[33:]


def coded(card: Any) -> bytes:
    return base64.b64encode(json.dumps(card).encode())


def charx(files: dict[str, bytes]) -> bytes:
    """A zip with these files."""
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()
