"""Compiles the codec of a catalog, where Cython and a C compiler are there.

``python -m schemas.build`` compiles the product's, ``python -m schemas.build package.module:NAME`` that of another
catalog. What is up to date stays as it is. Where nothing can be compiled, plain Python does the same, only slower.
"""

import importlib
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

from schemas import cython_source, native
from schemas.catalog import Catalog
from schemas.plan import SchemaMismatchError

TIMEOUT_S: Final = 300.0
_PRODUCT: Final = "schemas.catalog:PRODUCT"
#: Signed overflow and aliasing as CPython's own headers want them; warnings are about Cython's C, not ours.
_FLAGS: Final = ("-O2", "-DNDEBUG", "-fwrapv", "-fno-strict-aliasing", "-w")


class BuildError(Exception):
    """Nothing was compiled; the message says why, in one line."""


def build(catalog: Catalog, flags: Sequence[str] = _FLAGS) -> Path:
    """The compiled codec of *catalog*, made now unless it is there. Raises BuildError."""
    try:
        source = cython_source.source(catalog)
    except SchemaMismatchError as error:
        raise BuildError(str(error)) from error
    return build_module(native.module_name(catalog), source, flags)


def build_module(module: str, source: str, flags: Sequence[str] = _FLAGS) -> Path:
    """What becomes of a Cython *source*, made now unless it is there; older builds of it go. Raises BuildError."""
    wanted = native.FOLDER / native.file_of(module, source, f"cython-{_cython_version()}")
    if not wanted.exists():
        native.FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=native.FOLDER) as scratch:
            pyx = Path(scratch, f"{module}.pyx")
            pyx.write_text(source)
            made = _compile(pyx, flags)
            made.replace(wanted)  # whole or not at all, whoever else builds or loads meanwhile
    for other in set(native.files_of(module)) - {wanted}:
        other.unlink(missing_ok=True)
    return wanted


def _cython_version() -> str:
    try:
        return metadata.version("cython")
    except metadata.PackageNotFoundError as error:
        raise BuildError("Cython is not installed") from error


def _compile(pyx: Path, flags: Sequence[str]) -> Path:
    c, made = pyx.with_suffix(".c"), pyx.with_suffix(".so")
    _run([sys.executable, "-m", "cython", "-3", str(pyx), "-o", str(c)])
    linker = shlex.split(str(sysconfig.get_config_var("LDSHARED")))
    if "CC" in os.environ:
        linker[:1] = shlex.split(os.environ["CC"])
    shared = shlex.split(str(sysconfig.get_config_var("CCSHARED") or ""))
    include = sysconfig.get_path("include")
    _run([*linker, *shared, *flags, f"-I{include}", str(c), "-o", str(made)])
    return made


def _run(command: Sequence[str]) -> None:
    """Raises BuildError with the line of the output that says most."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # noqa: S603  # our own words
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(" ".join(str(error).split())) from error
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        telling = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no output")
        raise BuildError(f"{Path(command[0]).name}: {telling}")


def main(arguments: Sequence[str]) -> int:
    """1 if something could not be compiled."""
    failed = 0
    for name in arguments or (_PRODUCT,):
        module, _, attribute = name.partition(":")
        catalog: Catalog = getattr(importlib.import_module(module), attribute)
        start = time.monotonic()
        there = set(native.files(catalog))
        try:
            made = build(catalog)
        except BuildError as error:
            failed = 1
            sys.stderr.write(f"codec of {catalog.namespace} not compiled, plain Python does the same: {error}\n")
        else:
            if made not in there:
                sys.stdout.write(f"codec of {catalog.namespace} compiled in {time.monotonic() - start:.1f} s\n")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
