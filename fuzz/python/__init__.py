"""Targets over the Python layers: each module has ``run(data)``, which raises where a promise does not hold, and ``seeds()``.

They need neither atheris nor libFuzzer, so that the corpus is replayed wherever the tests run.
"""

TARGETS = ("framing", "records", "reader", "agreement", "roundtrip", "sealed", "importers", "owamcap", "cli")
