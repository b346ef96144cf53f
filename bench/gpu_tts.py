"""Higgs Audio v2 on a GPU: first sound and real-time factor of the decode loop; random weights.

    python bench/gpu_tts.py                    # at true size, on the GPU: 1 and 3 voices at once
    python bench/gpu_tts.py --size tiny        # on a CPU: the loop against generate, and its steps
    python bench/gpu_tts.py --static           # a cache of fixed size, compiled (CUDA graphs)

The weights mean nothing, and cost what the real ones do. *first* is from the call to the first PCM
(nine steps and a decode); *RTF* is seconds of work for a second of sound, per voice; *step* is one
step of the language model. `generate` is transformers' own loop, which hands out nothing before
its end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from pathlib import Path
from statistics import median
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import torch

from aichat.core import Voice
from aichat.plugins.higgs import torchaudio
from aichat.plugins.higgs.code_generation import decoded
from aichat.plugins.higgs.engine import Engine, start
from aichat.plugins.higgs.layout import Layout
from aichat.plugins.higgs.loading import Loaded
from aichat.plugins.higgs.prompting import Prompter
from aichat.plugins.higgs.sampling import Sampler, Sampling
from support import tiny_higgs

TEXT = "Hello there, my name is Olivia, and I would love to hear what you think of all this."
VOICE = Voice("Bench", speaker_desc="Female, British accent, warm and quick")


class Ear:
    """Notes when sound comes."""

    left = False

    def __init__(self) -> None:
        self.began = perf_counter()
        self.first: float | None = None
        self.samples = 0

    def __call__(self, pcm: bytes) -> None:
        self.first = self.first or perf_counter() - self.began
        self.samples += len(pcm) // 2


def tiny(folder: Path) -> Engine:
    return start(tiny_higgs.build(folder), "cpu", "auto", {}, None)


def true_size(folder: Path, device: str) -> Engine:
    """Make model and codec as their configurations say, on the device itself; bfloat16."""
    torchaudio.provide()
    from transformers import DacFeatureExtractor, HiggsAudioV2Config
    from transformers.models.higgs_audio_v2.modeling_higgs_audio_v2 import (
        HiggsAudioV2ForConditionalGeneration,
    )
    from transformers.models.higgs_audio_v2_tokenizer import (
        configuration_higgs_audio_v2_tokenizer as configuration,
    )
    from transformers.models.higgs_audio_v2_tokenizer import (
        modeling_higgs_audio_v2_tokenizer as coding,
    )

    tokenizer = tiny_higgs._tokenizer(folder)
    number = tokenizer.convert_tokens_to_ids
    config = HiggsAudioV2Config(
        codebook_size=1026,
        audio_bos_token_id=number("<|audio_out_bos|>"),
        audio_token_id=number("<|AUDIO_OUT|>"),
        audio_delay_token_id=number(tiny_higgs.SPECIAL[-1]),
    )
    place = torch.device(device)
    torch.set_default_dtype(torch.bfloat16)
    with place:
        model = HiggsAudioV2ForConditionalGeneration(config).eval()
    torch.set_default_dtype(torch.float32)
    acoustic = {
        "model_type": "dac", "encoder_hidden_size": 64, "downsampling_ratios": [8, 5, 4, 2, 3],
        "decoder_hidden_size": 1024, "upsampling_ratios": [8, 5, 4, 2, 3], "hidden_size": 256,
        "sampling_rate": 24_000,
    }  # fmt: skip
    with place:
        codec = coding.HiggsAudioV2TokenizerModel(
            configuration.HiggsAudioV2TokenizerConfig(
                acoustic_model_config=acoustic,
                semantic_model_config={"model_type": "hubert", "mask_time_prob": 0.0},
                target_bandwidths=[0.5, 1, 1.5, 2],
            )
        ).eval()
    features = DacFeatureExtractor(feature_size=1, sampling_rate=24_000, hop_length=960)
    prompter = Prompter.of(tokenizer, config, place)
    size = sum(p.numel() for p in model.parameters()) / 1e9
    print(f"language model of {size:.2f} billion parameters on {device}")
    return Engine(Loaded(model, codec, features, prompter, Layout.of(config), 24_000, 960))


def speak(engine: Engine) -> Ear:
    ear = Ear()
    engine.say(TEXT, VOICE, "", ear)  # type: ignore[arg-type]
    return ear


def together(engine: Engine, voices: int) -> None:
    """Let so many speak at once, each in its thread, as the product does."""
    ears: list[Ear] = []
    threads = [threading.Thread(target=lambda: ears.append(speak(engine))) for _ in range(voices)]
    began = perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = perf_counter() - began
    sound = sum(ear.samples for ear in ears) / 24_000
    first = max(ear.first or 0 for ear in ears)
    print(
        f"{voices} at once: first {1000 * first:.0f} ms (the last of them), "
        f"{sound:.1f} s of sound in {seconds:.1f} s, RTF {seconds / (sound / voices):.2f} each"
    )


def steps(engine: Engine, count: int, rounds: int) -> None:
    """Time a step of the product's loop, and of generate; both sample."""
    loaded = engine.loaded
    prompt = loaded.prompter.prompt(VOICE, [], TEXT)
    ours, theirs = [], []
    for number in range(rounds + 1):  # the first warms up
        sampler = Sampler(loaded.layout, Sampling(seed=number), loaded.device, shortest=count)
        began = perf_counter()
        made = sum(1 for _ in decoded(loaded.model, prompt, sampler, count))
        ours.append((perf_counter() - began) / made)
        began = perf_counter()
        given = {"attention_mask": torch.ones_like(prompt["input_ids"]), **prompt}
        out = loaded.model.generate(
            **given, max_new_tokens=count, do_sample=True, temperature=0.7, top_k=50, top_p=0.95
        )
        theirs.append((perf_counter() - began) / out.shape[1])
    print(
        f"step: {1000 * median(ours[1:]):.2f} ms by the loop, "
        f"{1000 * median(theirs[1:]):.2f} ms by generate; a frame lasts 40 ms"
    )


