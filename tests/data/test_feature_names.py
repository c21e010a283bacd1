"""Names of the preprocessed features of a table."""

import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.data.input_schema import input_schema
from recipes.data.preprocessing import feature_names, preprocessing


@pytest.mark.parametrize("missing", ["impute", "drop"])
def test_there_is_a_name_for_each_feature_in_its_order(missing):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"mass (g)": rng.normal(size=40), "sex": rng.choice(["f", "m"], 40), "age": rng.random(40)})
    frame["y"] = frame["age"] > 0.5
    frame.loc[::6, ["age", "sex"]] = None
    data = recipes.load(frame, target="y", missing=missing)
    names = feature_names(input_schema(data))
    gaps = missing == "impute"
    assert names == [
        "mass (g)", "age", *["age is missing"] * gaps, *["sex = missing"] * gaps, "sex = f", "sex = m",
    ]  # fmt: skip
    values = pd.DataFrame(np.asarray(preprocessing(data)(data.train.inputs)), columns=names)
    np.testing.assert_array_equal(values["sex = m"], data.train.inputs["sex"] == "m")
    if gaps:
        np.testing.assert_array_equal(values["age is missing"], np.isnan(data.train.inputs["age"]))
