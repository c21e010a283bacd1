"""`zoo train` leaves complete runs as they are, without `--overwrite`."""

import pytest

from recipes.cli.main import main


@pytest.mark.parametrize("name", ["run.json", "report.html"])
def test_a_folder_with_a_run_is_refused_before_the_data_are_read(name, tmp_path, capsys):
    (tmp_path / name).write_text("{}")
    command = f"train classification --model dnn --data table:{tmp_path}/absent.csv?target=kind --out {tmp_path}"
    with pytest.raises(SystemExit) as stop:
        main(command.split())
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert error.startswith("zoo: `out` must be without") and "--overwrite" in error
    assert error.count("\n") == 1
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--overwrite"])
    assert "absent.csv" in capsys.readouterr().err
    assert (tmp_path / name).read_text() == "{}"
