"""What of a prompt CTranslate2 keeps computed, and when it forgets."""

from __future__ import annotations

from attrs import define

from aichat.plugins.ctranslate2 import prompt_cache
from aichat.plugins.ctranslate2.prompt_cache import PromptCache


@define
class Generator:
    """Counts how often it was loaded."""

    loaded: int = 1
    model_is_loaded: bool = True
    num_active_batches: int = 0

    def unload_model(self):
        self.model_is_loaded = False

    def load_model(self):
        self.loaded += 1
        self.model_is_loaded = True


def prompt_of(character: int, tokens: int = 40) -> list[str]:
    return [f"{character}:{number}" for number in range(tokens)]


def read(cache: PromptCache, character: int, tokens: int = 40) -> bool:
    with cache.reply(prompt_of(character, tokens)) as keeps:
        return keeps


def test_a_system_prompt_is_read_once():
    cache = PromptCache(Generator(), most=100)
    assert [read(cache, 1), read(cache, 2), read(cache, 1), read(cache, 2)] == [True] * 4
    assert (cache.hits, cache.misses) == (2, 2)
    assert cache.generator.loaded == 1


def test_all_are_forgotten_when_a_new_one_does_not_fit():
    cache = PromptCache(Generator(), most=100)
    for character in range(3):
        assert read(cache, character)
    assert cache.generator.loaded == 2
    assert cache.kept == {tuple(prompt_of(2))}
    assert read(cache, 0)
    assert (cache.hits, cache.misses) == (0, 4)


def test_nothing_is_forgotten_while_a_reply_is_written():
    cache = PromptCache(Generator(), most=100)
    with cache.reply(prompt_of(1)):
        assert read(cache, 2)
        assert not read(cache, 3)
        assert read(cache, 2)
    assert cache.generator.loaded == 1
    assert read(cache, 3)
    assert cache.generator.loaded == 2


def test_a_model_that_stays_busy_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(prompt_cache, "PAUSE_SECONDS", 0)
    cache = PromptCache(Generator(num_active_batches=1), most=50)
    assert [read(cache, 1), read(cache, 2), read(cache, 1)] == [True, False, True]
    assert cache.generator.loaded == 1


def test_what_is_short_or_too_long_is_not_kept():
    cache = PromptCache(Generator(), most=100)
    assert not read(cache, 1, tokens=10)
    assert not read(cache, 1, tokens=0)
    assert not read(cache, 1, tokens=101)
    assert (cache.hits, cache.misses, cache.kept) == (0, 3, set())


def test_a_model_that_could_not_be_loaded_anew_is_loaded_at_the_next_reply():
    cache = PromptCache(Generator(model_is_loaded=False), most=100)
    assert read(cache, 1)
    assert cache.generator.loaded == 2
