"""plugins.toml changes only what it names, and all that is wrong in it is reported at once."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import BadSettings, Config, load_plugins, parts_from_config, read_config
from aichat.core.errors import PluginError, UnknownBackend
from aichat.core.registry.mistakes import Mistakes
from aichat.core.registry.toml_files import places_in

SHIPPED = Path(__file__).parents[2] / "plugins.toml"


def read(folder: Path, text: str | bytes, mistakes: Mistakes | None = None) -> Config:
    path = folder / "plugins.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_config(path, {}, SHIPPED, mistakes)


def whole(folder: Path, text: str | bytes) -> Config:
    """Read and check a file as a start does."""
    mistakes = Mistakes(folder / "plugins.toml")
    config = read(folder, text, mistakes)
    manager = load_plugins(config.disable, mistakes=mistakes)
    with mistakes.noted():
        parts_from_config(config, manager)
    mistakes.check()
    return config


# -- what is not named ---------------------------------------------------------------------------


def test_an_empty_file_is_the_shipped_one(tmp_path: Path) -> None:
    shipped = read_config(SHIPPED, {})
    for text in ("", "# nothing\n\n", "[llm]\n[web]\n[plugins]\n"):
        config = whole(tmp_path, text)
        assert {name: (part.use, part.settings) for name, part in config.parts.items()} == {
            name: (part.use, part.settings) for name, part in shipped.parts.items()
        }
        assert config.web == shipped.web


def test_one_setting_is_changed_and_its_neighbours_stay(tmp_path: Path) -> None:
    config = whole(tmp_path, '[llm.openai]\nmodel = "m/x"\n[turn.silence]\nend_ms = 900')
    shipped = read_config(SHIPPED, {}).parts
    assert config.parts["llm"].use == ("openai", "ctranslate2", "demo")
    assert config.parts["llm"].settings["openai"] == {
        **shipped["llm"].settings["openai"],
        "model": "m/x",
    }
    assert config.parts["turn"].settings["silence"] == {
        **shipped["turn"].settings["silence"],
        "end_ms": 900,
    }
    assert config.parts["tts"] == read(tmp_path, "").parts["tts"]


def test_lists_are_taken_as_they_are_written(tmp_path: Path) -> None:
    config = whole(tmp_path, '[tts]\nuse = "espeak"\n[web]\nallowed_hosts = ["a"]\nport = 1')
    assert config.parts["tts"].use == ("espeak",)
    assert (config.web.port, config.web.allowed_hosts) == (1, ("a",))
    assert config.web.max_sockets == 4
    assert config.parts["tts"].settings["higgs"] == {"max_concurrent": 3}


def test_a_key_does_not_follow_to_another_server(tmp_path: Path) -> None:
    elsewhere = whole(tmp_path, '[stt.openai]\nbase_url = "https://other.example/v1"')
    assert "api_key" not in elsewhere.parts["stt"].settings["openai"]
    assert elsewhere.parts["stt"].settings["openai"]["model"] == "whisper-1"
    same = whole(tmp_path, '[stt.openai]\nbase_url = "https://api.openai.com/v1"')
    assert same.parts["stt"].settings["openai"]["api_key"] == "$OPENAI_API_KEY"
    named = '[tts.openai]\nbase_url = "http://other.example/v1"\napi_key = "$MINE"'
    assert whole(tmp_path, named).parts["tts"].settings["openai"]["api_key"] == "$MINE"


def test_what_only_the_shipped_file_names_may_be_left_out(tmp_path: Path) -> None:
    config = whole(tmp_path, '[plugins]\ndisable = ["higgs", "silence"]\n[turn]\nuse="smart_turn"')
    manager = load_plugins(config.disable)
    names = [one.name for one in parts_from_config(config, manager).roles["tts"].candidates]
    assert "higgs" not in names
    assert names[-1] == "espeak"
    with pytest.raises(UnknownBackend, match=r"line 5: .* the table \[tts.higgs\]"):
        whole(tmp_path, '[plugins]\ndisable = ["higgs"]\n\n[tts]\n[tts.higgs]\nmax_concurrent = 1')
    with pytest.raises(UnknownBackend, match=r"line 4: \[turn\] has use = \"silence\""):
        whole(tmp_path, '[plugins]\ndisable = ["silence"]\n[turn]\nuse = "silence"\n')


# -- how it was saved ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_unicode_encoding_will_do(tmp_path: Path, encoding: str, end: str) -> None:
    text = end.join(["[web]", "port = 81", 'host = "é.example"', ""])
    config = whole(tmp_path, text.encode(encoding))
    assert (config.web.port, config.web.host) == (81, "é.example")


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"[web]\nport = 1\n# caf\xe9\n", 3),
        (codecs.BOM_UTF8 + b"[web]\n\xff", 2),
        (b"[web]\nport = 1\nx = '\0'\n", 3),
        ("[web]\n".encode("utf-16") + b"x", 2),
    ],
)
def test_other_bytes_are_reported_with_their_line(tmp_path: Path, data: bytes, line: int) -> None:
    with pytest.raises(BadSettings, match=rf"plugins.toml, line {line}: .*\n  Hint: Save the file"):
        read(tmp_path, data)


# -- several mistakes ----------------------------------------------------------------------------


def test_all_mistakes_are_reported_with_their_lines(tmp_path: Path) -> None:
    text = """\
