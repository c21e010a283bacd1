"""Exact parameter counts with their sources; models are built without memory for weights."""

import inspect

import pytest

import zoo
from zoo.registry import entries

COUNTED = {}


def count(name, arguments):
    """(trainable, total) parameters; a variant that equals its family with the same arguments is built once."""
    defaults = {k: p.default for k, p in inspect.signature(entries[name].build).parameters.items() if k != "name"}
    network = (entries[name].parent or name, repr({**defaults, **arguments}))
    if network not in COUNTED:
        total, trainable = zoo.parameters(zoo.outline(name, **arguments))
        COUNTED[network] = trainable, total
    return COUNTED[network]


PHOTO = {"input_shape": (224, 224, 3), "classes": 1000}
MNIST = {"input_shape": (28, 28, 1)}
PHOTO_384 = {**PHOTO, "input_shape": (384, 384, 3)}
COATNET_6_TABLE_12 = (192, 192, 384, 768, 1536, 2048)
CIFAR = {"input_shape": (32, 32, 3), "classes": 10}
DIGIT = {"input_shape": (28, 28, 1), "classes": 10}
SINGLE = {"filters": (32, 64, 128, 256), "convolutions": 1, "units": (512,), "max_norm": None, "dropout": 0.5}

GRAY = {"input_shape": (64, 64, 1)}
COLOR = {"input_shape": (64, 64, 3)}
SERIES = {"input_shape": (None, 32), "outputs": 1}
FRAMES = {"input_shape": (10, 64, 64, 1), "outputs": 10}
BIG_KERNELS = {**FRAMES, "kernel_size": 9, "recurrent_kernel_size": 1}
PTB_SMALL = {"input_shape": (None,), "outputs": 10000, "vocabulary": 10000, "units": (200, 200), "every_step": True}
TAGS = {"input_shape": (349440, 1), "classes": 50}
COMMANDS = {"input_shape": (8000, 1), "classes": 35, "filters": (32, 32, 64, 64)}
HERSHEY = {"input_shape": (15360, 1), "classes": 527, "backbone": "resnet50"}
RESNET_50 = 25557032
ENCODER = {"input_shape": (None, 512), "outputs": 1}
PIXEL = {"input_shape": (12, 17)}
COCO = {"input_shape": (None, None, 3), "classes": 91}
REGIONS = {**COCO, "classes": 90}  # and the background
VALID = {"input_shape": (572, 572, 1), "classes": 2, "padding": "valid"}
COLOR_GAN = {"image_shape": (64, 64, 3)}
LABELLED = {"image_shape": (28, 28, 1), "classes": 10}
TABLE = {"input_shape": (100,), "outputs": 10}
MIXED_TABLE = {"input_shape": (10,), "outputs": 3, "levels": (3, 2)}

