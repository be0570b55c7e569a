"""LiveSpeech's table on LibriTTS."""

from __future__ import annotations

from ttsbench.metrics.copied import copied
from ttsbench.metrics.mos import dnsmos
from ttsbench.metrics.protocols._common import CTC, HUBERT, LARGE_V3, OURS, SINC, WHISPER, explain
from ttsbench.metrics.sim import sim
from ttsbench.metrics.timing import first_chunk, rtf
from ttsbench.metrics.wer import wer
from ttsbench.records import Protocol


def make() -> Protocol:
    """Put the protocol together."""
    letters = (("model", "wav2vec2-base-960h"), *SINC)
    return Protocol(
        name="livespeech",
        version=2,
        title="LiveSpeech: LibriTTS test-clean, 3 to 5 s enrolment",
        explain=explain(
            "CER: wav2vec2-base-960h, CTC argmax, corpus rate, spaces counted. WER: HuBERT large, corpus rate, and "
            "Whisper large-v3 after Whisper's English normaliser, as the published logs have it. PER (wav2vec2-xlsr "
            "with espeak phones) is not computed.",
            "SS: cosine of SpeechBrain's ECAPA-TDNN with the enrolment; the paper compares with the whole utterance "
            "that the enrolment was cut from, so give that as the prompt to compare. O-MOS: DNSMOS P.808.",
            "Resampling to 16 kHz, for all models: torchaudio's windowed sinc, as the published values.",
            "Spaces: a double space that the recogniser writes is kept and counts in CER, as in the published logs. "
            "Apostrophes are deleted, as in the logs of VALL-E, YourTTS and LiveSpeech 2; the log of LiveSpeech 1 "
            "alone keeps them, so its published CER differs from ours by them.",
            "Latency in the paper is 16 RTF / 75, a calculation; here the arrival of the first chunk is measured. "
            + OURS,
            steps=("livespeech", "whisper-en"),
        ),
        measures=(
            wer(CTC, {"en": "livespeech"}, "cer", "CER", "character", letters, "corpus"),
            wer(CTC, {"en": "livespeech"}, "wer", "WER (HuBERT)", "word", (*HUBERT, *SINC), "corpus"),
            wer(WHISPER, {"en": "whisper-en"}, "wer-whisper", "WER (Whisper)", "word", (*LARGE_V3, *SINC), "corpus"),
            sim("speakers.speechbrain_ecapa", name="ss", title="SS", settings=SINC),
            dnsmos("p808", "sinc"),
            rtf(),
            first_chunk(),
            copied(),
        ),
        languages=("en",),
        models=("wav2vec2-base-960h", "hubert-large-ls960-ft", "whisper-large-v3", "spkrec-ecapa-voxceleb", "dnsmos"),
        source="LiveSpeech (2024) and its published logs",
    )
