"""Hugging Face's Open TTS Leaderboard (September 2026)."""

from __future__ import annotations

from ttsbench.metrics.copied import copied
from ttsbench.metrics.protocols._common import BESIDE, explain, utmos, wavlm
from ttsbench.metrics.text.open_tts import CHARACTERS, WORDS
from ttsbench.metrics.timing import first_share, leading_silence, rtfx, ttfa
from ttsbench.metrics.wer import Unit, wer
from ttsbench.records import Measure, Protocol

QWEN = "recognisers.qwen3_asr"
HEARD = (("longest", "30"), ("shortest", "720"))  # s, samples
BY_WORDS = {"en": "open-tts-en"} | {language: f"open-tts-{language}" for language in WORDS}
BY_CHARACTERS = {"zh": "open-tts-zh", "ja": "open-tts-ja", "ko": "open-tts-ja", "th": "open-tts-th"}
STRICT = {"zh": "open-tts-zh-strict", "ja": "open-tts-ja-strict", "ko": "open-tts-ja-strict"}
BY_CHARACTERS |= dict.fromkeys(("yue", "cmn"), "open-tts-zh")
STRICT |= dict.fromkeys(("yue", "cmn"), "open-tts-zh-strict")
LINES = (
    "Recogniser: Qwen3-ASR 1.7B (transformers) for every language, bfloat16, the language given, the first 30 s, "
    "256 new tokens, all else as the checkpoint's own configuration has it; rows of like length in batches of 32,"
    " padded to the longest. Revision: the original pins none, ours is pinned (docs/protocols.md, Weights). "
    "Resampling to 16 kHz: soxr HQ, as transformers does without torchcodec (with it: FFmpeg's).",
    "WER: corpus rate (edits over words of all rows), compounds merged by kaldialign. Chinese, Japanese, Korean: "
    "CER by characters, nothing merged; the headline is the lenient one, `cer-strict` stands beside it. Thai: "
    "CER. The mean of utterances stands in the table, too. An empty text has no weight in ours; theirs adds its "
    "insertions to the sum.",
    "SIM: WavLM large + ECAPA (file by its sha256), one file at a time, float32, first 30 s, layer norm over the "
    "whole wave, cosine with the prompt, mean; 720 samples at least. Theirs leaves a shorter row out; ours counts"
    " it as failed. A value is the cosine, theirs is 100 times it. UTMOS: 16 kHz first, first 30 s.",
    "RTFx: sum of seconds over sum of times, after one utterance to warm up (theirs: two batches); theirs "
    "batches, each system at its own size, ours asks one at a time. TTFA: first chunk, or the end where nothing "
    "is streamed; `ttsbench export --to open-tts` drops the first three rows and takes p50, p90 and p95 by their "
    "rule. A system streams where the median of first chunk's share is under 0.95.",
    "Theirs: rows that are not in a list are not counted, an empty transcript is all deletions, averages run over"
    " the languages that are there. " + BESIDE,
    "Simplified characters: OpenCC tw2s, theirs zhconv (GPL); docs/protocols.md lists the characters that differ. "
    "Languages other than those printed below have the rules of open-tts-de with numbers in their own words.",
)


def make() -> Protocol:
    """Put the protocol together."""
    return Protocol(
        name="open-tts",
        version=1,
        title="Open TTS Leaderboard: Qwen3-ASR, CV3-Eval, Seed-TTS and MiniMax lists",
        explain=explain(
            *LINES,
            steps=(
                "open-tts-en",
                "open-tts-zh",
                "open-tts-zh-strict",
                "open-tts-ja",
                "open-tts-ja-strict",
                "open-tts-de",
            ),
        ),
        measures=(
            *_rates("wer", "WER", BY_WORDS),
            *_rates("cer", "CER", BY_CHARACTERS),
            *_rates("cer-strict", "CER strict", STRICT),
            wavlm("soxr", *HEARD)[0],
            utmos("soxr", HEARD[0]),
            rtfx(),
            ttfa(),
            first_share(),
            leading_silence(),
            copied(),
        ),
        languages=("en", *WORDS, *CHARACTERS),
        models=("qwen3-asr-1.7b", "wavlm-large-finetune", "utmos22-strong"),
        source="huggingface/open-tts-leaderboard 0877b66, beda09e, 0d6afb7 (2026-09)",
    )


def _rates(name: str, title: str, by_language: dict[str, str]) -> tuple[Measure, Measure]:
    """A rate with missing rows counted, and as published."""
    words = name == "wer"
    unit: Unit = "word" if words else "character"
    why_not = "not counted in words here, see CER" if words else "not counted in characters here, see WER"
    why_not = "it has no strict rules of its own" if name == "cer-strict" else why_not
    counted = wer(QWEN, by_language, name, title, unit, shown="corpus", why_not=why_not, merged=words)
    theirs, named = f"{name}-as-published", f"{title} as published"
    skipped = wer(
        QWEN, by_language, theirs, named, unit, shown="corpus", why_not=why_not, merged=words, missing="skipped"
    )
    return counted, skipped
