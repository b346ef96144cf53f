"""A stand-in for the package torchaudio, of which the codec uses one function.

The torchaudio that pip brings is linked to CUDA: beside a torch without CUDA it cannot be loaded,
and where it is installed transformers then cannot be, either. So nobody needs to install it, and
one that does not load is hidden.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NAMES = ("torchaudio", "torchaudio.functional")


def provide() -> None:
    """See to it that ``import torchaudio`` works. Call it before transformers is imported."""
    try:
        import torchaudio  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
    except (ImportError, OSError):
        _hide()
        _stand_in()


def _hide() -> None:
    """Forget what was loaded before it failed."""
    for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
        del sys.modules[name]


def _stand_in() -> None:
    package, functional = (ModuleType(name) for name in NAMES)
    for module in (package, functional):
        module.__spec__ = ModuleSpec(module.__name__, None)
        sys.modules[module.__name__] = module
    vars(package).update(__version__="0", functional=functional)
    vars(functional).update(resample=resample)


def resample(waveform: Any, orig_freq: int, new_freq: int) -> Any:
    """Bring the last axis of a tensor from one rate to another."""
    import numpy as np
    import soxr
    import torch

    rows = waveform.detach().float().cpu().reshape(-1, waveform.shape[-1]).numpy()
    made = np.stack([soxr.resample(row, orig_freq, new_freq) for row in rows])
    return torch.from_numpy(made).reshape(*waveform.shape[:-1], -1).to(waveform)