def first_in_steps(engine: Engine) -> None:
    """Count the model's steps up to the first sound."""
    model, count = engine.loaded.model, 0
    forward = model.forward

    def counted(*args, **options):
        nonlocal count
        count += 1
        return forward(*args, **options)

    class Enough(Exception):
        pass

    class Once(Ear):
        def __call__(self, pcm: bytes) -> None:
            raise Enough

    model.forward = counted
    try:
        engine.say(TEXT, VOICE, "", Once())  # type: ignore[arg-type]
    except Enough:
        print(f"first sound: after {count} steps and one decode")
    finally:
        model.forward = forward


def compiled(engine: Engine, count: int) -> None:
    """Time generate with a static cache, which transformers compiles with CUDA graphs."""
    loaded = engine.loaded
    given = loaded.prompter.prompt(VOICE, [], TEXT)
    given = {"attention_mask": torch.ones_like(given["input_ids"]), **given}
    for name in ("compiling", "compiled"):
        began = perf_counter()
        out = loaded.model.generate(
            **given, max_new_tokens=count, do_sample=True, cache_implementation="static"
        )
        print(
            f"static cache, {name}: {1000 * (perf_counter() - began) / out.shape[1]:.2f} ms a step"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=("true", "tiny"), default="true")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--static", action="store_true")
    options = parser.parse_args()
    if options.size == "true" and options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("There is no GPU here. Try --size tiny, which runs on a CPU.")
    with tempfile.TemporaryDirectory() as folder:
        if options.size == "tiny":
            engine = tiny(Path(folder))
        else:
            engine = true_size(Path(folder), options.device)
        first_in_steps(engine)
        steps(engine, options.steps, options.rounds)
        speak(engine)
        for voices in (1, 3):
            together(engine, voices)
        if options.static:
            compiled(engine, options.steps)


if __name__ == "__main__":
    main()