[llm]
use = ["opnai", "demo"]
[llm.openai]
modl = "x"
first_token_seconds = "soon"
[tts]
speed = 3
[stt.whisperx]
[plugins]
disable = [
  "latencie",
]
[web]
port = 99999
acess = "token"
[wbe]
"""
    with pytest.raises(BadSettings) as caught:
        whole(tmp_path, text)
    report = str(caught.value)
    assert "has 9 mistakes" in report
    for line, word in [
        (2, "opnai"), (4, "modl"), (5, "soon"), (7, "speed"), (8, "whisperx"), (10, "latencie"),
        (14, "99999"), (15, "acess"), (16, "wbe"),
    ]:  # fmt: skip
        assert f"\n  line {line}: " in report
        assert word in report.split(f"line {line}: ")[1].split("\n")[0]
    lines = [int(one.split(":")[0]) for one in report.split("\n  line ")[1:]]
    assert lines == sorted(lines)
    assert report.count("Hint:") == 1


def test_all_lines_that_are_no_toml_are_reported(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"3 mistakes:\n  line 2:.*\n  line 3:.*\n  line 5:"):
        read(tmp_path, "[web]\nport = 1 2\nhost = = 3\nmax_sockets = 4\naccess = 'token\n")
    with pytest.raises(BadSettings, match=r"line 1: this is not TOML: .*\n  Hint") as caught:
        read(tmp_path, "[llm\nuse = 3\n[web")
    assert "mistakes" not in str(caught.value)
    with pytest.raises(BadSettings, match=r"line 3: this is not TOML"):
        read(tmp_path, '[web]\n\nhost = """\na\nb\n')
    with pytest.raises(BadSettings, match=r"line 3: this is not TOML: Cannot overwrite"):
        read(tmp_path, "[web]\nport = 1\nport = 2")
    with pytest.raises(BadSettings, match="nested too deep"):
        read(tmp_path, "a = " + "[" * 5_000)


def test_a_long_list_of_mistakes_is_cut(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"30 mistakes(?s:.*)and 10 more\."):
        read(tmp_path, "[web]\n" + "".join(f"wrong_{n} = 1\n" for n in range(30)))


NAMES = st.from_regex(r"[a-z]{1,5}", fullmatch=True)


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, st.integers() | st.text(), max_size=4)))
def test_every_key_is_found_where_it_stands(tables: dict[str, dict[str, int | str]]) -> None:
    import json

    lines, wanted = [""], {}
    for name, table in tables.items():
        wanted[(name,)] = len(lines) + 1
        lines.append(f"[{name}]  # here")
        for key, value in table.items():
            wanted[name, key] = len(lines) + 1
            if isinstance(value, str):
                shown = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
                lines += [f"{key} = [", f"  {shown},", "]"]
            else:
                lines.append(f"{key} = {value}")
    assert places_in("\n".join(lines)) == wanted


def read_or_refused(folder: Path, data: bytes) -> None:
    problem = "Hint:"
    try:
        whole(folder, data)
    except PluginError as error:
        problem = str(error)
    assert "Hint:" in problem


WORDS = st.sampled_from(
    [
        *("[llm]", "[web]", "[[llm]]", "[llm.openai]", "[plugins]", "use", "port", "=", "1", '"'),
        *("\n", "#", "[", "]", "{", "}", ",", ".", '"demo"', "true", "1979-05-27", "nan", "'''"),
        *("disable", "model", "é", "\0", "\\u12", "[tts]", '"$X"', " ", "9" * 5_000),
    ]
)


@given(st.lists(WORDS, max_size=20).map("".join))
def test_any_text_is_read_or_refused_with_a_mend(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    read_or_refused(tmp_path_factory.getbasetemp(), text.encode())


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_with_a_mend(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    for before in (b"", b"[web]\n", b"\xff\xfe"):
        read_or_refused(tmp_path_factory.getbasetemp(), before + data)


@pytest.mark.parametrize(
    "text", ["port = " + "9" * 5_000, "[web]\nport = 0x" + "f" * 9_000, "x = [" * 3_000]
)
def test_what_the_parser_itself_stumbles_over_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadSettings, match=r"plugins\.toml"):
        whole(tmp_path, text)
