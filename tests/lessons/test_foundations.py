"""Lessons 01 to 14 run and show what they say."""

import numpy as np

from tests.lessons.run_lesson import run_lesson


def test_a_hidden_layer_learns_xor_and_a_perceptron_does_not():
    lesson = run_lesson("01_perceptron_and_xor")
    assert lesson["perceptron_accuracy"]["AND"] == lesson["perceptron_accuracy"]["OR"] == 1
    assert lesson["perceptron_accuracy"]["XOR"] <= 0.75
    assert lesson["network_accuracy"] == 1
    assert lesson["solved"][1] == 0 < lesson["solved"][32]


def test_gradients_vanish_in_a_deep_network_of_sigmoids():
    lesson = run_lesson("02_activations")
    assert abs(lesson["gradients"]["sigmoid"].max() - 0.25) < 1e-6
    ratios = {name: norms[0] / norms[-1] for name, norms in lesson["norms"].items()}
    assert ratios["sigmoid"] < 1e-8 and min(ratios["tanh"], ratios["relu"]) > 0.05
    assert lesson["saturated"]["sigmoid"][2] > lesson["saturated"]["sigmoid"][0] + 0.5
    assert lesson["accuracy"]["sigmoid"] < 0.3 and lesson["accuracy"]["relu"] > 0.6
    assert lesson["deepest"]["sigmoid"] < lesson["deepest"]["tanh"] == 10


def test_gradient_descent_by_hand_is_that_of_keras():
    lesson = run_lesson("03_gradient_descent")
    assert lesson["line_difference"] < 1e-4 and lesson["logistic_difference"] < 1e-4
    assert abs(lesson["quotient"] - lesson["squared_error_gradient"](0.5, 0.2)[0]) < 1e-2
    assert lesson["squared_error"](*lesson["paths"][0.25][-1]) < 1.01 * lesson["squared_error"](
        *lesson["least_squares"]
    )
    assert lesson["training_accuracy"] > 0.95
    assert lesson["losses"][0.95] < 1 and lesson["losses"][1.05] > 100


def test_optimizers_by_hand_are_those_of_keras_and_their_order_depends_on_the_learning_rate():
    lesson = run_lesson("04_optimizers")
    assert max(lesson["differences"].values()) < 1e-3
    assert lesson["final_loss"]["SGD"] > 10 * max(
        lesson["final_loss"][name] for name in ("momentum", "RMSprop", "Adam")
    )
    assert all(history[-1] < history[0] for history in lesson["losses"].values())
    assert lesson["losses"]["momentum"][-1] < lesson["losses"]["SGD"][-1]
    orders = [sorted(losses, key=losses.get) for losses in (lesson["final_loss"], lesson["best_loss"])]
    assert orders[0] != orders[1] and orders[0][-1] == orders[1][-1] == "SGD"


def test_decay_comes_closer_to_the_minimum_than_a_constant_learning_rate():
    lesson = run_lesson("05_learning_rate_decay")
    excess = {name: losses[-1] for name, losses in lesson["excess"].items()}
    assert lesson["cosine_difference"] < 1e-6
    for decay in (excess["step decay"], excess["cosine decay"], lesson["keras_excess"]):
        assert decay < min(excess["constant high"], excess["constant low"]) / 10
    floors = lesson["floors"]
    assert floors[0.1] > floors[0.03] > floors[0.01] < floors[0.003]


def test_a_network_overfits_few_digits_and_more_data_helps_most():
    lesson = run_lesson("06_overfitting")
    final = {name: history["val_cross_entropy"][-1] for name, history in lesson["histories"].items()}
    gap = {name: final[name] - history["cross_entropy"][-1] for name, history in lesson["histories"].items()}
    accuracy = {name: history["val_accuracy"][-1] for name, history in lesson["histories"].items()}
    assert gap["plain"] > 0.3 > gap["more data"]
    assert gap["L2"] < gap["plain"] and final["more data"] < 0.9 * final["plain"]
    assert max(accuracy, key=accuracy.get) == "more data"
    assert lesson["gaps"][0] > lesson["gaps"][-1] + 0.3 and lesson["accuracies"][-1] > lesson["accuracies"][0] + 0.1


def test_filters_by_hand_are_keras_convolution():
    lesson = run_lesson("07_convolution_by_hand")
    assert max(lesson["differences"].values()) < 1e-4 and lesson["separable_difference"] < 1e-4
    assert np.allclose(lesson["convolve"](np.ones((5, 5)), lesson["FILTERS"]["Laplacian"]), 0)
    assert lesson["strong_fraction"] > max(lesson["weak_fraction"], 0.4)
    assert {name for name, rank in lesson["ranks"].items() if rank == 1} == {
        "mean", "Sobel, horizontal", "Sobel, vertical"
    }  # fmt: skip


