"""Files of predictions are complete or not written."""

import pandas as pd
import pytest

from recipes.runs.prediction_file import write_frames


@pytest.mark.parametrize("name", ["out.csv", "out.tsv", "out.jsonl", "out.parquet"])
@pytest.mark.parametrize("written", [0, 1])
@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
def test_an_error_leaves_no_file(tmp_path, name, written, error):
    def frames():
        for _ in range(written):
            yield pd.DataFrame({"input": ["row 1"], "class": ["oak"]})
        raise error("the table has a gap")

    with pytest.raises(error, match="gap"):
        write_frames(frames(), tmp_path / name)
    assert not list(tmp_path.iterdir())
