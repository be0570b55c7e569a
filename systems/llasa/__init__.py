"""Llasa (Ye et al. 2025, arXiv 2502.04128): one decoder-only language model over text and one stream of speech tokens.

`core`, `prompt`, `paper`: the full size, for the published checkpoints. `small`, `train`, `system`: the shipped one.
`decoding`: drawing candidates from either; `search`: spending compute at inference time to speak better.
"""
