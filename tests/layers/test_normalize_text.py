"""NormalizeText gives what `normalize_text` gives, also in a saved model."""

import keras
import numpy as np

from tests.inputs.test_texts import BLANKS
from zoo.inputs.texts import INVISIBLE, SPACES, normalize_text
from zoo.layers import NormalizeText


def test_the_layer_gives_what_python_gives_for_each_character_also_after_saving(tmp_path):
    texts = keras.Input((), dtype="string")
    model = keras.Model(texts, NormalizeText()(texts))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    characters = [chr(c) for c in (*range(0x20, 0x3100), 0xFEFF) if not 0xD800 <= c < 0xE000]
    inputs = np.array([*(f"a{c}b" for c in characters), *BLANKS], object)
    expected = [normalize_text(text) for text in inputs]
    assert {len(text) for text in expected[: len(characters)]} == {2, 3} and len(SPACES) > 10 and len(INVISIBLE) > 10
    for normalize in (model, loaded):
        assert [text.decode() for text in np.asarray(normalize(inputs)).tolist()] == expected
