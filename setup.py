"""Build the C kernels as a static library and the Cython modules over it.

Options are environment variables, so that pip, build and cibuildwheel all pass them on:

EVCODEC_WERROR=1                      C warnings are errors
EVCODEC_SANITIZE=address,undefined    build with these sanitizers, or with thread (GCC and Clang)
"""

import os
import sys
import sysconfig
import tomllib
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_clib import build_clib
from setuptools.command.build_ext import build_ext

# The Cython modules. Each has its source at ext/<package>/<module>.pyx and may call any kernel.
MODULES = (
    "evcodec._arrow",
    "evcodec._arrow_input",
    "evcodec._codec",
    "evcodec._memory",
    "evcodec._recorder",
    "evcodec._x11",
)
INCLUDE = ["ext", "ext/kernels"]
# The kernels whose time counts: compiled once for each CPU level that the target may have (ext/kernels/ev_cpu.h).
PER_LEVEL = ("ev_bins.c", "ev_column.c", "ev_decode*.c", "ev_encode*.c", "ev_kernels.c", "ev_kinds.c")
# Flags of each level, GCC's and Clang's, and MSVC's.
CPU_LEVELS = {
    "baseline": ([], []),
    "v3": (["-march=x86-64-v3"], ["/arch:AVX2"]),
    "v4": (["-march=x86-64-v4", "-mprefer-vector-width=256"], ["/arch:AVX512"]),
}
# No fused multiply-add: costs are estimated, and so encodings chosen, alike at every level.
C_FLAGS = ["-std=c11", "-O3", "-fvisibility=hidden", "-ffp-contract=off"]

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
    COMMON = [*C_FLAGS]
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


def levels() -> list[str]:
    """Return the CPU levels of the target. A universal2 build compiles each file once for two architectures: the first only."""
    architecture = sysconfig.get_platform().rpartition("-")[2]
    other = "arm64" in os.environ.get("ARCHFLAGS", "")
    return list(CPU_LEVELS) if architecture in ("x86_64", "amd64") and not other else ["baseline"]


class BuildKernels(build_clib):
    """Build each library in a folder of its own: the levels are compiled from the same files."""

    def build_libraries(self, libraries: list[tuple[str, dict[str, object]]]) -> None:
        """Build them side by side."""

        def build(library: tuple[str, dict[str, object]]) -> None:
            own = copy(self)
            own.build_temp = f"{self.build_temp}/{library[0]}"
            build_clib.build_libraries(own, [library])

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(build, libraries))


class BuildModules(build_ext):
    """Build the modules side by side."""

    def finalize_options(self) -> None:
        """Take as many processes as there are processors, unless told otherwise."""
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()


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
hot = sorted({path for pattern in PER_LEVEL for path in listed(f"kernels/{pattern}")})
cold = [path for path in listed("kernels/*.c") if path not in hot]
version = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
macros = [("EVCODEC_VERSION", version)]
headers = listed("**/*.h") + listed("**/*.pxd") + listed("**/*.pxi")
depends = [*headers, "setup.py", "pyproject.toml", options_stamp()]


def library(
    name: str, sources: list[str], flags: list[str], macros: list[tuple[str, str]]
) -> tuple[str, dict]:
    """Return a static library as setuptools wants it."""
    options = {"sources": sources, "obj_deps": {"": depends}, "include_dirs": INCLUDE}
    return name, options | {"cflags": COMMON + KERNEL_WARNINGS + flags, "macros": macros}


# In the order that a linker wants: who calls stands before who is called.
libraries = [
    library(
        "evcodec_cpu", ["ext/kernels/ev_cpu.c"], [], [(f"EV_CPU_BUILT_{x.upper()}", "1") for x in levels()]
    )
]
for level in levels():
    flags = CPU_LEVELS[level][1 if MSVC else 0]
    libraries.append(library(f"evcodec_{level}", hot, flags, [("EV_CPU_SUFFIX", f"_{level}")]))
libraries.append(
    library("evcodec_kernels", [path for path in cold if not path.endswith("/ev_cpu.c")], [], [])
)
extensions = [
    Extension(
        name,
        [source],
        include_dirs=INCLUDE,
        define_macros=macros,
        depends=[*hot, *cold, *depends],
        extra_compile_args=COMMON + CYTHON_WARNINGS,
        extra_link_args=LINK,
    )
    for name, source in sources.items()
]
setup(
    cmdclass={"build_clib": BuildKernels, "build_ext": BuildModules},
    libraries=libraries,
    ext_modules=cythonize(
        extensions,
        include_path=["ext"],
        build_dir="build/cython",
        compiler_directives={"language_level": 3, "freethreading_compatible": True},
    ),
)
