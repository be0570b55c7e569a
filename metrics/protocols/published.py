"""Protocols of published evaluators, from the facts in docs/protocols.md. Each says where it differs."""

from __future__ import annotations

from ttsbench.metrics.intrusive import intrusive
from ttsbench.metrics.mos import dnsmos, quality
from ttsbench.metrics.sim import sim
from ttsbench.metrics.text import rules
from ttsbench.metrics.timing import first_chunk, length_ratio, rtf
from ttsbench.metrics.wer import wer
from ttsbench.records import Measure, Protocol

WHISPER, OPENAI, CTC = "recognisers.whisper_hf", "recognisers.whisper_openai", "recognisers.ctc"
PARAFORMER, WAVLM = "recognisers.paraformer", "speakers.wavlm_ecapa"
LARGE_V3 = (("model", "whisper-large-v3"),)
HUBERT = (("model", "hubert-large-ls960-ft"),)
UTMOS = "Saeki et al.: UTMOS, Interspeech 2022"
CHEN = "Chen et al.: WavLM, JSTSP 2022; Desplanques et al.: ECAPA-TDNN, Interspeech 2020"
OURS = "Missing rows: ours counts a missing, empty or unreadable output as 100 % and lists it."
BESIDE = f"{OURS} The columns `-as-published` leave it out."


def _explain(*lines: str, steps: tuple[str, ...] = ()) -> str:
    """The lines, then the steps of the named text rules."""
    listed = [f"Text, rules {name} (version {rules(name).version}):\n{rules(name).explain()}" for name in steps]
    return "\n".join([*lines, *listed])


def _utmos() -> Measure:
    about = "UTMOS22 strong, each file alone"
    return quality("quality.utmos22", "utmos", "utmos", "UTMOS", about, UTMOS, low=-5.0, high=11.0)


def _wavlm(resampling: str = "soxr") -> tuple[Measure, Measure]:
    settings = (("resampling", resampling),)
    return (
        sim(WAVLM, settings=settings, citation=CHEN),
        sim(WAVLM, "resynthesised prompt", "sim-r", "SIM-r", settings, CHEN),
    )


def _seed(english: str, chinese: str) -> tuple[Measure, ...]:
    """Seed's columns: WER by Whisper, CER by Paraformer, each also with missing rows left out."""
    whisper = (*LARGE_V3, ("resampling", "fft"))
    en, zh = {"en": english}, {"zh": chinese}
    only_en, only_zh = "this column is English, Chinese has its own", "this column is Chinese, English has its own"
    return (
        wer(WHISPER, en, settings=whisper, why_not=only_en),
        wer(WHISPER, en, "wer-as-published", "WER as published", "word", whisper, why_not=only_en, missing="skipped"),
        wer(PARAFORMER, zh, "cer", "CER (zh)", why_not=only_zh),
        wer(PARAFORMER, zh, "cer-as-published", "CER (zh) as published", why_not=only_zh, missing="skipped"),
    )


SEED_MODELS = ("whisper-large-v3", "paraformer-zh", "wavlm-large-finetune")
SEED_LINES = (
    "Recogniser: en, Whisper large-v3 (transformers), one 30 s window (longer audio is cut, and flagged), greedy, "
    "language and task forced, float32. zh and hard cases, Paraformer-zh (FunASR), no VAD, no punctuation model.",
    "Resampling to 16 kHz: for Whisper SciPy's FFT to int(n * 16000 / rate) samples, as the original; for SIM "
    "torchaudio's windowed sinc.",
    "Headline: unweighted mean of utterance rates, not capped; the corpus rate stands beside it. SIM: cosine of output "
    "and prompt, WavLM large + ECAPA, whole file.",
    "Theirs: a row without output is dropped without a word. " + BESIDE,
)


