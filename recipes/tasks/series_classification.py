"""Classification of time series: one class for the course of a sensor, a pixel or an outline."""

from recipes.tasks.classification import Classification
from recipes.training.task import task


@task
class SeriesClassification(Classification):
    """One class of two or more for each series, (T, F).

    As `Classification`, for series only: the report shows the time steps that mattered. Augmentation is not available,
    as its steps are for images.

    Args:
        **kwargs: as `Classification` has them.
    """

    def __post_init__(self):
        if self.augment:
            raise ValueError(f"`augment` must be () for series, as its steps are for images, got {self.augment}.")

    def check_data(self, data):
        """Raises a ValueError if the data are no labelled series."""
        super().check_data(data)
        if data.kind != "series":
            raise ValueError(
                f"{type(self).__name__}: `data` must be series, (T, F) each, got {data.name} of kind {data.kind}; "
                "train it with Classification."
            )

    def attribution_figures(self, run, split):
        """Returns one series of each class with the attribution of each time step, as `figures` does."""
        from recipes.reports.report import step_attributions

        caption = (
            "One correctly predicted series of each class, and below it gradient x input (Shrikumar et al. 2016) of "
            "its steps: red supports the prediction, blue opposes it."
        )
        figure = step_attributions(run, split)
        return [("The steps that mattered", caption, figure)] if figure else []
