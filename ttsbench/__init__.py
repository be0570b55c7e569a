"""ttsbench: how good, how fast and how costly is a text-to-speech system.

    import ttsbench
    testset = ttsbench.load_testset("seed-mini")
    result = ttsbench.score(ttsbench.speak("flite", testset))
    result.summary()                       # a pandas data frame: one row a metric
    ttsbench.report([result], "pages")     # pages/report.html
    ttsbench.score_clip("clip.wav", text="What it should say.")["wer"].value

The functions are loaded when first used: this import takes no time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttsbench.version import __version__

if not (Path(__file__).parent / "systems").is_dir():  # a checkout without links: the folders lie beside the package
    __path__.append(str(Path(__file__).parent.parent))

if TYPE_CHECKING:
    from ttsbench.api import Result, compare, export, frame, load_system, load_testset, report, score, score_clip, speak

__all__ = [
    "Result",
    "__version__",
    "compare",
    "export",
    "frame",
    "load_system",
    "load_testset",
    "report",
    "score",
    "score_clip",
    "speak",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'ttsbench' has no attribute {name!r}")
    from ttsbench import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
