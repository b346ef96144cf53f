"""Operators, units, formulas, tables and addresses, as a voice is given them."""

from __future__ import annotations

import pytest

from aichat.core.events import ReplyClause
from aichat.core.testing.fakes import FakeLlm
from aichat.stages.answering.speakable import speakable
from aichat.stages.answering.spoken_symbols import language_of
from support.chat import a_chat


@pytest.mark.parametrize(
    ("shown", "read"),
    [
        ("That is 10^6 people.", "That is 10 to the 6 people."),
        ("10⁶, x², 10^-6 and x^{10}", "10 to the 6, x squared, 10 to the minus 6 and x to the 10"),
        ("2*3=6 and 12*12=144", "2 times 3 equals 6 and 12 times 12 equals 144"),
        ("Call *69 now.", "Call star 69 now."),
        ("It is a 5* hotel.", "It is a 5 star hotel."),
        ("That is 3 *4 and x * 5", "That is 3 times 4 and x times 5"),
        ("2**4 is 4 × 4", "2 to the 4 is 4 times 4"),
        ("n*(n-1) and a*b", "n times (n-1) and a times b"),
        ("Wait 3~5 days.", "Wait 3 to 5 days."),
        ("1–5 days, 50~60%", "1 to 5 days, 50 to 60%"),
        ("~5 euros", "about 5 euros"),
        ("If x < 5 and y > 3, stop.", "If x less than 5 and y greater than 3, stop."),
        ("a<b and c>d", "a less than b and c greater than d"),
        ("x<=5, y≥3", "x less than or equal to 5, y greater than or equal to 3"),
        ("a != b, c ≠ d", "a is not equal to b, c is not equal to d"),
        ("5 ± 2, 10 ÷ 2", "5 plus or minus 2, 10 divided by 2"),
        ("It is 25℃, or 77℉.", "It is 25 °C, or 77 °F."),
        ("-40℃~50℃", "-40 °C to 50 °C"),
        ("第5章、№ 7", "第5章、No. 7"),
        ("5㎡, 3 m³, 10 km²", "5 square metres, 3 cubic metres, 10 square kilometres"),
        ("2㎏ at 3 km/h", "2kg at 3 kilometres per hour"),
        ("I write C# and F#; we are #1.", "I write C sharp and F sharp; we are number 1."),
        ("1920x1080, 3.5e4", "1920 times 1080, 3.5 times 10 to the 4"),
        ("File → Save", "File, Save"),
        ("½ cup, 2½ cups", "1/2 cup, 2 and 1/2 cups"),
        ("H₂O", "H2O"),
        ("I <3 you", "I you"),
        ("$5 and €20, 50%, A&B, C++", "$5 and €20, 50%, A&B, C++"),
        ("f*ck, what the f***", "fck, what the f"),
    ],
)
def test_operators_and_units_are_said(shown: str, read: str) -> None:
    assert speakable(shown) == read


@pytest.mark.parametrize(
    ("shown", "read"),
    [
        ("Es kostet 3~5 Euro und 2*3 ist 6.", "Es kostet 3 bis 5 Euro und 2 mal 3 ist 6."),
        ("C'est 10^6 et 2*3 pour vous.", "C'est 10 puissance 6 et 2 fois 3 pour vous."),
        ("这是 10^6 和 2*3", "这是 10的6次方 和 2 乘以 3"),
        ("Это 10^6 и № 7", "Это 10 в степени 6 и номер 7"),
        ("זה 2*3", "זה 2 × 3"),
        ("그것은 3~5일", "그것은 3 – 5일"),
    ],
)
def test_in_the_language_of_the_text_or_the_sign_stays(shown: str, read: str) -> None:
    assert speakable(shown) == read


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("shown", "read"),
    [
        ("Das ist nicht schwer. Also: 3*4 = 12.", "Also: 3 mal 4 gleich 12."),
        ("Hier ist es. Zwei Tage: ~5 km, x <= 3.", "Zwei Tage: ungefähr 5 km, x höchstens 3."),
        ("C'est pour vous. Donc 10^6 !", "Donc 10 puissance 6 !"),
        ("Это не так. x = 3, y > 2.", "x равно 3, y больше 2."),
        ("Das ist es. But the end of it is 3*4.", "But the end of it is 3 times 4."),
        ("The word \u732b is a cat. Result: 3*4.", "Result: 3 times 4."),
        ("Nobody knows. Result: 3*4.", "Result: 3 times 4."),
    ],
)
async def test_a_clause_that_shows_no_language_is_in_that_of_the_reply(
    shown: str, read: str
) -> None:
    async with a_chat(llm=FakeLlm(shown)) as chat:
        for name in ("Olivia", "Mark"):  # each reply begins anew
            await chat.say(f"@{name} hi")
            clauses = [event.text for event in chat.heard.of(ReplyClause)]
            assert "".join(f"{text} " for text in clauses).strip().endswith(read), clauses


def test_the_language_of_a_text_is_guessed_by_its_small_words() -> None:
    assert language_of("E = mc") == "en"
    assert language_of("Das ist nicht die Katze") == "de"
    assert language_of("Il est dans la maison") == "fr"
    assert language_of("今日はいい天気") == "ja"


@pytest.mark.parametrize(
    ("shown", "read"),
    [
        ("The formula $x^2$ or \\(a_1\\).", "The formula x squared or a 1."),
        ("$$E = mc^2$$", "E equals mc squared"),
        (r"\[ a \times b \]", "a times b"),
        (r"$\frac{1}{2}$ of $\frac{a}{b}$", "1/2 of a divided by b"),
        (r"$\alpha + \beta \leq 3$", "alpha + beta less than or equal to 3"),
        (r"$\sqrt{x}$", "the square root of x"),
        ("It costs $5, not $10.", "It costs $5, not $10."),
        ("~~~py\nprint(1)\n~~~\nDone.", "Done."),
        ("````md\n```py\nx\n```\n````\nDone.", "Done."),
        ("```py\nnever closed", ""),
        ("| A | B |", "A, B."),
        ("|---|:-:|", ""),
        ("| 1 | 2! |", "1, 2!"),
        ("A | B", "A, B"),
        ("See (https://example.com/x), please.", "See (example.com), please."),
        ("Go to https://www.example.org/a_b?c=d.", "Go to example.org."),
        ("<https://example.com> is it.", "example.com is it."),
        ("<me@example.org> wrote", "me@example.org wrote"),
        ("https://user:secret@example.com:8080/x", "example.com"),
        ("[a page](https://x.org/a_(b)), ![a cat](/images/c.png)", "a page, a cat"),
        ("So it is[^1].\n[^1]: A note", "So it is. A note"),
        ("[red words]{.red} and [this][1]", "red words and this"),
        ("<!-- not this --> This", "This"),
        ("a &lt; 4 &amp; 5 &gt; 4&nbsp;!", "a less than 4 & 5 greater than 4 !"),
        ("&#99999999999999999999;", "&99999999999999999999;"),
        ("a<br/>b <SPAN class='x'>c</SPAN>", "a b c"),
        ("Run git clone <url> now", "Run git clone url now"),
        ("<sigh> Well <laughs>.", "Well ."),
        ('Hi <emotion value="glad"/>there</laugh>.', "Hi there ."),
        ("Hello!<|im_end|>", "Hello!"),
        (r"5 \* 3, \# not \_this\_", "5 times 3, not _this_"),
        ("- [ ] one\n- [x] two\n>> three", "one two three"),
    ],
)
def test_formulas_code_tables_and_addresses(shown: str, read: str) -> None:
    assert speakable(shown) == read
