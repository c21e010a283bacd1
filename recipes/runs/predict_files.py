"""Prediction and evaluation with a saved run: files, tables, and other data sets."""

from recipes.prediction.file_prediction import predict_frames
from recipes.runs.load import load_run
from recipes.runs.matched_data import matched_data, run_with_data


def predict_files(run, files, **options):
    """Yields the predictions for files, or for the rows of tables, batch by batch.

    Args:
        run: `Run`, or its folder.
        files: paths of images or of folders of images; of tables; for a run on texts of text files or of tables with
            its column of texts; for forecasts of one table of series.
        **options: files_from, shard, strict, top_k, features, engine, export and progress, as `Run.predict_files` has
            them.
    Yields:
        pandas.DataFrame for each batch, a row per file or row: `input`, then `class` and each class's probability, or
        the numbers. For a segmentation, the most frequent class and each class's fraction of the pixels. For files, the
        column `error` has the reason why one cannot be read; its other columns are empty. Forecasts have a row per
        series and step after the last row of the table.
    Raises:
        ValueError: if a table does not match the run, or a file does not exist.
    """
    run = run if hasattr(run, "schema") else load_run(run)
    yield from predict_frames(run, files, warns=False, **options)


def open_with_data(run, source=None):
    """Returns a saved run with its data, or with other data of the same classes, all of which are its training split.

    Args:
        run: the run's folder.
        source: what `recipes.load` takes, or the path of a table or a folder; None for the data that the run was
            trained on.
    Returns:
        `Run`.
    """
    run = load_run(run)
    return run if source is None else run.replace(data=matched_data(run, source))


def evaluate_run(run, source=None):
    """Returns the metrics of a saved run: on its own test split, or on all of another data set with the same classes.

    Args:
        run: `Run`, or its folder.
        source: what `recipes.load` takes, the path of a table or a folder, or None.
    """
    reopened = run if hasattr(run, "schema") else load_run(run)
    if source is None:
        return reopened.evaluate("test" if len(reopened.data.test) else "validation")
    return run_with_data(reopened, source).evaluate("train")
