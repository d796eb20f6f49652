"""Vectors of neighbouring numbers, for the compiled kernels: what LLVM is to hold in one register, said to numba.

numba's own loops over a layer's columns are often left scalar, where LLVM cannot tell that arrays do not overlap, and
write every partial sum to memory. A ``Vector`` is added, multiplied and compared as a number is, all its lanes at once.

Like ``training``, imported from a copy in the user's cache, and so nothing here imports anything of genresweep.
"""

import operator
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model
from numba.np.arrayobj import populate_array

LANE = 8
"""Columns of every matrix that is written are padded to a multiple of this."""

_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "fastmath": {"contract"},
    "_nrt": False,
}
"""Products and sums may be fused, but nothing is reordered: rounding depends on no loop that LLVM unrolls.

No array is made in the kernels. Without numba's runtime their slices are not counted, which took longer than the work.
"""

compiled, inlined = njit(**_OPTIONS), njit(**_OPTIONS, forceinline=True)


class Vector(types.Type):
    """The type of a vector: ``lanes`` numbers of one type."""

    def __init__(self, number, lanes):
        self.number, self.lanes = number, lanes
        super().__init__(name=f"{lanes} x {number}")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        super().__init__(manager, vector, ir.VectorType(manager.lookup(vector.number).get_value_type(), vector.lanes))


class _Arithmetic(AbstractTemplate):
    def generic(self, arguments, _):
        if len(arguments) == 2 and arguments[0] == arguments[1] and isinstance(arguments[0], Vector):
            return signature(arguments[0], *arguments)
        return None


def _lowered(instruction):
    def generate(context, builder, call, arguments):
        return getattr(builder, instruction)(*arguments, flags=("contract",))

    return generate


for _operation, _instruction in (
    (operator.add, "fadd"),
    (operator.iadd, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.imul, "fmul"),
    (operator.truediv, "fdiv"),
):
    infer_global(_operation)(_Arithmetic)
    lower_builtin(_operation, Vector, Vector)(_lowered(_instruction))


def pointer(context, builder, kind, array, place, to):
    """Return the address of an array's element as a pointer to ``to``; ``place`` has one whole number to an axis.

    The strides are the array's own, or what its layout says of them, so that LLVM knows which elements are neighbours.
    """
    made = context.make_array(kind)(context, builder, value=array)
    strides = cgutils.unpack_tuple(builder, made.strides, kind.ndim)
    neighbours = {"C": -1, "F": 0}.get(kind.layout)
    if neighbours is not None:
        number = context.get_value_type(kind.dtype)
        strides[neighbours] = context.get_constant(types.intp, context.get_abi_sizeof(number))
    offset = context.get_constant(types.intp, 0)
    for index, stride in zip(place, strides, strict=True):
        offset = builder.add(offset, builder.mul(index, stride))
    data = builder.bitcast(made.data, cgutils.voidptr_t)
    return builder.bitcast(builder.gep(data, [offset]), to.as_pointer())


def spread(builder, number, lanes):
    """Return an LLVM vector that holds a number in every lane."""
    vector, lane = ir.VectorType(number.type, lanes), ir.IntType(32)
    unknown = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(unknown, number, lane(0))
    return builder.shuffle_vector(first, unknown, ir.Constant(ir.VectorType(lane, lanes), [0] * lanes))


@intrinsic
def load(typing_context, row, place, like):
    """Return as many numbers as ``like`` has, of an array of one axis, from ``place`` on."""

    def generate(context, builder, call, arguments):
        row, place, _ = arguments
        vector = context.get_value_type(call.return_type)
        where = pointer(context, builder, call.args[0], row, [place], vector)
        return builder.load(where, align=context.get_abi_sizeof(vector.element))

    return like(row, place, like), generate


@intrinsic
def store(typing_context, row, place, vector):
    """Write a vector to an array of one axis, from ``place`` on."""

    def generate(context, builder, call, arguments):
        row, place, vector = arguments
        where = pointer(context, builder, call.args[0], row, [place], vector.type)
        builder.store(vector, where, align=context.get_abi_sizeof(vector.type.element))
        return context.get_dummy_value()

    return types.void(row, place, vector), generate


@intrinsic(prefer_literal=True)
def filled_vector(typing_context, number, lanes):
    """Return a vector with the number in each of ``lanes`` lanes; their number must be known when the code is built."""

    def generate(context, builder, call, arguments):
        return spread(builder, arguments[0], call.return_type.lanes)

    return Vector(number, lanes.literal_value)(number, lanes), generate


@intrinsic
def alike(typing_context, number, like):
    """Return a vector such as ``like`` with the number in every lane."""

    def generate(context, builder, call, arguments):
        return spread(builder, context.cast(builder, arguments[0], number, like.number), like.lanes)

    return like(number, like), generate


def _where(comparison):
    @intrinsic
    def choose(typing_context, left, right, then, otherwise):
        def generate(context, builder, call, arguments):
            left, right, then, otherwise = arguments
            return builder.select(builder.fcmp_ordered(comparison, left, right), then, otherwise)

        return then(left, right, then, otherwise), generate

    return choose


