"""MobileSpeech (Ji et al., ACL 2024), a tagged reconstruction: README.md says what is known and what is chosen."""