def seed_tts_eval() -> Protocol:
    """ByteDance's seed-tts-eval, all three lists."""
    return Protocol(
        name="seed-tts-eval",
        version=1,
        title="Seed-TTS test-en, test-zh, test-hard",
        explain=_explain(
            *SEED_LINES,
            "Bugs of the original that are not repeated: from a stereo output it takes sample 0 of each channel as the "
            "signal (here channels are averaged); its table divides substitutions by a count with empty pieces (kept "
            "in each row's detail as `pieces`). Simplification is by OpenCC, not zhconv, which is GPL.",
            steps=("seed-en", "seed-zh"),
        ),
        measures=(*_seed("seed-en", "seed-zh"), *_wavlm("sinc"), rtf(), first_chunk(), length_ratio()),
        languages=("en", "zh"),
        models=SEED_MODELS,
        source="seed-tts-eval 752f429 (2024-06)",
    )


def f5_tts() -> Protocol:
    """F5-TTS's scripts for Seed's lists and LibriSpeech-PC."""
    beam = (("model", "openai-whisper-large-v3"), ("beam", "5"))
    en, zh = {"en": "f5-en"}, {"zh": "f5-zh"}
    only = "this column is for the other language"
    return Protocol(
        name="f5-tts",
        version=1,
        title="F5-TTS: LibriSpeech-PC cross-sentence and Seed-TTS lists",
        explain=_explain(
            "Recogniser: en, Whisper large-v3 with a beam of 5; the original uses faster-whisper 0.10.1 in float16 "
            "with temperature fallback over long audio, ours openai-whisper in float32 over one 30 s window. zh: "
            "Paraformer-zh.",
            "Headline: mean of utterance rates (theirs as a fraction with 5 decimals). SIM: WavLM large + ECAPA, "
            "output and prompt, torchaudio's sinc. UTMOS: native rate, mean; theirs walks the folder and scores "
            "prompts that lie in it, ours scores outputs only.",
            "Theirs: Seed lists skip a missing output, LibriSpeech stops. " + BESIDE,
            steps=("f5-en", "f5-zh"),
        ),
        measures=(
            wer(OPENAI, en, settings=beam, why_not=only),
            wer(OPENAI, en, "wer-as-published", "WER as published", settings=beam, why_not=only, missing="skipped"),
            wer(PARAFORMER, zh, "cer", "CER (zh)", why_not=only),
            *_wavlm("sinc"),
            _utmos(),
            rtf(),
            first_chunk(),
        ),
        languages=("en", "zh"),
        models=("openai-whisper-large-v3", "paraformer-zh", "wavlm-large-finetune", "utmos22-strong"),
        source="F5-TTS 2ae2c9b (2026-05)",
    )


def zipvoice_hubert() -> Protocol:
    """ZipVoice's HuBERT script for LibriSpeech-PC."""
    return Protocol(
        name="zipvoice-hubert",
        version=1,
        title="ZipVoice: LibriSpeech-PC with HuBERT",
        explain=_explain(
            "Recogniser: HuBERT large (LibriSpeech 960 h), CTC argmax, no language model, one file at a time, float32 "
            "(theirs allows TF32). Resampling: soxr HQ, as librosa's.",
            "Headline: corpus WER; the mean stands beside it. SIM: WavLM large + ECAPA, first 120 s. UTMOS at 16 kHz.",
            "Theirs: a missing output stops the run. " + OURS,
            steps=("zipvoice-hubert",),
        ),
        measures=(wer(CTC, {"en": "zipvoice-hubert"}, settings=HUBERT, shown="corpus"), *_wavlm(), _utmos(), rtf()),
        languages=("en",),
        models=("hubert-large-ls960-ft", "wavlm-large-finetune", "utmos22-strong"),
        source="ZipVoice 2f7326f (2025-12)",
    )


