"""A step of the compiler that leaves out what Python's negative indexes would cost.

To Python, `array[-1]` is the last item, so numba adds the array's length to each index that is less
than 0, and has to look at each one and keep each length at hand. No kernel counts from the end. So
indexes become unsigned before code is made of them; in the bounds-checked mode a negative one is
then refused like any other that is out of range.
"""

from __future__ import annotations

from typing import Any

from numba.core import compiler_machinery, ir, types
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.typed_passes import NoPythonSupportedFeatureValidation

# What numba states no types for.
_ir: Any = ir
_machinery: Any = compiler_machinery
_types: Any = types
_steps: Any = DefaultPassBuilder


@_machinery.register_pass(mutates_CFG=False, analysis_only=False)
class _PlainIndexes(compiler_machinery.FunctionPass):
    """Put a cast in front of each index that is a signed integer."""

    _name = "plain_indexes"

    def __init__(self) -> None:
        _machinery.FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Give every block its statements again, with casts among them."""
        for block in state.func_ir.blocks.values():
            statements = []
            for statement in block.body:
                access = statement.value if isinstance(statement, ir.Assign) else statement
                if _is_signed_access(access, state.typemap):
                    statements.append(_cast_index(access, block.scope, state))
                statements.append(statement)
            block.body = statements
        return True


def _is_signed_access(access: Any, types_of: Any) -> bool:
    """Whether one item of an array of one dimension is read or written by a signed index."""
    is_read = isinstance(access, ir.Expr) and access.op == "getitem"
    if not is_read and not isinstance(access, ir.SetItem):
        return False
    array = access.value if is_read else access.target
    index_type = types_of[access.index.name]
    return (
        isinstance(types_of[array.name], _types.Array)
        and isinstance(index_type, _types.Integer)
        and index_type.signed
    )


def _cast_index(access: Any, scope: Any, state: Any) -> Any:
    """Let the access use an unsigned copy of its index; the statement that makes it."""
    signed = access.index
    unsigned = scope.redefine("$plain_index", access.loc)
    state.typemap[unsigned.name] = _types.uintp
    signature = state.calltypes.pop(access)
    arguments = (signature.args[0], _types.uintp, *signature.args[2:])
    access.index = unsigned
    state.calltypes[access] = signature.replace(args=arguments)
    return _ir.Assign(_ir.Expr.cast(signed, access.loc), unsigned, access.loc)


class KernelCompiler(CompilerBase):
    """numba's own steps, and that one before the last of them."""

    def define_pipelines(self) -> list[Any]:
        """The one way to compile a kernel."""
        steps = _steps.define_nopython_pipeline(self.state)
        steps.add_pass_after(_PlainIndexes, NoPythonSupportedFeatureValidation)
        steps.finalize()
        return [steps]
