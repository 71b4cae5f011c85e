"""Looking a recording over before it leaves: what is in it, what was typed, and taking something out for good."""

from .redact import Redacted, redact
from .report import Reviewed, review

__all__ = ["Redacted", "Reviewed", "redact", "review"]
