"""fieldzoo's models: every architecture by its paper's name, and what can be done with one.

>>> import zoo
>>> model = zoo.lenet5((28, 28, 1), 10)
>>> model.count_params()
61706
"""

# What there is
# (H, W, C) -> (classes,)
from zoo.classify.cnn import cnn
from zoo.classify.lenet import lenet5, lenet5_1998
from zoo.registry import build, names, register, variant

# (F,) -> (outputs,)
from zoo.tabular.dnn import dnn
