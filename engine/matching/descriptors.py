"""The engine's arrays handed to compiled code as one number, the address of their descriptors.

For each array that compiled code is called with, its type, address and length have to be asked of
Python. With thirty of them that takes as long as a good many commands; but they hardly ever change.
So they are taken apart once, into a block of memory that the kernel then reads. With the JIT off
the "address" is the arrays themselves.

Kernels hand that address on to each other, or for a NamedTuple within the arrays a place behind it,
and read what they ask for where they ask for it: a call takes one word and not three hundred.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import typeof, types
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, models, register_model

from engine.compiled import JIT, entry_point
from engine.matching.arrays import EngineArrays, allocate_engine
from engine.state import EngineLimits

# What numba states no types for.
_Type: Any = types.Type
_NamedTuple: Any = types.NamedTuple
_AttributeTemplate: Any = AttributeTemplate
_PrimitiveModel: Any = models.PrimitiveModel
_lower_getattr_generic: Any = lower_getattr_generic

_TINY = EngineLimits(
    orders=1, accounts=1, positions=1, allowances=1, instruments=1, ladder_levels=64
)
# What the arrays are to the compiler, whatever their sizes.
_ENGINE_ARRAYS = cast(Any, typeof)(allocate_engine(_TINY, np.zeros(0, np.int64)))
# An array has seven words (owner and parent, counts, address, shape and stride).
_DESCRIPTOR_WORDS = 7


def _count_arrays(arrays: Any) -> int:
    return sum(map(_count_arrays, arrays)) if isinstance(arrays, tuple) else 1


class _Described(_Type):  # type: ignore[misc]
    """A NamedTuple of arrays that compiled code knows by the address of its descriptors.

    To hand it to a function takes one word, whatever it holds.
    """

    def __init__(self, members: Any) -> None:
        self.members = members
        super().__init__(name=f"Described({members.instance_class.__name__})")


@register_model(_Described)
class _DescribedModel(_PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, described: Any) -> None:
        super().__init__(manager, described, ir.IntType(8).as_pointer())


@infer_getattr
class _DescribedAttribute(_AttributeTemplate):  # type: ignore[misc]
    key = _Described

    def generic_resolve(self, described: Any, name: str) -> Any:
        """The array of this name, or what describes the NamedTuple of this name."""
        if name not in described.members.fields:
            return None
        member = described.members[described.members.fields.index(name)]
        return _Described(member) if isinstance(member, _NamedTuple) else member


@_lower_getattr_generic(_Described)  # type: ignore[untyped-decorator]
def _read_attribute(context: Any, builder: Any, described: Any, block: Any, name: str) -> Any:
    """Read a descriptor from its place, word by word: what is not asked for is left out."""
    members = described.members
    place = members.fields.index(name)
    before = sum(map(_count_types, members.types[:place]))
    offset = ir.Constant(ir.IntType(32), 8 * _DESCRIPTOR_WORDS * before)
    pointer = builder.gep(block, [offset])
    if isinstance(members[place], _NamedTuple):
        return pointer
    of_type = context.get_value_type(members[place])
    return _members(builder, builder.bitcast(pointer, of_type.as_pointer()), of_type)


def _count_types(of_type: Any) -> int:
    return sum(map(_count_types, of_type.types)) if isinstance(of_type, _NamedTuple) else 1


def _members(builder: Any, pointer: Any, of_type: Any) -> Any:
    """The value at `pointer`. No kernel changes a descriptor, so what was read once stays known."""
    if not isinstance(of_type, ir.LiteralStructType | ir.ArrayType):
        word = builder.load(pointer)
        word.set_metadata("invariant.load", builder.module.add_metadata([]))
        return word
    value = of_type(ir.Undefined)
    kinds = of_type.elements
    for place, kind in enumerate(kinds):
        index = [ir.Constant(ir.IntType(32), number) for number in (0, place)]
        member = _members(builder, builder.gep(pointer, index), kind)
        value = builder.insert_value(value, member, place)
    return value


def _load_instruction(_typing_context: Any, _address: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return _Described(_ENGINE_ARRAYS)(types.int64), generate


def _store_instruction(_typing_context: Any, arrays: Any, _address: Any) -> Any:
    if arrays != _ENGINE_ARRAYS:
        return None

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        of_type = context.get_value_type(_ENGINE_ARRAYS)
        assert context.get_abi_sizeof(of_type) == 8 * descriptor_words()
        builder.store(arguments[0], builder.inttoptr(arguments[1], of_type.as_pointer()))
        return context.get_dummy_value()

    return types.void(arrays, types.int64), generate


def descriptor_words() -> int:
    """How many int64 the descriptors take."""
    return _DESCRIPTOR_WORDS * _count_arrays(allocate_engine(_TINY, np.zeros(0, np.int64)))


# The arrays whose descriptors lie at an address that `describe` gave.
load_arrays = cast(
    Callable[[Any], EngineArrays], intrinsic(_load_instruction) if JIT else lambda arrays: arrays
)
_store_arrays: Any = intrinsic(_store_instruction) if JIT else None


@entry_point
def _store(arrays: EngineArrays, address: int) -> None:
    _store_arrays(arrays, address)


def describe(arrays: EngineArrays, block: np.ndarray) -> Any:
    """Write descriptors into `block` (int64, `descriptor_words` of them); what to call with.

    Nobody but the caller keeps the arrays and the block alive.
    """
    if not JIT:
        return arrays
    address = block.ctypes.data
    _store(arrays, address)
    return address
