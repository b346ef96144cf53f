"""The process in which pocketsphinx listens: it holds the GIL while it works.

Nothing is kept on disk, and it ends when its standard input does. Messages to it are a kind (one
byte), a length (four bytes, little-endian) and that many bytes; answers are a length and UTF-8.

    BEGIN   forget the utterance before, begin another
    AUDIO   some more of it, PCM16 16 kHz
    INTERIM what is it so far?        answered by its words
    END     what was it?              answered by its words
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from typing import Any, BinaryIO

BEGIN, AUDIO, INTERIM, END = range(4)
HEADER = struct.Struct("<BI")
LENGTH = struct.Struct("<I")

ORDINARY_SPEECH = "41.00,-5.29,-0.12,5.09,2.48,-4.07,-1.37,-1.78,-5.08,-2.05,-6.45,-1.42,1.17"
"""Mean cepstrum to begin with. With the built-in one, the first utterance gets half as many words
right; after that the decoder goes by what it has heard."""


def main() -> None:
    """Listen until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who ends us
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the C library prints stays out of the answers
    try:
        decoder = make_decoder()
        answer(answers, "")  # ready
        listen(decoder, sys.stdin.buffer, answers)
    except BrokenPipeError:
        os._exit(0)  # the parent has gone


def make_decoder() -> Any:
    """Load the model of US English: 0.6 s, 250 MB. Fast settings, a third more errors."""
    from pocketsphinx import Decoder

    return Decoder(
        samprate=16_000,
        loglevel="FATAL",
        fwdflat=False,
        bestpath=False,
        maxhmmpf=3000,
        maxwpf=20,
        pl_window=5,
        cmninit=ORDINARY_SPEECH,
    )


def listen(decoder: Any, messages: BinaryIO, answers: BinaryIO) -> None:
    """Follow the messages."""
    is_open = False
    while header := messages.read(HEADER.size):
        kind, length = HEADER.unpack(header)
        pcm = messages.read(length)
        if kind in (BEGIN, END) and is_open:
            decoder.end_utt()
            is_open = False
        if kind == BEGIN:
            decoder.start_utt()
            is_open = True
        elif kind == AUDIO:
            decoder.process_raw(pcm)
        else:
            guess = decoder.hyp()
            answer(answers, guess.hypstr if guess else "")


def answer(answers: BinaryIO, text: str) -> None:
    """Send one answer."""
    data = text.encode()
    answers.write(LENGTH.pack(len(data)) + data)
    answers.flush()


if __name__ == "__main__":
    main()
