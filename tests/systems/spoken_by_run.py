"""What `ttsbench run` lets a system say to one row."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ttsbench import cli
from ttsbench.audio import read


def spoken_by_run(place: Path, spec: str, out: str, text: str = "hi there") -> np.ndarray:
    """Samples of the row, whose prompt is p.wav in `place`; the run lies in place/out."""
    (place / "list.csv").write_text(f"id,text,prompt,prompt_text\na,{text},p.wav,hi\n")
    words = ["run", "--system", spec, "--testset", f"manifest={place / 'list.csv'}", "--out", str(place / out)]
    assert cli.main([*words, "--metrics", "rtf", "--shared-machine"]) == 0
    (file,) = (place / out).glob("*@*/audio/a.flac")
    return read(file)[0]
