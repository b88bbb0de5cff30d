"""A step of the compiler that keeps a function apart from those that call it.

Left to itself the compiler copies what few messages pass into the middle of what all of them pass,
and then once more wherever that is copied. What is kept apart is compiled once, and takes neither
registers nor room in the caches from its callers until it is called.
"""

from __future__ import annotations

from typing import Any

from numba.core import lowering, typed_passes

from engine.plain_indexes import KernelCompiler, _machinery

# What numba states no types for.
_Lower: Any = lowering.Lower
_NativeLowering: Any = typed_passes.NativeLowering


class _LowerApart(_Lower):  # type: ignore[misc]
    def setup_function(self, fndesc: Any) -> None:
        """Begin the function, and mark it: not to be copied, and its callers seldom get there."""
        super().setup_function(fndesc)
        self.function.attributes.add("noinline")
        self.function.attributes.add("cold")


@_machinery.register_pass(mutates_CFG=True, analysis_only=False)
class _LoweringApart(_NativeLowering):  # type: ignore[misc]
    _name = "lowering_apart"

    @property
    def lowering_class(self) -> Any:
        """What makes code of each function."""
        return _LowerApart


class OutOfLineCompiler(KernelCompiler):
    """The steps of every kernel, the last of them with that mark."""

    def define_pipelines(self) -> list[Any]:
        """The one way to compile a kernel that is to be kept apart."""
        (steps,) = super().define_pipelines()
        assert any(step is _NativeLowering for step, _ in steps.passes)
        steps.passes = [
            (_LoweringApart if step is _NativeLowering else step, why) for step, why in steps.passes
        ]
        return [steps]
