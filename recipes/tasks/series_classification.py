"""Classification of series: one class for what a sensor, a pixel or an outline did through time."""

from recipes.tasks.classification import Classification
from recipes.training.task import recipe


@recipe
class SeriesClassification(Classification):
    """One class of two or more for each series, (T, F).

    As `Classification`, but for series only: its report shows the steps that mattered and not pixels, and it takes no
    augmentation, whose steps are for images.

    Args:
        **kwargs: as `Classification` has them.
    """

    def __post_init__(self):
        if self.augment:
            raise ValueError(f"`augment` must be () for series, as its steps are for images, got {self.augment}.")

    def verify_task(self, data):
        """A ValueError where the data are no labelled series."""
        super().verify_task(data)
        if data.kind != "series":
            raise ValueError(
                f"{type(self).__name__}: `data` must be series, (T, F) each, got {data.name} of kind {data.kind}; the "
                "recipe for that is `classification`."
            )

    def mattered(self, run, part):
        """One series of each class with the steps that spoke for it, as `figures` has it."""
        from recipes.reports.report import step_attributions

        told = (
            "One series of each class that was answered right, and below it gradient x input (Shrikumar et al. 2016) "
            "of its steps: red spoke for the answer, blue against it."
        )
        drawn = step_attributions(run, part)
        return [("The steps that mattered", told, drawn)] if drawn else []