def test_a_receptive_field_is_counted_measured_and_read_from_the_graph():
    lesson = run_lesson("08_pooling_and_receptive_field")
    assert lesson["with_pooling"][-1] == lesson["measured"] == lesson["from_graph"] > lesson["without_pooling"][-1]
    assert lesson["lenet_counted"] == lesson["lenet"] and lesson["resnet_counted"] == lesson["resnet"] > 32
    assert (lesson["pooled"] == lesson["in_keras"]).all()
    assert lesson["shift_changes"][1] < lesson["shift_changes"][0]


def test_a_cnn_beats_the_mean_color_of_satellite_patches():
    lesson = run_lesson("09_cnn_on_satellite_patches")
    assert lesson["majority"] < 0.3 < 0.7 < lesson["baseline_accuracy"] < lesson["cnn_accuracy"]
    assert lesson["low"] > 0
    assert lesson["cnn_accuracy"] - lesson["middle_accuracy"] > 0.01
    assert lesson["cnn_accuracy"] - lesson["shuffled_accuracy"] > -0.01


def test_shortcuts_keep_the_gradient_and_the_training_of_a_deep_network():
    lesson = run_lesson("10_depth_and_residuals")
    assert lesson["models"]["plain"].count_params() == lesson["models"]["ResNet"].count_params()
    assert lesson["ratios"]["plain"] > 4 and lesson["ratios"]["plain"] > 2 * lesson["ratios"]["ResNet"]
    assert lesson["final_loss"]["ResNet"] < lesson["final_loss"]["plain"] - 0.2
    assert lesson["ratios"]["plain"] > 2 * max(lesson["depth_ratios"]["plain"])


def test_networks_with_gates_learn_to_remember_sooner():
    lesson = run_lesson("11_rnn_lstm_gru")
    for name in ("LSTM", "GRU"):
        assert min(lesson["memory"][name]) > max(0.9, lesson["memory"]["RNN"][0] + 0.05)
        assert lesson["losses"][name][-1] < 0.5 * lesson["losses"]["RNN"][-1]
    assert lesson["counted"] == lesson["in_keras"]


def test_attention_by_hand_is_that_of_keras_and_needs_positions():
    lesson = run_lesson("12_attention_and_positions")
    for name in ("attention_difference", "weight_difference", "position_difference", "causal_difference"):
        assert lesson[name] < 1e-5, name
    assert np.allclose(lesson["permuted_output"], lesson["output"][lesson["order"]], atol=1e-5)
    assert lesson["accuracy"]["without positions"] < 0.6 < 0.9 < lesson["accuracy"]["with positions"]
    assert lesson["permuted_change"]["without positions"] < 1e-4 < 0.5 < lesson["permuted_change"]["with positions"]
    assert (lesson["changes"][:-1] == 0).all() and lesson["changes"][-1] > 0.01


def test_the_order_of_patches_is_only_in_the_positions_of_a_vision_transformer():
    lesson = run_lesson("13_vision_transformer")
    assert (lesson["cut"](lesson["animal"])[5] == lesson["animal"][7:14, 7:14, 0]).all()
    assert 0.7 < lesson["weights"]["ViT"] / lesson["weights"]["CNN"] < 1.4
    assert min(lesson["accuracy"].values()) > 0.25
    for name, accuracy in lesson["accuracy"].items():
        assert lesson["shuffled"][name] < accuracy - 0.05, name
    assert abs(lesson["shuffled"]["ViT, positions shuffled, too"] - lesson["accuracy"]["ViT"]) < 0.01
    assert lesson["attention"].shape == (200, 4, 4)


def test_an_autoencoder_beats_pca_of_equal_size():
    lesson = run_lesson("14_autoencoder")
    assert lesson["errors"]["autoencoder"] < 0.95 * lesson["errors"]["PCA"] < 0.5 * lesson["errors"]["mean image"]
    assert lesson["denoising_errors"]["denoised"] < 0.6 * lesson["denoising_errors"]["noisy"]
    best_pca = lesson["pca_errors"][lesson["best_count"]]
    assert best_pca < 0.9 * lesson["pca_errors"][5] and best_pca < 1.3 * lesson["denoising_errors"]["denoised"]
