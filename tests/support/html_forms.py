"""Reads forms of pages that came without a browser."""

from __future__ import annotations

import re
from html import unescape


def problem(page: str, field: str) -> str:
    found = re.search(rf'id="field-{field}-problem">([^<]*)<', page)
    return unescape(found[1]) if found else ""
