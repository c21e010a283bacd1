"""Architectures by the names of their papers, with pretrained weights, transfer learning, explanations and export.

>>> import zoo
>>> model = zoo.lenet5((28, 28, 1), 10)
>>> model.count_params()
61706
"""

from zoo import explain, serving

# transfer learning
from zoo.backbones.bands import adapt_bands, band_statistics
from zoo.backbones.encoder_weights import encoder_moments, load_encoder_weights
from zoo.backbones.feature_extraction import extract_features, feature_classifier
from zoo.backbones.finetune_schedule import finetune_schedule, layer_factors
from zoo.backbones.fusion import fusion
from zoo.backbones.hub import HubLayer, save_reusable
from zoo.backbones.input_range import RangeError, verify_range
from zoo.backbones.sensors import SENSORS
from zoo.backbones.stages import stages, thaw
from zoo.backbones.transfer import transfer

# image classification: (H, W, C) -> (classes,)
from zoo.classify.alexnet import alexnet, alexnet_owt
from zoo.classify.cnn import cnn
from zoo.classify.coatnet import (
    coatnet,
    coatnet_0,
    coatnet_1,
    coatnet_2,
    coatnet_3,
    coatnet_4,
    coatnet_5,
    coatnet_6,
    coatnet_7,
)
from zoo.classify.densenet import densenet, densenet121, densenet161, densenet169, densenet201
from zoo.classify.efficientnet_lite import (
    efficientnet_lite,
    efficientnet_lite0,
    efficientnet_lite1,
    efficientnet_lite2,
    efficientnet_lite3,
    efficientnet_lite4,
)
from zoo.classify.lenet import lenet5, lenet5_1998
from zoo.classify.mobilenet_v2 import mobilenet_v2
from zoo.classify.resnet import resnet, resnet18, resnet34, resnet50, resnet101, resnet152
from zoo.classify.resnet_cifar import resnet20, resnet32, resnet44, resnet56, resnet110, resnet_cifar
from zoo.classify.resnet_v2 import resnet50v2, resnet101v2, resnet152v2, resnet_v2
from zoo.classify.vgg import vgg, vgg16, vgg19
from zoo.classify.vit import (
    attention_maps,
    vit,
    vit_base_16,
    vit_base_32,
    vit_g_14,
    vit_giant_14,
    vit_huge_14,
    vit_large_16,
    vit_large_32,
    vit_small_16,
    vit_small_32,
    vit_tiny_16,
)

# detection: (H, W, C) -> boxes of objects, with score and class
from zoo.detect.detector import detector
from zoo.detect.fast_rcnn import fast_rcnn
from zoo.detect.faster_rcnn import faster_rcnn, faster_rcnn_vgg16
from zoo.detect.localizer import LocalizerLoss, localizer
from zoo.detect.mask_rcnn import mask_rcnn
from zoo.detect.masks import mask_targets, paste_masks
from zoo.detect.rcnn import rcnn
from zoo.detect.retinanet import retinanet
from zoo.detect.retinanet_loss import RetinaNetLoss, detection_targets

# export
from zoo.export.export import Export, ExportError, export

# image generation: noise, or noise and label -> (H, W, C); image -> image
from zoo.generate import quality
from zoo.generate.anomaly import AnomalyDetector, anomaly_detector
from zoo.generate.autoencoder import autoencoder, denoising_autoencoder
from zoo.generate.conditional_gan import conditional_gan
from zoo.generate.dbn import dbn
from zoo.generate.dcgan import dcgan, dcgan_paper
from zoo.generate.ddpm import ddpm, ddpm_256
from zoo.generate.gan import gan
from zoo.generate.mae import mae, mae_base_16, mae_huge_14, mae_large_16, mae_small
from zoo.generate.pix2pix import pix2pix
from zoo.generate.rbm import rbm
from zoo.generate.realnvp import realnvp
from zoo.generate.vae import conv_vae, vae
from zoo.generate.wgan_gp import wgan_gp
from zoo.introspect import describe, draw, last_spatial, macs, outline, parameters, receptive_field
from zoo.keras_patches import LayerRates

# optical flow: two frames (H, W, C) -> (H, W, 2)
from zoo.motion.flownet_s import flownet_s
from zoo.motion.pwcnet import pwcnet
from zoo.motion.raft_small import raft_small
from zoo.motion.tvnet import tvnet

# visual question answering: image and question -> (classes,)
from zoo.question.rsvqa import rsvqa
from zoo.r_setup import r_check
from zoo.registry import build, names, register, variant

# image restoration and super-resolution: (H, W, C) -> (rH, rW, C)
from zoo.restore.dncnn import dncnn, dncnn_blind
from zoo.restore.edsr import edsr, edsr_baseline
from zoo.restore.srcnn import srcnn, srcnn_935, srcnn_955

# segmentation: (H, W, C) -> (H, W, classes)
from zoo.segment.unet import unet

# time series, (T, F), tokens or image sequences -> (outputs,), (T, outputs) or future images
from zoo.series.cnn_lstm import cnn_lstm
from zoo.series.convlstm import convlstm, convlstm_keras
from zoo.series.presto import presto, presto_autoencoder
from zoo.series.recurrent import gru, lstm, rnn
from zoo.series.tempcnn import tempcnn
from zoo.series.transformer import transformer, transformer_big, transformer_encoder
from zoo.serving.predictor import Predictor, predictor

# sound, (N, C) -> (classes,)
from zoo.sound.crnn import crnn
from zoo.sound.m5 import m5
from zoo.sound.spectrogram_classifier import spectrogram_classifier

# tables: (F,) -> (outputs,)
from zoo.tabular.deepmaxent import deepmaxent
from zoo.tabular.dnn import dnn
from zoo.tabular.ft_transformer import ft_transformer
from zoo.tabular.maxent_features import maxent_features
from zoo.tabular.sinr import sinr
from zoo.tabular.tabm import tabm, tabm_ple

# pretrained weights
from zoo.weights import BUNDLED, load, load_weights


def __getattr__(name):
    from zoo.arguments import suggestion

    raise AttributeError(f"zoo has no {name!r}.{suggestion(name, globals()) if name[:1] != '_' else ''}")
