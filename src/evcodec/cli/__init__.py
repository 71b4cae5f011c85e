"""The command line: ``evcodec``, also ``python -m evcodec``. Needs the extra ``cli``.

Exit status: 0 when all went well, 1 when data was bad or could not be read or written, 2 when the command was used
wrongly, 130 after Ctrl-C. No traceback reaches the user.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    args : sequence of str, optional
        What was typed after the program's name; ``sys.argv[1:]`` by default.
    """
    try:
        import click  # noqa: F401
        import rich  # noqa: F401
    except ImportError as error:
        print(f"evcodec: {error.name} is missing; pip install 'evcodec[cli]'", file=sys.stderr)
        return 2
    try:
        from .app import run

        return run(sys.argv[1:] if args is None else list(args))
    except KeyboardInterrupt:
        # Ctrl-C while modules are still being imported.
        return 130
    except ImportError as error:
        if os.environ.get("EVCODEC_TRACEBACK"):
            raise
        print(f"evcodec: cannot start: {error}", file=sys.stderr)
        return 2
