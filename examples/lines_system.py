"""A system that speaks JSON lines (the protocol is in systems/adapters/lines.py). Needs no package but its own.

It "speaks" by a tone per letter, at the pitch of its prompt's length: replace `speak` by a model.
"""

from __future__ import annotations

import base64
import json
import math
import os
import struct
import sys
from collections.abc import Iterator


def speak(text: str, prompt: str | None, seed: int, rate: int) -> Iterator[bytes]:
    """16-bit little-endian PCM, a piece for each word."""
    base = 110.0 + (os.path.getsize(prompt) % 110 if prompt else 0) + seed % 7
    for word in text.split():
        pieces = []
        for letter in word:
            pitch = base * 2 ** ((ord(letter) % 24) / 12)
            pieces += [int(8000 * math.sin(2 * math.pi * pitch * i / rate)) for i in range(rate // 16)]
        yield struct.pack(f"<{len(pieces)}h", *pieces)


def main() -> None:
    # Libraries print banners: keep the true standard output for messages and send everything else to the log.
    link = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    print("loading the model ...")
    print(json.dumps({"ready": True}), file=link)
    for line in sys.stdin:
        ask = json.loads(line)
        try:
            for piece in speak(ask["text"], ask["prompt"], ask["seed"], ask["sample_rate"]):
                answer = {"request": ask["request"], "pcm": base64.b64encode(piece).decode()}
                print(json.dumps(answer), file=link)
            print(json.dumps({"request": ask["request"], "done": True}), file=link)
        except Exception as fault:
            print(json.dumps({"request": ask["request"], "error": f"{type(fault).__name__}: {fault}"}), file=link)


if __name__ == "__main__":
    main()
