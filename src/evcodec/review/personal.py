"""Personal data in text, found by Presidio's pattern recognizers, without a language model and without a network. No I/O.

Presidio finds names and places by models of spaCy, which are downloads of their own; nothing of them is used here. What is
found has a form: an e-mail address, a card number with its check digit, an IBAN, a phone number, ... `ENTITIES` has all of
them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from ..errors import MissingExtraError

# What the patterns of Presidio have a form for, in any country; and what is a finding there only with words around it.
ENTITIES = (
    "EMAIL_ADDRESS",
    "CREDIT_CARD",
    "IBAN_CODE",
    "PHONE_NUMBER",
    "IP_ADDRESS",
    "MAC_ADDRESS",
    "CRYPTO",
    "URL",
    "US_SSN",
    "UK_NHS",
)
# Of a bare pattern Presidio is this sure at least; what is surer has a check digit, or a telling word beside it.
LEAST_SCORE = 0.4
# Phone numbers without a country are read as these countries'.
REGIONS = ("US", "GB", "DE", "FR", "IT", "ES", "IN", "BR")


@lru_cache(maxsize=1)
def _recognizers() -> tuple[Any, ...]:
    try:
        from presidio_analyzer import predefined_recognizers as recognizers
        from tldextract import TLDExtract
    except ImportError:
        raise MissingExtraError(
            "--personal-data needs presidio-analyzer: pip install 'evcodec[review]'"
        ) from None
    # It logs what it finds at some levels.
    logging.getLogger("presidio-analyzer").setLevel(logging.CRITICAL)
    # Left to itself it fetches a list of domains; the one that it brings along will do.
    domains = TLDExtract(suffix_list_urls=(), cache_dir=None)
    email = recognizers.EmailRecognizer()
    email.validate_result = lambda text: bool(domains(text).fqdn)
    return (
        email, recognizers.CreditCardRecognizer(), recognizers.IbanRecognizer(),
        recognizers.PhoneRecognizer(supported_regions=REGIONS), recognizers.IpRecognizer(), recognizers.MacAddressRecognizer(),
        recognizers.CryptoRecognizer(), recognizers.UrlRecognizer(), recognizers.UsSsnRecognizer(), recognizers.NhsRecognizer(),
    )  # fmt: skip


def check() -> None:
    """Raise MissingExtraError if Presidio is not installed."""
    _recognizers()


@lru_cache(maxsize=8192)
def _places(text: str) -> tuple[tuple[int, int], ...]:
    found: set[tuple[int, int]] = set()
    for recognizer in _recognizers():
        for result in recognizer.analyze(text, recognizer.supported_entities, None) or ():
            if result.score >= LEAST_SCORE:
                found.add((result.start, result.end))
    return tuple(sorted(found))


def places(text: str) -> Iterable[tuple[int, int]]:
    """Return where personal data stands in a text."""
    return _places(text) if len(text) > 3 else ()


def forget() -> None:
    """Let go of the texts that were looked at."""
    _places.cache_clear()
