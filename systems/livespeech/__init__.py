"""LiveSpeech (Dang et al., Interspeech 2024): one step per codec frame, all codebooks at once, streaming."""
