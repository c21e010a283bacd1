"""The tasks: loss, metrics, baselines and report figures of each."""

from recipes.tasks.classification import Classification
from recipes.tasks.contrastive import Contrastive
from recipes.tasks.detection import Detection
from recipes.tasks.features import Features
from recipes.tasks.few_labels import FewLabels
from recipes.tasks.fine_tuning import FineTuning
from recipes.tasks.forecasting import Forecasting
from recipes.tasks.generation import Generation
from recipes.tasks.instance_segmentation import InstanceSegmentation
from recipes.tasks.language_model import LanguageModel
from recipes.tasks.masked_image_modelling import MaskedImageModelling
from recipes.tasks.motion import Motion
from recipes.tasks.next_frame import NextFrame
from recipes.tasks.question_answering import QuestionAnswering
from recipes.tasks.regression import Regression
from recipes.tasks.restoration import Restoration
from recipes.tasks.segmentation import Segmentation
from recipes.tasks.series_classification import SeriesClassification
from recipes.tasks.sound_classification import SoundClassification
from recipes.tasks.species_distribution import SpeciesDistribution
from recipes.tasks.text_classification import TextClassification
from recipes.tasks.translation import Translation

TASKS = {
    "classification": Classification,
    "fine_tuning": FineTuning,
    "features": Features,
    "few_labels": FewLabels,
    "contrastive": Contrastive,
    "masked_image_modelling": MaskedImageModelling,
    "regression": Regression,
    "segmentation": Segmentation,
    "detection": Detection,
    "instance_segmentation": InstanceSegmentation,
    "restoration": Restoration,
    "motion": Motion,
    "forecasting": Forecasting,
    "series_classification": SeriesClassification,
    "sound_classification": SoundClassification,
    "species_distribution": SpeciesDistribution,
    "text_classification": TextClassification,
    "question_answering": QuestionAnswering,
    "language_model": LanguageModel,
    "next_frame": NextFrame,
    "generation": Generation,
    "translation": Translation,
}
