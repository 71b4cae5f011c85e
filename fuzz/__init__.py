"""Fuzzing: targets, how to build and run them, and the corpus that CI replays (README.md)."""
