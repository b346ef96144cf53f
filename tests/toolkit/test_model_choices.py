from __future__ import annotations

from aichat.toolkit.model_choices import Rate, Recommended, recommended


def test_a_model_of_twice_the_size_is_half_as_fast() -> None:
    rate = Rate(write=3_000, read=45_000)
    assert (rate.tokens_per_second(500), rate.tokens_per_second(1_000)) == (6, 3)
    assert (rate.first_token_seconds(150), rate.first_token_seconds(300)) == (1, 2)
    assert rate.words(500) == "about 6 tokens/s (faster than speech), first word after 3.3 s"
    assert "slower than speech" in rate.words(1_000)
    assert Rate(write=52_000, read=900).words(150).startswith("about 347 tokens/s")
    assert "after 50 s" in Rate(write=52_000, read=900).words(150)


def test_a_backend_need_not_recommend_anything() -> None:
    assert recommended(object()) == Recommended()
