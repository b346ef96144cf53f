r"""Formulas in LaTeX, as one would say them: ``\frac{a}{b}`` is "a ÷ b", ``x^2`` stays.

What is left is text with operators, which ``spoken_symbols`` knows how to say.
"""

from __future__ import annotations

import re

DELIMITERS = re.compile(r"\A(?:\$\$?|\\\(|\\\[)|(?:\$\$?|\\\)|\\\])\Z")
FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
ROOT = re.compile(r"\\sqrt\s*\{([^{}]*)\}")
BRACED = re.compile(r"([_^])\{([^{}]*)\}")
TEXT = re.compile(
    r"\\(?:text|mathrm|mathbf|mathit|mathbb|mathcal|operatorname|vec|hat|bar)\*?\s*\{"
)
COMMAND = re.compile(r"\\([a-zA-Z]+)\*?\s?")
SPACING = re.compile(r"\\[,;:!> ]|[{}&]|\\(?:left|right|big|Big|displaystyle|limits)\b")
SUBSCRIPT = re.compile(r"_")
SPACES = re.compile(" +")
NESTED = 4
"""Fractions, roots and braces within each other that are taken apart."""

SYMBOLS = {
    **{"times": "×", "cdot": "×", "div": "÷", "pm": "±", "mp": "±", "ast": "×"},
    **{"leq": "≤", "le": "≤", "geq": "≥", "ge": "≥", "neq": "≠", "ne": "≠", "lt": "<", "gt": ">"},
    **{"approx": "≈", "sim": "≈", "equiv": "=", "to": "→", "rightarrow": "→", "infty": "∞"},
    **{"sum": "∑", "prod": "∏", "int": "∫", "partial": "∂", "degree": "°", "circ": "°"},
    **{"ldots": "…", "cdots": "…", "dots": "…", "quad": ", ", "qquad": ", ", "in": "∈"},
    **{"mathbb": "", "mathbf": "", "mathcal": "", "percent": "%"},
}


def spelled(formula: str) -> str:
    """Return a formula, or text with some LaTeX in it, without commands, braces and delimiters."""
    text = DELIMITERS.sub("", formula)
    text = TEXT.sub("{", text)
    for _ in range(NESTED):
        text = FRACTION.sub(_fraction, text)
        text = ROOT.sub(r"√\1", text)
        text = BRACED.sub(r"\1\2", text)
    text = text.replace(r"\\", ", ").replace(r"\%", "%")
    text = SPACING.sub(" ", text)
    text = COMMAND.sub(lambda found: f" {SYMBOLS.get(found[1], found[1])} ", text)
    return SPACES.sub(" ", SUBSCRIPT.sub(" ", text).replace("\\", " "))


def _fraction(found: re.Match[str]) -> str:
    """Return a fraction; of numbers alone as a voice reads it."""
    above, below = found[1].strip(), found[2].strip()
    between = "/" if above.isdecimal() and below.isdecimal() else " ÷ "
    return f"{above}{between}{below}"
