"""Importers: recordings of other programs as batches and entries of evcodec."""

from __future__ import annotations

__all__: list[str] = []
