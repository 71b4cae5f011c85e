"""Ray Data over evcodec: streams as a distributed dataset, and a distributed dataset as streams. Needs the extra ``ray``."""

from __future__ import annotations

from ..errors import MissingExtraError

try:
    import pyarrow  # noqa: F401
    import ray.data  # noqa: F401
except ImportError as error:
    raise MissingExtraError(f"evcodec.ray: {error}; pip install 'evcodec[ray]'") from error

from .governance import common_governance
from .reports import ReadReport
from .sink import EvcDatasink, write_evc
from .source import EvcDatasource, read_evc

__all__ = ["EvcDatasink", "EvcDatasource", "ReadReport", "common_governance", "read_evc", "write_evc"]
