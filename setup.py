"""Build the C kernels as a static library and the Cython modules over it.

Options are environment variables, so that pip, build and cibuildwheel all pass them on:

EVCODEC_WERROR=1                      C warnings are errors
EVCODEC_SANITIZE=address,undefined    build with these sanitizers (GCC and Clang)
"""

import os
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

# The Cython modules. Each has its source at ext/<package>/<module>.pyx and may call any kernel.
MODULES = ("evcodec._codec", "evcodec._recorder")
INCLUDE = ["ext", "ext/kernels"]

WERROR = os.environ.get("EVCODEC_WERROR", "") not in ("", "0")
SANITIZE = os.environ.get("EVCODEC_SANITIZE", "")
MSVC = sysconfig.get_platform().startswith("win")  # "mingw..." where Python itself is built by GCC

if MSVC:
    COMMON = ["/O2", "/std:c11"]
    KERNEL_WARNINGS = ["/W3", "/WX"]
    CYTHON_WARNINGS = []
    LINK = []
    if SANITIZE:
        sys.exit("EVCODEC_SANITIZE is for GCC and Clang")
else:
    COMMON = ["-std=c11", "-O3", "-fvisibility=hidden"]
    KERNEL_WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wstrict-prototypes", "-Werror"]
    # Generated C defines helpers that it does not call, and hides from the compiler which path set a variable.
    CYTHON_WARNINGS = ["-Wall", "-Werror", "-Wno-unknown-warning-option", "-Wno-unused-function"]
    CYTHON_WARNINGS += ["-Wno-unused-variable", "-Wno-maybe-uninitialized"]
    LINK = ["-lm"]
    if SANITIZE:
        COMMON += [
            "-O1",
            "-g",
            "-fno-omit-frame-pointer",
            f"-fsanitize={SANITIZE}",
            "-fno-sanitize-recover=all",
        ]
        LINK += [f"-fsanitize={SANITIZE}"]
if not WERROR:
    KERNEL_WARNINGS = CYTHON_WARNINGS = []


def listed(pattern: str) -> list[str]:
    """Return the files that match, in an order that does not depend on the machine."""
    return sorted(path.as_posix() for path in Path("ext").glob(pattern))


def options_stamp() -> str:
    """Return a file that changes when the build options do: setuptools compares only times of files."""
    text = f"werror={WERROR} sanitize={SANITIZE}\n"
    stamp = Path("build/options.txt")
    if not stamp.exists() or stamp.read_text() != text:
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(text)
    return stamp.as_posix()


os.chdir(Path(__file__).parent)
sources = {name: f"ext/{name.replace('.', '/')}.pyx" for name in MODULES}
if unlisted := set(listed("**/*.pyx")) ^ set(sources.values()):
    sys.exit(f"setup.py: MODULES and the .pyx files differ in {', '.join(sorted(unlisted))}")
kernels = listed("kernels/**/*.c")
headers = listed("**/*.h") + listed("**/*.pxd") + listed("**/*.pxi")
depends = [*headers, "setup.py", options_stamp()]

library = {
    "sources": kernels,
    "obj_deps": {"": depends},
    "include_dirs": INCLUDE,
    "cflags": COMMON + KERNEL_WARNINGS,
}
extensions = [
    Extension(
        name,
        [source],
        include_dirs=INCLUDE,
        depends=[*kernels, *depends],
        extra_compile_args=COMMON + CYTHON_WARNINGS,
        extra_link_args=LINK,
    )
    for name, source in sources.items()
]
setup(
    libraries=[("evcodec_kernels", library)] if kernels else [],
    ext_modules=cythonize(
        extensions,
        include_path=["ext"],
        build_dir="build/cython",
        compiler_directives={"language_level": 3, "freethreading_compatible": True},
    ),
)
