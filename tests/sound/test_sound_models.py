"""Models of sound: their spectrogram, their options and what they refuse."""

import pytest

import zoo


@pytest.mark.parametrize("backbone", ["lenet5", "resnet20", "coatnet_0"])
def test_any_image_classifier_reads_the_spectrogram(backbone):
    with zoo.introspect.graph.weightless():
        model = zoo.spectrogram_classifier((8000, 1), 4, sample_rate=8000, backbone=backbone)
    assert model.get_layer("spectrogram").output.shape == (None, 64, 101, 1)
    assert model.output_shape == (None, 4)


def test_the_backbone_takes_its_arguments():
    model = zoo.spectrogram_classifier((8000, 1), 4, backbone_arguments={"filters": [2, 3.0], "convolutions": 1.0})
    assert model.get_layer("pool").output.shape == (None, 3)
    with pytest.raises(ValueError, match=r"`backbone_arguments` has no 'filter'. Did you mean `filters`"):
        zoo.spectrogram_classifier((8000, 1), 4, backbone_arguments={"filter": 3})


@pytest.mark.parametrize(("pooling", "features"), [("average", 8), ("time", 64), ("attention", 64)])
def test_poolings_keep_the_frequencies_or_average_them(pooling, features):
    arguments = {"filters": (4, 4, 8), "convolutions": 1}
    model = zoo.spectrogram_classifier((16000, 1), 4, backbone_arguments=arguments, pooling=pooling)
    assert model.get_layer("pool").output.shape == (None, features)


def test_unknown_options_and_backbones_offer_the_nearest():
    with pytest.raises(ValueError, match=r"`spectrogram` has no option 'band'. Did you mean `bands`"):
        zoo.spectrogram_classifier((8000, 1), 4, spectrogram={"band": 3})
    with pytest.raises(ValueError, match=r"`backbone` must be one of .*Did you mean `resnet20`"):
        zoo.spectrogram_classifier((8000, 1), 4, backbone="resnt20")


def test_a_sound_too_short_for_strides_says_so():
    with pytest.raises(ValueError, match="must have more samples for `time_strides`"):
        zoo.crnn((8000, 1), 4, sample_rate=8000)
    with pytest.raises(ValueError, match="must have 1 to 4 entries"):
        zoo.crnn((8000, 1), 4, filters=(2,) * 5)
