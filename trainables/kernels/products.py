"""Matrix products for the compiled kernels: tiles of the result, summed in the core's registers.

A loop of numba's writes each partial sum to memory and reads it back, which takes longer than the arithmetic. Here LLVM
is given the rows of a tile as vectors: as many sums at once as keep a core's units busy. Whatever its tile, a number is
the same sum in the same order.

Like ``training``, imported from a copy in the user's cache, and so nothing here imports anything of genresweep.
"""

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .vectors import LANE, by_columns, compiled, inlined, pointer, spread

_ROWS = {32: 8, 16: 8, LANE: 8} if binding.get_host_cpu_features().get("avx512f") else {32: 2, 16: 4, LANE: 8}
"""Rows of a tile, by its columns: with 32 registers of 16 float32, and with half as many half as long."""


def _tile(rows_of):
    """Return ``tile(a, b, start, out, i, o, zeros)``, to write a tile of ``start + a @ b``, from row i, column o."""

    @intrinsic
    def tile(typing_context, a, b, start, out, i, o, zeros):
        def generate(context, builder, call, arguments):
            number, vector = context.get_value_type(out.dtype), context.get_value_type(zeros)
            size, (first_row, column) = context.get_abi_sizeof(number), arguments[4:6]
            down = [builder.add(first_row, first_row.type(row)) for row in range(rows_of(zeros.lanes))]

            def at(operand, place, kind=vector):
                return pointer(context, builder, call.args[operand], arguments[operand], place, kind)

            begun = builder.load(at(2, [column]), align=size)
            sums = [cgutils.alloca_once_value(builder, begun) for _ in down]
            inner = builder.extract_value(context.make_array(a)(context, builder, value=arguments[0]).shape, 1)
            with cgutils.for_range(builder, inner) as loop:
                b_term = builder.load(at(1, [loop.index, column]), align=size)
                for row, held in zip(down, sums, strict=True):
                    a_term = spread(builder, builder.load(at(0, [row, loop.index], number)), zeros.lanes)
                    term = builder.fmul(a_term, b_term, flags=("contract",))
                    builder.store(builder.fadd(builder.load(held), term, flags=("contract",)), held)
            for row, held in zip(down, sums, strict=True):
                builder.store(builder.load(held), at(3, [row, column]), align=size)
            return context.get_dummy_value()

        return types.void(a, b, start, out, i, o, zeros), generate

    return tile


_high_tile, _row_tile = _tile(_ROWS.__getitem__), _tile(lambda lanes: 1)


@intrinsic
def _height(typing_context, zeros):
    """Return the rows of a tile as wide as this vector."""

    def generate(context, builder, call, arguments):
        return context.get_constant(types.intp, _ROWS[zeros.lanes])

    return types.intp(zeros), generate


@inlined
def _block(o, zeros, a, b, start, out):
    """Write some columns of the product.

    The last tile begins early enough to be whole, and writes some numbers twice.
    """
    rows, height = out.shape[0], _height(zeros)
    if rows < height:
        for i in range(rows):
            _row_tile(a, b, start, out, i, o, zeros)
        return
    for i in range(0, rows, height):
        _high_tile(a, b, start, out, min(i, rows - height), o, zeros)


_blocks = by_columns(_block)


@compiled
def multiply(a, b, start, out):
    """Write ``start + a @ b`` to ``out (n, m)``; ``start`` is ``(m,)``, with ``m`` a multiple of ``LANE``."""
    _blocks(out.dtype.type(0), out.shape[1], (a, b, start, out))


@intrinsic
def _transpose_block(typing_context, source, target, i, o):
    """Write ``LANE`` rows and columns of ``source``, from row i, column o on, to column i, row o of ``target``."""

    def generate(context, builder, call, arguments):
        number = context.get_value_type(source.dtype)
        kind, size = ir.VectorType(number, LANE), context.get_abi_sizeof(number)
        lane, (row, column) = ir.IntType(32), arguments[2:]

        def at(operand, down, along, place):
            index = [builder.add(down, down.type(place)), along]
            return pointer(context, builder, call.args[operand], arguments[operand], index, kind)

        rows = [builder.load(at(0, row, column, place), align=size) for place in range(LANE)]
        halves = [
            ir.Constant(ir.VectorType(lane, LANE), [half + n // 2 + LANE * (n % 2) for n in range(LANE)])
            for half in (0, LANE // 2)
        ]
        for _ in range(LANE.bit_length() - 1):  # as often as a shuffle that is perfect turns the block
            pairs = zip(rows[: LANE // 2], rows[LANE // 2 :], strict=True)
            rows = [builder.shuffle_vector(*pair, half) for pair in pairs for half in halves]
        for place, turned in enumerate(rows):
            builder.store(turned, at(1, column, row, place), align=size)
        return context.get_dummy_value()

    return types.void(source, target, i, o), generate


@compiled
def transpose(matrix, turned):
    """Write ``matrix (n, m)`` to ``turned (m, n)``; both sizes are multiples of ``LANE``."""
    for i in range(0, matrix.shape[0], LANE):
        for o in range(0, matrix.shape[1], LANE):
            _transpose_block(matrix, turned, i, o)
