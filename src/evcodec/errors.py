"""The few kinds of error that evcodec raises.

Every error is an :class:`EvcodecError` and also the builtin that fits it, so that callers who do not know
evcodec still catch what they expect. Messages say where, what was found, and what is allowed.
"""

from __future__ import annotations


class EvcodecError(Exception):
    """Base of every error that evcodec raises on purpose."""


class CorruptDataError(EvcodecError, ValueError):
    """Data contradicts the format: a checksum, a forged length, a value that cannot be."""


class TruncatedDataError(EvcodecError, EOFError):
    """Data ends inside a record."""


class UnsupportedVersionError(EvcodecError, ValueError):
    """Data needs a later version of evcodec, or a feature that this one does not have."""


class LimitExceededError(EvcodecError, ValueError):
    """A stated limit of the format, or one that the caller set, would be exceeded."""


class ReadLimitError(LimitExceededError):
    """What one call was asked for is more than its caller allows: no damage, so it is never skipped as such."""


class InvalidArgumentError(EvcodecError, ValueError):
    """An argument is outside of what is allowed; nothing was written."""


class NotPermittedError(InvalidArgumentError):
    """What was asked for is there, and not to be had like this: no damage, so it is never skipped as such."""


class MissingKeyError(NotPermittedError):
    """What was asked for is encrypted, and no key that was given opens it."""


class PurposeError(NotPermittedError):
    """A stream was recorded for another purpose than it was to be read for."""


class RetentionError(NotPermittedError):
    """A stream states that it was to be kept up to a time that is past."""


class MissingExtraError(EvcodecError, ImportError):
    """An optional dependency is needed; the message names the command that installs it."""


class CaptureError(EvcodecError, RuntimeError):
    """The recorder cannot observe, or cannot be seen: no display, no permission, no indicator; its text says what to do."""


class CpuLevelError(EvcodecError, ImportError):
    """``EVCODEC_CPU`` asks for a level that is not there: evcodec is not imported."""


class WriteFailedError(EvcodecError, OSError):
    """The target of a Writer did not take the bytes; what it took before stays readable.

    Attributes
    ----------
    unwritten_events : int
        When `Writer.close` raises it: how many events were appended without an error and are neither in the
        stream nor in one of its gaps.
    """

    unwritten_events: int = 0

    def again(self, more: str = "", unwritten_events: int = 0) -> WriteFailedError:
        """Return an error that says the same, and more, to another caller."""
        error = WriteFailedError(*self.args[:-1], f"{self.args[-1]}{more}")
        error.unwritten_events = unwritten_events
        error.__cause__ = self.__cause__ or self
        return error
