"""The rules of seed-tts-eval and of F5-TTS, from the facts in docs/protocols.md; no file of theirs is shipped.

82 marks of Chinese punctuation (among them curly quotes, dashes, the ellipsis and the ideographic space) and 32 of
ASCII are deleted wherever they stand, so `well-known` becomes one word; numbers are left as they are.
"""

from __future__ import annotations

import string

from ttsbench.metrics.text.steps import Rules, Step, characters, delete, lower, simplify

# The marks of Chinese text as Unicode has them: full-width ASCII punctuation, CJK symbols, and some of general use.
FULL_WIDTH = "＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠！？．"
CJK = "｡｢｣､\u3000、。〃〈〉《》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿﹏﹑﹔"
GENERAL = "–—‘’‛“”„‟…‧·"
CHINESE = FULL_WIDTH + CJK + GENERAL
ASCII = string.punctuation

marks = delete(
    CHINESE + ASCII.replace("'", ""),
    "82 marks of Chinese punctuation (curly quotes and dashes among them) and of ASCII all but the apostrophe",
)
all_marks = delete(CHINESE + ASCII, "82 marks of Chinese punctuation and the 32 of ASCII, apostrophe included")
pairs = Step("two spaces become one, in one pass (three become two)", lambda text: text.replace("  ", " "))


SEED = "seed-tts-eval 752f429, run_wer.py"
F5 = "F5-TTS 2ae2c9b, eval/utils_eval.py"
RULES = (
    Rules("seed-en", (marks, pairs, lower), SEED),
    Rules("seed-zh", (marks, pairs, characters), SEED, hypothesis=(simplify,)),
    Rules("f5-en", (all_marks, pairs, lower), F5),
    Rules("f5-zh", (all_marks, pairs, characters), F5, hypothesis=(simplify,)),
)