def valle_continuation() -> Protocol:
    """VALL-E's continuation task as evaluate-zero-shot-tts computes it."""
    rule = {"en": "keonlee"}
    return Protocol(
        name="valle-continuation",
        version=1,
        title="VALL-E: LibriSpeech 4 to 10 s, continuation of 3 s (also cross-sentence)",
        explain=_explain(
            "Recogniser: HuBERT large, CTC argmax. Headline: corpus WER and CER, spaces not counted in CER.",
            "The prompt is cut off the output before SIM, and before recognition where its text is known; where only "
            "the text of prompt and continuation together is known, the whole output is recognised.",
            "SIM-o: the original prompt. SIM-r: the same prompt after the system's own codec; not applicable without "
            "one. WavLM large + ECAPA. Resampling: torchaudio's sinc from each file's own rate (theirs: from the first "
            "file's).",
            "Theirs: mean and deviation over 3 trials of prompts; here one run is one trial. " + OURS,
            "Published ground truth: WER 2.15, CER 0.61, SIM-o 0.7395.",
            steps=("keonlee",),
        ),
        measures=(
            wer(CTC, rule, settings=HUBERT, shown="corpus"),
            wer(CTC, rule, "cer", "CER", "character", HUBERT, "corpus"),
            *_wavlm("sinc"),
            rtf(),
        ),
        languages=("en",),
        models=("hubert-large-ls960-ft", "wavlm-large-finetune"),
        source="evaluate-zero-shot-tts 6cbbe8f (2024-09)",
    )


def livespeech() -> Protocol:
    """LiveSpeech's table on LibriTTS."""
    letters = (("model", "wav2vec2-base-960h"),)
    return Protocol(
        name="livespeech",
        version=1,
        title="LiveSpeech: LibriTTS test-clean, 3 to 5 s enrolment",
        explain=_explain(
            "CER: wav2vec2-base-960h, CTC argmax, corpus rate, spaces counted. WER: HuBERT large, corpus rate, and "
            "Whisper large-v3 after Whisper's English normaliser, as the published logs have it. PER (wav2vec2-xlsr "
            "with espeak phones) is not computed.",
            "SS: cosine of SpeechBrain's ECAPA-TDNN with the enrolment; the paper compares with the whole utterance "
            "that the enrolment was cut from, so give that as the prompt to compare. O-MOS: DNSMOS P.808. All at 16 "
            "kHz.",
            "Latency in the paper is 16 RTF / 75, a calculation; here the arrival of the first chunk is measured. "
            + OURS,
            steps=("livespeech", "whisper-en"),
        ),
        measures=(
            wer(CTC, {"en": "livespeech"}, "cer", "CER", "character", letters, "corpus"),
            wer(CTC, {"en": "livespeech"}, "wer", "WER (HuBERT)", "word", HUBERT, "corpus"),
            wer(WHISPER, {"en": "whisper-en"}, "wer-whisper", "WER (Whisper)", "word", LARGE_V3, "corpus"),
            sim("speakers.speechbrain_ecapa", name="ss", title="SS"),
            dnsmos("p808"),
            rtf(),
            first_chunk(),
        ),
        languages=("en",),
        models=("wav2vec2-base-960h", "hubert-large-ls960-ft", "whisper-large-v3", "spkrec-ecapa-voxceleb", "dnsmos"),
        source="LiveSpeech (2024) and its published logs",
    )


def llasa() -> Protocol:
    """Llasa's tables: Seed's lists, LibriSpeech continuation, codec round trips, emotion similarity."""
    return Protocol(
        name="llasa",
        version=1,
        title="Llasa: Seed-TTS lists, LibriSpeech continuation, codec table",
        explain=_explain(
            "Seed-TTS lists: as protocol seed-tts-eval. Continuation (LibriSpeech test-clean, 4 to 10 s, first 3 s as "
            "prompt): WER-H by HuBERT large, SIM-o and SIM-r with the prompt cut off.",
            "Codec table (task resynthesis, LibriSpeech test-clean): WER-H, STOI, PESQ wb and nb, UTMOS, and SPK-SIM, "
            "which stands in column SIM-o: there it compares with the original recording.",
            "Emotion similarity is a protocol of its own, llasa-emotion. " + OURS,
            steps=("seed-en", "seed-zh", "zipvoice-hubert"),
        ),
        measures=(
            *_seed("seed-en", "seed-zh"),
            wer(CTC, {"en": "zipvoice-hubert"}, "wer-h", "WER-H", "word", HUBERT),
            *_wavlm(),
            _utmos(),
            *(intrusive(key) for key in ("stoi", "wb", "nb")),
            rtf(),
        ),
        languages=("en", "zh"),
        models=(*SEED_MODELS, "hubert-large-ls960-ft", "utmos22-strong"),
        source="Llasa (2025)",
    )


