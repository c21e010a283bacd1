"""`zoo cross-validate` and `zoo predict-species-map`."""

import pytest

from recipes.cli.main import main
from tests.data.test_species import source_of, write_rasters

rasterio = pytest.importorskip("rasterio", reason="rasterio is in the extra `raster`")


def run(capsys, *arguments):
    """Returns (exit code, stdout, stderr) of a command."""
    with pytest.raises(SystemExit) as error:
        main(list(map(str, arguments)))
    return (error.value.code or 0, *capsys.readouterr())


@pytest.mark.slow
def test_folds_are_trained_and_mapped_together(tmp_path, capsys):
    rasters = write_rasters(tmp_path / "rasters")
    source = source_of(tmp_path, rasters)
    arguments = ("--set", "epochs=1", "--set", "baselines=false", "--folds", 2, "--out", tmp_path / "cv")
    code, out, _ = run(
        capsys, "cross-validate", "species_distribution", "--model", "deepmaxent", "--data", source, *arguments
    )
    lines = out.splitlines()
    assert code == 0 and lines[0].startswith("2 folds of 450 examples") and lines[2].startswith("network\t")
    assert "roc_auc" in lines[1] and " ± " in lines[2]
    code, out, _ = run(capsys, "predict-species-map", tmp_path / "cv", rasters, "--out", tmp_path / "map.tif")
    assert code == 0 and "map.tif\t" in out
    with rasterio.open(tmp_path / "map.tif") as file:
        assert file.descriptions[1] == "deviation between runs" and file.count == 3


def test_wrong_use_is_one_line(tmp_path, capsys):
    code, _, err = run(capsys, "cross-validate", "specis_distribution", "--model", "dnn", "--data", "bundled:bradypus")
    assert code == 2 and "Did you mean `species_distribution`" in err
    code, _, err = run(capsys, "predict-species-map", tmp_path, tmp_path, "--out", tmp_path / "map.tif")
    assert code == 2 and err.count("\n") == 1
