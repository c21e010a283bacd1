"""Makes tabular.npz with the authors' packages (`pip install torch tabm rtdl_revisiting_models`): outputs for tables.

Run: python tests/golden/make_tabular.py
The weights and the inputs are drawn from their names by seeded_arrays.py, on both sides.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from seeded_arrays import seeded_array

NUMBERS, LEVELS, CLASSES, ROWS = 3, [3, 2], 4, 5


def set_weights(model):
    """Draws every parameter of a model from its name, and returns it in inference mode."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(torch.from_numpy(seeded_array(name, tuple(value.shape)).astype("float32")))
    return model.eval()


def inputs():
    """Returns the numbers, (ROWS, NUMBERS), and the codes of the categories, (ROWS, 2)."""
    numbers = 3 * seeded_array("numbers", (ROWS, NUMBERS)).astype("float32")
    codes = np.stack([np.arange(ROWS) % levels for levels in LEVELS], axis=1)
    return torch.from_numpy(numbers), torch.from_numpy(codes)


def bins():
    """Returns the edges of the pieces of each number; one number has a single piece."""
    return [torch.tensor([-2.0, -0.5, 0.25, 1.5]), torch.tensor([-1.0, 0.0, 1.0]), torch.tensor([-1.5, 2.0])]


def outputs():
    """Returns the outputs of the authors' models as a dict of arrays: of TabM (ROWS, members, CLASSES)."""
    import rtdl_num_embeddings
    import rtdl_revisiting_models
    import tabm

    x, codes = inputs()
    shared = {"n_num_features": NUMBERS, "cat_cardinalities": LEVELS, "d_out": CLASSES, "k": 3, "d_block": 8}
    embeddings = rtdl_num_embeddings.PiecewiseLinearEmbeddings(bins(), 4, activation=False, version="B")
    default = rtdl_revisiting_models.FTTransformer.get_default_kwargs()
    small = {**default, "d_block": 12, "attention_n_heads": 3, "_is_default": False}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return {
            "tabm": set_weights(tabm.TabM.make(**shared, n_blocks=2))(x, codes).numpy(),
            "tabm_ple": set_weights(tabm.TabM.make(**shared, num_embeddings=embeddings))(x, codes).numpy(),
            "ft_transformer": set_weights(
                rtdl_revisiting_models.FTTransformer(
                    n_cont_features=NUMBERS, cat_cardinalities=LEVELS, d_out=CLASSES, **small
                )
            )(x, codes).numpy(),
        }


if __name__ == "__main__":
    path = Path(__file__).with_name("tabular.npz")
    np.savez_compressed(path, **outputs())
    print(path, path.stat().st_size, "bytes")
