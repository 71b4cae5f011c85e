"""Folders that can be written but not read: what replaces a file needs no more than that."""

from __future__ import annotations

import os
import tempfile

from faults_files import POSIX, run

# Root may read anything, so the process becomes somebody else when all is imported.
UNREADABLE = """
import os, sys, warnings
import numpy as np
from evcodec import Reader, Writer
from evcodec.stream import compact, repair, verify

warnings.simplefilter("error")
folder = sys.argv[1]
if os.geteuid() == 0:
    os.chown(folder, 65534, 65534)
os.chmod(folder, 0o300)
os.chdir(folder)
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    os.listdir(".")
except PermissionError:
    pass
else:
    raise AssertionError("the folder can be read")
with Writer("a.evc", fsync=True, flush_interval_s=0.001) as writer:
    for t in range(4):
        writer.move(t, t, t)
        writer.flush()
compact("a.evc", "b.evc")
repair("b.evc", "c.evc")
for name in ("a.evc", "b.evc", "c.evc"):
    with Reader(name) as reader:
        assert len(reader) == 4 and len(reader.blocks) == 1, name
os.chmod(".", 0o700)
assert sorted(os.listdir(".")) == ["a.evc", "b.evc", "c.evc"]
"""


@POSIX
def test_a_folder_that_cannot_be_read():
    # Not below pytest's own folders, which nobody but its user may enter.
    with tempfile.TemporaryDirectory() as folder:
        try:
            run(UNREADABLE, folder)
        finally:
            os.chmod(folder, 0o700)
