"""One tiny line for every registered name: the arguments that the shared tests build it with.

`answer` is the shape of its answer to a batch of two; `small` is an input shape that it must refuse, where there is
one. Where a size is None, inputs are drawn with `free` pixels (or steps) there.
"""

import typing


class Case(typing.NamedTuple):
    arguments: dict
    answer: tuple
    small: tuple | None = None
    free: int = 32


CASES = {
    # tabular
    "dnn": Case({"input_shape": (4,), "outputs": 2, "units": (5, 3), "hidden_activation": "tanh"}, (2, 2)),
    # classify
    "cnn": Case({"input_shape": (8, 8, 3), "classes": 3, "filters": (4, 4), "units": (6,)}, (2, 3), small=(3, 3, 3)),
    "lenet5": Case({"input_shape": (14, 14, 2), "classes": 3}, (2, 3), small=(8, 8, 1)),
    "lenet5_1998": Case({"input_shape": (16, 16, 1), "classes": 3}, (2, 3), small=(14, 14, 1)),
}