# name, arguments, trainable, total, source
COUNTS = [
    # tabular: by hand, from the lectures' slides
    ("dnn", {"input_shape": (3,), "outputs": 1, "units": (4, 10, 10)}, 187, 187, "16 + 50 + 110 + 11"),
    ("dnn", {"input_shape": (2,), "outputs": 1, "units": (2,)}, 9, 9, "XOR 2-2-1"),
    ("dnn", {"input_shape": (32, 32, 3), "outputs": 10}, 1578506, 1578506, "3072-512-10"),
    ("dnn", {"input_shape": (32, 32, 3), "outputs": 10, "units": (512, 512)}, 1841162, 1841162, "3072-512-512-10"),
    ("dnn", {"input_shape": (784,), "outputs": 10, "units": (512, 512)}, 669706, 669706, "784-512-512-10"),
    # tabular: by hand, from the authors' code deepmaxent and sinr, and from the features of maxnet
    ("deepmaxent", {"input_shape": (14,), "classes": 2}, 129752, 129752, "deepmaxent_model(14, 250, 2, 2)"),
    ("sinr", {"input_shape": (2,), "classes": 47375}, 12655616, 12655620, "ResidualFCNet(4, 47375, 256)"),
    ("maxent_features", {"input_shape": (14,), "classes": 2}, 2984, 4503, "2 x (14 + 14 + 91 + 98 x 14) + 2"),
    # tabular: counted in the authors' packages tabm 0.0.3 and rtdl_revisiting_models 0.0.2
    ("tabm", TABLE, 873920, 873920, "TabM.make"),
    ("tabm", MIXED_TABLE, 710048, 710048, "TabM.make, cat_cardinalities=[3, 2]"),
    ("tabm_ple", TABLE, 1458624, 1463524, "TabM.make, 48 bins for each number"),
    ("ft_transformer", TABLE, 931978, 931978, "get_default_kwargs()"),
    ("ft_transformer", MIXED_TABLE, 895491, 895491, "get_default_kwargs(), cat_cardinalities=[3, 2]"),
    # cnn: the lectures
    ("cnn", CIFAR, 2395434, 2395434, "32-32-64-64-128-128-1024"),
    ("cnn", {**CIFAR, "units": (1024, 512)}, 2915114, 2915114, "with a second dense layer of 512"),
    ("cnn", {**CIFAR, "classes": 56, **SINGLE}, 941944, 941944, "the ecology lecture's four single blocks"),
    # LeNet-5: LeCun et al. 1998, section II.B
    ("lenet5", DIGIT, 61706, 61706, "dense C3"),
    ("lenet5", {"input_shape": (32, 32, 1), "classes": 10, "padding": "valid"}, 61706, 61706, "dense C3"),
    ("lenet5", {**CIFAR, "padding": "valid"}, 62006, 62006, "dense C3, three bands"),
    ("lenet5_1998", {"input_shape": (32, 32, 1), "classes": 10}, 60000, 60840, "60,000 trainable, 840 fixed"),
    # convolutional classifiers: torchvision (trainable), keras.applications (total), unless stated otherwise
    ("alexnet", {**PHOTO, "input_shape": (227, 227, 3)}, 60965224, 60965224, "two towers, Krizhevsky et al. 2012"),
    ("alexnet", {**PHOTO, "input_shape": (227, 227, 3), "groups": 1}, 62378344, 62378344, "one tower"),
    ("alexnet_owt", PHOTO, 61100840, 61100840, "torchvision"),
    ("vgg", PHOTO, 138357544, 138357544, "column D"),
    ("vgg16", PHOTO, 138357544, 138357544, "torchvision and keras.applications"),
    ("vgg16", {**PHOTO, "batch_norm": True}, 138365992, 138374440, "torchvision's vgg16_bn"),
    ("vgg19", PHOTO, 143667240, 143667240, "torchvision and keras.applications"),
    ("vgg19", {**PHOTO, "batch_norm": True}, 143678248, 143689256, "torchvision's vgg19_bn"),
    ("resnet", PHOTO, 25557032, 25610152, "50 layers"),
    ("resnet18", PHOTO, 11689512, 11699112, "torchvision"),
    ("resnet34", PHOTO, 21797672, 21814696, "torchvision"),
    ("resnet50", PHOTO, 25557032, 25610152, "torchvision"),
    ("resnet101", PHOTO, 44549160, 44654504, "torchvision"),
    ("resnet152", PHOTO, 60192808, 60344232, "torchvision"),
    ("resnet18", {**PHOTO, "classes": 10}, 11181642, 11191242, "torchvision, ten classes"),
    ("resnet34", {**PHOTO, "classes": 10}, 21289802, 21306826, "torchvision, ten classes"),
    ("resnet50", {**PHOTO, "classes": 10}, 23528522, 23581642, "torchvision, ten classes"),
    ("resnet101", {**PHOTO, "classes": 10}, 42520650, 42625994, "torchvision, ten classes"),
    ("resnet152", {**PHOTO, "classes": 10}, 58164298, 58315722, "torchvision, ten classes"),
    ("resnet50", {**PHOTO, "version": 1}, 25557032, 25610152, "version 1 has as many"),
    ("resnet_v2", PHOTO, 25568360, 25613800, "50 layers, keras.applications"),
    ("resnet50v2", PHOTO, 25568360, 25613800, "keras.applications"),
    ("resnet101v2", PHOTO, 44577896, 44675560, "keras.applications"),
    ("resnet152v2", PHOTO, 60236904, 60380648, "keras.applications"),
    ("resnet_cifar", CIFAR, 269722, 271098, "20 layers, He et al. 2015, section 4.2"),
    ("resnet20", CIFAR, 269722, 271098, "option A"),
    ("resnet32", CIFAR, 464154, 466426, "option A"),
    ("resnet44", CIFAR, 658586, 661754, "option A"),
    ("resnet56", CIFAR, 853018, 857082, "option A"),
    ("resnet110", CIFAR, 1727962, 1736058, "option A"),
    ("densenet", PHOTO, 7978856, 8062504, "121 layers"),
    ("densenet121", PHOTO, 7978856, 8062504, "torchvision and keras.applications"),
    ("densenet161", PHOTO, 28681000, 28900936, "torchvision, k = 48"),
    ("densenet169", PHOTO, 14149480, 14307880, "torchvision and keras.applications"),
    ("densenet201", PHOTO, 20013928, 20242984, "torchvision and keras.applications"),
    ("mobilenet_v2", PHOTO, 3504872, 3538984, "torchvision and keras.applications"),
    ("mobilenet_v2", {**PHOTO, "alpha": 0.35}, 1677128, 1691208, "keras.applications, alpha 0.35"),
    ("mobilenet_v2", {**PHOTO, "alpha": 0.5}, 1968680, 1987224, "keras.applications, alpha 0.5"),
    ("mobilenet_v2", {**PHOTO, "alpha": 0.75}, 2636424, 2663064, "keras.applications, alpha 0.75"),
    ("mobilenet_v2", {**PHOTO, "alpha": 1.3}, 5386792, 5431048, "keras.applications, alpha 1.3"),
    ("mobilenet_v2", {**PHOTO, "alpha": 1.4}, 6108776, 6156712, "keras.applications, alpha 1.4"),
    ("efficientnet_lite", PHOTO, 4652008, 4694024, "Lite0"),
    ("efficientnet_lite0", PHOTO, 4652008, 4694024, "the published checkpoint's tensors"),
    ("efficientnet_lite1", PHOTO, 5416680, 5470344, "the authors' README: 5.4 M"),
    ("efficientnet_lite2", PHOTO, 6092072, 6150168, "the authors' README: 6.1 M"),
    ("efficientnet_lite3", PHOTO, 8197096, 8273768, "the authors' README: 8.2 M"),
    ("efficientnet_lite4", PHOTO, 13006568, 13118936, "the authors' README: 13.0 M"),
    # ViT: Dosovitskiy et al. 2020, DeiT and Zhai et al. 2021, as timm, torchvision and Hugging Face have them
    ("vit_tiny_16", PHOTO, 5717416, 5717416, "timm"),
    ("vit_small_16", PHOTO, 22050664, 22050664, "timm"),
    ("vit_small_32", PHOTO, 22878952, 22878952, "timm"),
    ("vit", PHOTO, 86567656, 86567656, "B/16, timm"),
    ("vit_base_16", PHOTO, 86567656, 86567656, "timm"),
    ("vit_base_16", PHOTO_384, 86859496, 86859496, "timm at 384"),
    ("vit_base_32", PHOTO, 88224232, 88224232, "timm"),
    ("vit_large_16", PHOTO, 304326632, 304326632, "timm; the paper's 307 M is of no known network"),
    ("vit_large_16", PHOTO_384, 304715752, 304715752, "timm at 384"),
    ("vit_large_32", PHOTO, 306535400, 306535400, "timm"),
    ("vit_huge_14", PHOTO, 632045800, 632045800, "timm"),
    ("vit_g_14", PHOTO, 1012611432, 1012611432, "g/14, timm"),
    ("vit_giant_14", PHOTO, 1844440680, 1844440680, "G/14, timm"),
    # CoAtNet: timm with its hidden layer before the head; 5 has the paper's heads of 64, where timm has 32
    ("coatnet", PHOTO, 25036820, 25050516, "CoAtNet-0, timm; the paper 25 M"),
    ("coatnet_0", PHOTO, 25036820, 25050516, "timm; the paper 25 M"),
    ("coatnet_1", PHOTO, 42225776, 42249840, "timm; the paper 42 M"),
    ("coatnet_2", PHOTO, 74684744, 74717000, "timm; the paper 75 M"),
    ("coatnet_3", PHOTO, 166966264, 167014648, "timm; the paper 168 M"),
    ("coatnet_4", PHOTO, 275425288, 275515144, "timm; the paper 275 M"),
    ("coatnet_5", {**PHOTO, "head_size": 32}, 687472008, 687591560, "timm, heads of 32"),
    ("coatnet_5", PHOTO, 687052952, 687172504, "ours; the paper 688 M"),
    ("coatnet_6", PHOTO, 1471125232, 1471269616, "ours; the paper 1.47 B"),
    ("coatnet_6", {**PHOTO, "filters": COATNET_6_TABLE_12}, 1348435040, 1348579424, "by table 12 as it is printed"),
    ("coatnet_7", PHOTO, 2441972728, 2442164984, "ours; the paper 2.44 B"),
    # U-Net: Ronneberger et al. 2015, figure 1; padded, the usual public implementations
    ("unet", VALID, 31030658, 31030658, "figure 1: 23 convolutions"),
    ("unet", {**COLOR, "classes": 1}, 31031745, 31031745, "padded, three bands to one"),
    ("unet", {**COLOR, "classes": 3}, 31031875, 31031875, "padded, three bands to three"),
    ("unet", {**GRAY, "classes": 1}, 31030593, 31030593, "padded, one band to one"),
    ("unet", {**COLOR, "classes": 2, "batch_norm": True}, 31037698, 31049474, "milesial/Pytorch-UNet"),
    # DnCNN: Zhang et al. 2016, as the authors' MatConvNet code has it; without normalization, as they publish it
    ("dncnn", GRAY, 556097, 558017, "17 layers"),
    ("dncnn", {**GRAY, "batch_norm": False}, 555137, 555137, "17 layers, folded"),
    ("dncnn_blind", GRAY, 667073, 669377, "20 layers"),
    ("dncnn_blind", {**GRAY, "batch_norm": False}, 665921, 665921, "20 layers, folded"),
    ("dncnn_blind", COLOR, 669379, 671683, "20 layers, color"),
    ("dncnn_blind", {**COLOR, "batch_norm": False}, 668227, 668227, "20 layers, color, folded"),
    # SRCNN: Dong et al. 2015 counts 8,032, 24,416 and 57,184 weights, without the 97 biases
    ("srcnn", GRAY, 8032 + 97, 8032 + 97, "9-1-5"),
    ("srcnn_935", GRAY, 24416 + 97, 24416 + 97, "9-3-5"),
    ("srcnn_955", GRAY, 57184 + 97, 57184 + 97, "9-5-5"),
    # EDSR: Lim et al. 2017, as the authors' code has it, without its fixed shift of colors
    ("edsr", COLOR, 40729603, 40729603, "x2; the paper 43 M for x4"),
    ("edsr", {**COLOR, "scale": 3}, 43680003, 43680003, "x3"),
    ("edsr", {**COLOR, "scale": 4}, 43089923, 43089923, "x4"),
    ("edsr_baseline", COLOR, 1369859, 1369859, "x2; the authors 1.37 M"),
    ("edsr_baseline", {**COLOR, "scale": 3}, 1554499, 1554499, "x3; the authors 1.55 M"),
    ("edsr_baseline", {**COLOR, "scale": 4}, 1517571, 1517571, "x4; the authors 1.52 M"),
    # recurrent: u(i + u + 1), 4u(i + u + 1), 3u(i + u + 2), 3u(i + u + 1), and the head's 65 or 129
    ("rnn", SERIES, 6208 + 65, 6208 + 65, "32 to 64"),
    ("lstm", SERIES, 24832 + 65, 24832 + 65, "32 to 64"),
    ("lstm", {**SERIES, "bidirectional": True}, 49664 + 129, 49664 + 129, "32 to 64 both ways"),
    ("lstm", {**SERIES, "units": (64, 64)}, 24832 + 33024 + 65, 24832 + 33024 + 65, "32 to 64 to 64"),
    ("lstm", PTB_SMALL, 4651600, 4651600, "Zaremba et al. 2014, 200 units: tables of 2,000,000 and 2,010,000"),
    ("gru", SERIES, 18816 + 65, 18816 + 65, "32 to 64, reset after"),
    ("gru", {**SERIES, "reset_after": False}, 18624 + 65, 18624 + 65, "32 to 64, reset before"),
    # by hand: 1,024 + 2 x 20,544 + 384; 753,920 + 512; 3,341
    ("tempcnn", {"input_shape": (46, 3), "outputs": 13}, 800269, 801165, "Pelletier et al. 2019, figure 3"),
    # the backbone is cnn's convolutions, 287,008, the LSTM 4 x 256 x (128 + 256 + 1), the head 771
    ("cnn_lstm", {"input_shape": (4, 32, 32, 3), "outputs": 3}, 682019, 682019, "by hand"),
    # sound: the authors' code normalizes 1,440 steps of the spectrogram, with two weights each, here 96 bands
    ("crnn", TAGS, 396786 - 2 * 1440 + 2 * 96, 395186, "music_tagger_crnn.py of Choi et al."),
    ("m5", {"input_shape": (32000, 1), "classes": 10}, 559114, 561162, "Dai et al. 2016, table 1: 0.5M"),
    ("m5", COMMANDS, 26915, 27299, "the tutorial of PyTorch on speech commands"),
    # ResNet-50 with one band and another head, and the norm of the spectrogram
    ("spectrogram_classifier", HERSHEY, RESNET_50 - 2049 * 473 - 2 * 49 * 64 + 2, 24634707, "He et al. 2015"),
    # models/model.py of the authors: 65,568 + 2,458,800 + 2,881,200 + 307,456 + 2,313; and ResNet-152 without its head
    ("rsvqa", {"input_shape": (256, 256, 3), "classes": 9}, 5715337, 5715337 + 58143808 + 151424, "Lobry et al. 2020"),
    # ConvLSTM: Shi et al. 2015, table 1
    ("convlstm", FRAMES, 10042896, 10042896, "(5x5)-5x5-128-128"),
    ("convlstm", {**FRAMES, "filters": (256,)}, 13524496, 13524496, "(5x5)-5x5-256"),
    ("convlstm", {**FRAMES, "filters": (128, 64, 64)}, 7585296, 7585296, "(5x5)-5x5-128-64-64"),
    ("convlstm", BIG_KERNELS, 11550224, 11550224, "(9x9)-1x1-128-128"),
    ("convlstm", {**BIG_KERNELS, "filters": (128, 64, 64)}, 8830480, 8830480, "(9x9)-1x1-128-64-64"),
    ("convlstm_keras", {"input_shape": (None, 64, 64, 1)}, 746433, 746689, "keras.io's example"),
    # Transformer: Vaswani et al. 2017; torch.nn.Transformer without its two last norms; 37,000 tokens shared
    ("transformer", {"vocabulary": 37000}, 63082496, 63082496, "base: 44,138,496 and the tokens' table"),
    ("transformer_big", {"vocabulary": 37000}, 214245376, 214245376, "big: 176,357,376 and the tokens' table"),
    ("transformer", {"vocabulary": 1, "depth": 1}, 3152384 + 4204032 + 512, 7356928, "a layer of each, base"),
    ("transformer_big", {"vocabulary": 1, "depth": 1}, 12596224 + 16796672 + 1024, 29393920, "a layer of each, big"),
    ("transformer_encoder", {**ENCODER, "depth": 1}, 3152384 + 262656 + 513, 3415553, "a layer, base"),
    # Presto: nasaharvest/presto
    ("presto", PIXEL, 402240, 404160, "the released encoder; the paper 402 K"),
    ("presto", {**PIXEL, "outputs": 1}, 402369, 404289, "fine-tuned to one number"),
    ("presto_autoencoder", PIXEL, 819034, 822682, "the released model"),
    # detection: the total has the gamma, beta and statistics of frozen batch normalization, 106,240
    ("localizer", {"input_shape": (224, 224, 3), "classes": 1000}, 25565228, 25618348, "23,508,032 + 2,049 * 1,004"),
    ("retinanet", {**COCO, "freeze_batch_norm": True}, 34014999, 34121239, "torchvision, frozen batch normalization"),
    ("retinanet", COCO, 34068119, 34121239, "torchvision, trainable batch normalization; KerasHub's card"),
    ("faster_rcnn", {**REGIONS, "freeze_batch_norm": True}, 41755286, 41861526, "torchvision's 91 with the background"),
    ("faster_rcnn", REGIONS, 41808406, 41861526, "torchvision, trainable batch normalization"),
    (
        "faster_rcnn_vgg16",
        {**REGIONS, "classes": 20},
        137078239,
        137078239,
        "Ren et al. 2015, figure 2; VGG-16 and VOC",
    ),
    ("mask_rcnn", {**REGIONS, "freeze_batch_norm": True}, 44401393, 44507633, "torchvision's 91 with the background"),
    # the convolutions, and for 20 classes and background 9,216 or 25,088 * 4,096, 4,097 * 4,096, 4,097 * (21 + 84)
    ("rcnn", {"input_shape": (64, 64, 3), "classes": 20}, 57298409, 57298409, "2,334,080 of AlexNet"),
    ("fast_rcnn", {"input_shape": (64, 64, 3), "classes": 20}, 134690729, 134690729, "14,714,688 of VGG-16"),
    # optical flow
    ("flownet_s", {"input_shape": (64, 64, 3)}, 38675536, 38675536, "ClementPinard/FlowNetPytorch"),
    ("pwcnet", {"input_shape": (64, 64, 3)}, 8749214, 8749214, "Sun et al. 2017: 8.75 M"),
    ("raft_small", {"input_shape": (64, 64, 3)}, 990162, 990162, "princeton-vl/RAFT and torchvision"),
    ("tvnet", {"input_shape": (64, 64, 3)}, 784, 809, "LijieFan/tvnet: 16 between two of 50 steps; a 5 x 5 Gaussian"),
    # autoencoders, Boltzmann machines, flows
    ("autoencoder", {**MNIST, "latent": 30}, 2837314, 2837314, "Hinton, Salakhutdinov 2006: 1000-500-250-30"),
    ("autoencoder", {**MNIST, "latent": 32, "units": ()}, 50992, 50992, "blog.keras.io: 784-32-784"),
    ("autoencoder", {**MNIST, "latent": 32, "units": (128, 64)}, 222384, 222384, "blog.keras.io: 784-128-64-32"),
    ("denoising_autoencoder", MNIST, 28353, 28353, "keras.io's example"),
    ("vae", {**MNIST, "latent": 20}, 815824, 815824, "Kingma, Welling 2013, section 5: 784-500-20"),
    ("vae", {**MNIST, "latent": 20, "units": (400,)}, 652824, 652824, "pytorch/examples"),
    ("vae", {**MNIST, "latent": 2}, 788788, 788788, "Kingma, Welling 2013, figure 4: 784-500-2"),
    ("conv_vae", {**MNIST, "latent": 2}, 69076 + 65089, 69076 + 65089, "keras.io's example: encoder + decoder"),
    ("rbm", {**MNIST, "latent": 500}, 393284, 393284, "784 x 500 + 784 + 500"),
    ("dbn", {**MNIST, "latent": 2000}, 1646784, 1646784, "393,284 + 251,000 + 1,002,500"),
    # a coupling of C bands has 1,731 C + 590,912; 22 couplings, whose bands are 411 in all
    ("realnvp", {"input_shape": (32, 32, 3)}, 13711505, 13711505, "by hand; no count was published"),
    # He et al. 2021: the authors' 111,907,840 has 197 positions of 768 and of 512 numbers that are not trained
    (
        "mae",
        {"input_shape": (224, 224, 3)},
        111655680,
        111655680,
        "mae_vit_base_patch16: 111,907,840 - 197 x (768 + 512)",
    ),
    # pairs of networks: generator + discriminator; without the statistics of batch normalization
    ("gan", {"image_shape": (28, 28, 1)}, 2503984 + 1231441, 2503984 + 1231441, "goodfeli/adversarial, mnist.yaml"),
    ("conditional_gan", LABELLED, 2413984 + 1224351, 2413984 + 1224351, "Mirza, Osindero 2014, section 4.1"),
    ("dcgan", COLOR_GAN, 3576704 + 2765568, 3578624 + 2767360, "pytorch/examples"),
    ("dcgan_paper", COLOR_GAN, 18855040 + 17232768, 18858880 + 17236352, "Radford et al. 2015, figure 1, no biases"),
    ("ddpm", {"image_shape": (32, 32, 3)}, 35746307, 35746307, "hojonathanho/diffusion, CIFAR-10"),
    ("ddpm_256", {"image_shape": (256, 256, 3)}, 113673219, 113673219, "hojonathanho/diffusion, LSUN and CelebA-HQ"),
    ("wgan_gp", {"image_shape": (32, 32, 3)}, 5179907 + 4114688, 5197059 + 4114688, "by hand from gan_cifar.py"),
    ("pix2pix", {"input_shape": (256, 256, 3)}, 54413955 + 2768705, 54423811 + 2770497, "pytorch-CycleGAN-and-pix2pix"),
]


@pytest.mark.parametrize(
    ("name", "arguments", "trainable", "total", "source"), COUNTS, ids=[f"{row[0]}-{row[3]}" for row in COUNTS]
)
def test_the_parameter_count_is_that_of_the_source(name, arguments, trainable, total, source):
    assert count(name, arguments) == (trainable, total), source


def test_every_family_has_a_count():
    counted = {row[0] for row in COUNTS}
    assert [n for n in zoo.names() if n not in counted and entries[n].parent is None] == []
