"""How kernels are compiled: numba's decorators, and a cache on disk that notices every edit.

Kernels import ``njit`` and ``inlined`` from here. Numba by itself takes a compiled function to be up to date as long as
its file is unchanged, whatever happened to the functions it calls; a kernel whose parts stand in several files would go
on with the old ones. So all functions of this package are out of date when a file in a folder with kernels has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import CompileResultCacheImpl

__all__ = ["inlined", "njit", "source_stamp"]

PACKAGE = Path(__file__).parent
MARKS = (b"njit", b"inlined")
"""A file with one of these words compiles something; its neighbours hold constants and records that go in."""

inlined = njit(cache=True, forceinline=True, _nrt=False)
"""``@njit`` for a part of a kernel: LLVM always inlines it, and arrays are not reference-counted.

A call that is not inlined copies every array header of the state, and each copy counts references; together that costs
several times what most of these functions do. Kernels own no arrays (they read and write those they are given), so
nothing needs counting; code that would allocate does not compile. Entry points say ``@njit(cache=True, _nrt=False)``.
"""


@cache
def source_stamp(package: Path = PACKAGE) -> str:
    """Fingerprint of all source files below a folder that compile something, and of the files beside them."""
    # glob does not follow links in every version of Python, and a checkout links two of its folders in.
    folders = [package, *(each.resolve() for each in sorted(package.iterdir()) if each.is_symlink() and each.is_dir())]
    texts = {file: file.read_bytes() for folder in folders for file in sorted(folder.rglob("*.py"))}
    compiling = {file.parent for file, text in texts.items() if any(mark in text for mark in MARKS)}
    found = hashlib.sha256()
    for file, text in texts.items():
        if file.parent in compiling:
            found.update(f"{file.parent.name}/{file.name}:{len(text)}:".encode() + text)
    return found.hexdigest()


def _for_package(locator: type[Any]) -> type[Any]:
    """A numba cache locator for functions of this package alone, with :func:`source_stamp` as their state."""

    class Locator(locator):
        @classmethod
        def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
            ours = py_func.__module__.partition(".")[0] == __package__
            return super().from_function(py_func, py_file) if ours else None

        def get_source_stamp(self) -> str:
            return source_stamp()

    return Locator


_locators = CompileResultCacheImpl._locator_classes
_locators[:0] = [_for_package(each) for each in _locators]