def llasa_emotion() -> Protocol:
    """Llasa's emotion similarity on ESD."""
    return Protocol(
        name="llasa-emotion",
        version=1,
        title="Llasa: emotion similarity",
        explain=_explain(
            "Cosine of emotion2vec+ large vectors (one an utterance) of output and prompt, 16 kHz, soxr HQ. Which size "
            "of the model the paper used is our reading.",
        ),
        measures=(sim("speakers.emotion2vec", name="emo-sim", title="Emotion similarity"),),
        models=("emotion2vec-plus-large",),
        source="Llasa (2025)",
    )


def kalle() -> Protocol:
    """KALL-E's tables: Seed's lists without the hard cases, and the codec table."""
    return Protocol(
        name="kalle",
        version=1,
        title="KALL-E: Seed-TTS test-zh and test-en, codec table",
        explain=_explain(
            *SEED_LINES,
            "Codec table (task resynthesis): STOI, PESQ wb and nb, UTMOS; its SPK-SIM stands in column SIM-o.",
            steps=("seed-en", "seed-zh"),
        ),
        measures=(
            *_seed("seed-en", "seed-zh"),
            *_wavlm(),
            _utmos(),
            *(intrusive(key) for key in ("stoi", "wb", "nb")),
            rtf(),
        ),
        languages=("en", "zh"),
        models=(*SEED_MODELS, "utmos22-strong"),
        source="KALL-E (2025)",
    )


LANGUAGES = ("de", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "zh")


def whisper_normalised() -> Protocol:
    """Whisper large-v3 with Whisper's own normalisers, as VERSA, EmergentTTS-Eval and many papers report."""
    words = {"en": "whisper-en"} | {language: "whisper-basic" for language in LANGUAGES if language not in ("ja", "zh")}
    letters = words | {"zh": "plain-zh", "ja": "plain-zh"}
    return Protocol(
        name="whisper-normalised",
        version=1,
        title="Whisper large-v3 with Whisper's normalisers",
        explain=_explain(
            "Recogniser: Whisper large-v3 (transformers), one 30 s window, greedy, language forced, float32, soxr HQ.",
            "English by Whisper's English normaliser, other languages by its basic one; Chinese and Japanese have CER "
            "only, split in characters. Headline: corpus rate. VERSA sums edit counts and skips failed rows; "
            "EmergentTTS-Eval takes the mean and divides by zero on an empty text. " + OURS,
            steps=("whisper-en", "whisper-basic"),
        ),
        measures=(
            wer(WHISPER, words, settings=LARGE_V3, shown="corpus", why_not="it has no words to count, see CER"),
            wer(WHISPER, letters, "cer", "CER", "character", LARGE_V3, "corpus"),
            rtf(),
        ),
        languages=("en", *LANGUAGES),
        models=("whisper-large-v3",),
        source="VERSA c398480, EmergentTTS-Eval 5764ace",
    )


def open_asr() -> Protocol:
    """The Open ASR leaderboard's normalisation, on synthesised speech."""
    return Protocol(
        name="open-asr",
        version=1,
        title="Open ASR leaderboard's normalisation (English)",
        explain=_explain(
            "Recogniser: Whisper large-v3 (transformers), as in whisper-normalised. Headline: corpus WER.",
            "Rows whose text is empty after normalisation are removed, as theirs.",
            "A compound written in one word or in several is no error (by kaldialign, as theirs; about 0.35 points). "
            "Their table of names makes one of many: a system that says Erik for Eric is not charged. " + OURS,
            steps=("open-asr",),
        ),
        measures=(
            wer(WHISPER, {"en": "open-asr"}, settings=LARGE_V3, shown="corpus", empty="removed", merged=True),
            rtf(),
        ),
        languages=("en",),
        models=("whisper-large-v3",),
        source="open_asr_leaderboard d1e99b2 (2026-08)",
    )
