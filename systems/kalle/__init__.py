"""KALL-E: autoregressive speech synthesis by next-distribution prediction (Xia et al., AAAI 2026, arXiv 2412.16846)."""