where_above, where_not_above = _where(">"), _where("<=")
"""Functions that return ``then`` where ``left`` is above ``right``, or not above it, and else ``otherwise``.

They choose lane by lane; a lane in which ``left`` or ``right`` is NaN has ``otherwise`` in both.
"""


def _function(name):
    @intrinsic
    def call(typing_context, numbers):
        def generate(context, builder, signature, arguments):
            kind = arguments[0].type
            full = f"llvm.{name}.v{numbers.lanes}f{8 * context.get_abi_sizeof(kind.element)}"
            function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), full)
            return builder.call(function, arguments)

        return numbers(numbers), generate

    return call


root, rounded = _function("sqrt"), _function("rint")
"""Functions that return the square root of every lane, and the nearest whole number."""


@intrinsic
def power_of_two(typing_context, exponents):
    """Return two to the power of every lane, a whole number that is large enough for the result not to be subnormal."""

    def generate(context, builder, call, arguments):
        (powers,) = arguments
        size = context.get_abi_sizeof(powers.type.element)
        bits, fraction, bias = (32, 23, 127) if size == 4 else (64, 52, 1023)
        whole = ir.VectorType(ir.IntType(bits), exponents.lanes)
        shifted = builder.fadd(powers, ir.Constant(powers.type, [1.5 * 2.0**fraction + bias] * exponents.lanes))
        mantissa = builder.shl(builder.bitcast(shifted, whole), ir.Constant(whole, [fraction] * exponents.lanes))
        return builder.bitcast(mantissa, powers.type)

    return exponents(exponents), generate


@intrinsic
def lane_numbers(typing_context, first, like):
    """Return ``first`` in the first lane, and one more from lane to lane."""

    def generate(context, builder, call, arguments):
        kind = context.get_value_type(like)
        begun = spread(builder, builder.sitofp(arguments[0], kind.element), like.lanes)
        return builder.fadd(begun, ir.Constant(kind, [float(lane) for lane in range(like.lanes)]))

    return like(first, like), generate


@intrinsic
def lane_sum(typing_context, numbers):
    """Return the sum of all lanes, one half added to the other until one lane is left."""

    def generate(context, builder, call, arguments):
        (left,), lanes, lane = arguments, numbers.lanes, ir.IntType(32)
        while lanes > 1:
            lanes //= 2
            halves = (ir.Constant(ir.VectorType(lane, lanes), list(range(at, at + lanes))) for at in (0, lanes))
            unknown = ir.Constant(left.type, ir.Undefined)
            left = builder.fadd(*(builder.shuffle_vector(left, unknown, half) for half in halves))
        return builder.extract_element(left, lane(0))

    return numbers.number(numbers), generate


@intrinsic
def as_matrix(typing_context, row, rows, columns):
    """Return the first ``rows * columns`` numbers of an array of one axis as a matrix."""
    kind = types.Array(row.dtype, 2, "C")

    def generate(context, builder, call, arguments):
        source, (rows, columns) = context.make_array(row)(context, builder, value=arguments[0]), arguments[1:]
        made = context.make_array(kind)(context, builder)
        size = source.itemsize
        populate_array(
            made, data=source.data, shape=(rows, columns), strides=(builder.mul(columns, size), size), itemsize=size,
            meminfo=None,
        )  # fmt: skip
        return made._getvalue()

    return kind(row, types.intp, types.intp), generate


@intrinsic
def tensor(typing_context, row, start, length):
    """Return ``length`` numbers of an array of one axis from ``start`` on, or none where ``start`` is negative."""

    def generate(context, builder, call, arguments):
        array, start, length = arguments
        source, made = (
            context.make_array(row)(context, builder, value=array),
            context.make_array(row)(context, builder),
        )
        there, size = builder.icmp_signed(">=", start, start.type(0)), source.itemsize
        length = builder.select(there, length, length.type(0))
        data = builder.gep(source.data, [builder.select(there, start, start.type(0))])
        populate_array(made, data=data, shape=(length,), strides=(size,), itemsize=size, meminfo=None)
        return made._getvalue()

    return row(row, types.intp, types.intp), generate


@intrinsic
def flat(typing_context, matrix):
    """Return the numbers of a matrix, row after row, as an array of one axis."""
    kind = types.Array(matrix.dtype, 1, "C")

    def generate(context, builder, call, arguments):
        source, made = (
            context.make_array(matrix)(context, builder, value=arguments[0]),
            context.make_array(kind)(context, builder),
        )
        size = source.itemsize
        populate_array(made, data=source.data, shape=(source.nitems,), strides=(size,), itemsize=size, meminfo=None)
        return made._getvalue()

    return kind(matrix), generate


def by_columns(work):
    """Return ``run(zero, width, arguments)``, which calls ``work(o, zeros, *arguments)`` for every block of columns.

    A block begins at column ``o``. The blocks are 32 columns wide, then 16, then 8; ``zeros`` is a vector as long as
    the block is wide.
    """

    @inlined
    def run(zero, width, arguments):
        o = 0
        while width - o >= 32:
            work(o, filled_vector(zero, 32), *arguments)
            o += 32
        if width - o >= 16:
            work(o, filled_vector(zero, 16), *arguments)
            o += 16
        if o < width:
            work(o, filled_vector(zero, LANE), *arguments)

    return run
