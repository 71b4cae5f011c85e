"""On a free-threaded CPython nothing that evcodec imports turns the GIL back on: the tests of threads run without one."""

from __future__ import annotations

import subprocess
import sys
import sysconfig

import pytest

CODE = "import sys, evcodec; sys.exit(sys._is_gil_enabled())"


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="needs a free-threaded CPython")
def test_importing_leaves_the_gil_off():
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", CODE]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
