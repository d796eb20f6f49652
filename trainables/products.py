"""Matrix products for the compiled kernels: tiles of the result, summed in the core's registers.

A loop of numba's writes each partial sum to memory and reads it back, which takes longer than the arithmetic. Here LLVM
is given the vectors of a tile: 4 rows by 2 vectors are as many sums at once as keep a core's units busy.

Like ``kernels``, imported from a copy in the user's cache, and so nothing here imports anything of genresweep.
"""

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANE = 8
"""Numbers in a vector. The columns of every result are padded to whole vectors."""
ROWS, VECTORS = 4, 2

FAST = {"contract", "reassoc", "nsz", "arcp"}
"""Reordering is allowed, since it is the same for every member; NaN and infinity keep their meaning."""

_FUSED = ("contract",)

compiled = njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")


class _Operand:
    """A matrix, in the code that is being built; its strides are the array's own, so it may be a transpose."""

    def __init__(self, context, builder, kind, value):
        array = context.make_array(kind)(context, builder, value=value)
        self._builder, self._data = builder, builder.bitcast(array.data, cgutils.voidptr_t)
        self._strides = cgutils.unpack_tuple(builder, array.strides, 2)
        self.shape = cgutils.unpack_tuple(builder, array.shape, 2)

    def at(self, row, column, kind):
        """Where an element stands, as a pointer to ``kind``."""
        build = self._builder
        down, along = (build.mul(place, stride) for place, stride in zip((row, column), self._strides, strict=True))
        return build.bitcast(build.gep(self._data, [build.add(down, along)]), kind.as_pointer())


def _tile(rows, vectors):
    """``tile(a, b, out, i, o, add)``: ``rows`` by ``vectors * LANE`` numbers of ``a @ b``, from row i and column o on.

    They are written to ``out``, or added to what is there.
    """

    @intrinsic
    def tile(typing_context, a, b, out, i, o, add):
        def generate(context, builder, signature, arguments):
            a_in, b_in, result = (
                _Operand(context, builder, *operand) for operand in zip(signature.args[:3], arguments[:3], strict=True)
            )
            number = context.get_value_type(out.dtype)
            vector, size = ir.VectorType(number, LANE), context.get_abi_sizeof(number)
            first_row, first_column, adding = arguments[3:]
            down = [builder.add(first_row, first_row.type(row)) for row in range(rows)]
            along = [builder.add(first_column, first_column.type(LANE * place)) for place in range(vectors)]
            zero = vector([0.0] * LANE)
            sums = [[cgutils.alloca_once(builder, vector) for _ in along] for _ in down]
            for row, of_row in zip(down, sums, strict=True):
                for column, held in zip(along, of_row, strict=True):
                    there = builder.load(result.at(row, column, vector), align=size)
                    builder.store(builder.select(adding, there, zero), held)
            with cgutils.for_range(builder, a_in.shape[1]) as loop:
                b_terms = [builder.load(b_in.at(loop.index, column, vector), align=size) for column in along]
                for row, of_row in zip(down, sums, strict=True):
                    a_term = _spread(builder, builder.load(a_in.at(row, loop.index, number)), vector)
                    for b_term, held in zip(b_terms, of_row, strict=True):
                        term = builder.fmul(a_term, b_term, flags=_FUSED)
                        builder.store(builder.fadd(builder.load(held), term, flags=_FUSED), held)
            for row, of_row in zip(down, sums, strict=True):
                for column, held in zip(along, of_row, strict=True):
                    builder.store(builder.load(held), result.at(row, column, vector), align=size)
            return context.get_dummy_value()

        return types.void(a, b, out, i, o, add), generate

    return tile


def _spread(builder, number, vector):
    """A vector that holds a number in every place."""
    unknown, lane = ir.Constant(vector, ir.Undefined), ir.IntType(32)
    first = builder.insert_element(unknown, number, lane(0))
    return builder.shuffle_vector(first, unknown, ir.Constant(ir.VectorType(lane, LANE), [0] * LANE))


_wide, _narrow = _tile(ROWS, VECTORS), _tile(ROWS, 1)
_wide_row, _narrow_row = _tile(1, VECTORS), _tile(1, 1)


@compiled
def multiply(a, b, out, add):
    """``out = a @ b``, or ``out += a @ b`` where ``add``; ``out (n, m)`` with ``m`` a multiple of ``LANE``."""
    rows, columns = out.shape
    whole = rows - rows % ROWS
    wide = columns - columns % (VECTORS * LANE)
    for o in range(0, wide, VECTORS * LANE):
        for i in range(0, whole, ROWS):
            _wide(a, b, out, i, o, add)
        for i in range(whole, rows):
            _wide_row(a, b, out, i, o, add)
    for o in range(wide, columns, LANE):
        for i in range(0, whole, ROWS):
            _narrow(a, b, out, i, o, add)
        for i in range(whole, rows):
            _narrow_row(a, b, out, i, o, add)
