"""Lessons 15 to 28 run and show what they say."""

import numpy as np

from tests.lessons.run_lesson import run_lesson


def test_digits_lie_together_in_the_code_and_fly_apart_without_the_kl_term():
    lesson = run_lesson("15_vae_latent_space")
    np.testing.assert_allclose(lesson["kl_by_hand"], lesson["kl_of_layer"], rtol=1e-4)
    assert lesson["code_accuracy"] > 0.2
    assert lesson["spread"][0.0] > 2 * lesson["spread"][1.0]


def test_the_generator_moves_into_the_clusters():
    lesson = run_lesson("16_gan_game")
    assert lesson["near"][0] < 0.2 and lesson["near"][12] > 0.4
    assert 0.3 < lesson["right"] < 0.95
    for name, slope in lesson["slopes"].items():
        np.testing.assert_allclose(slope, lesson["by_differences"][name], atol=1e-4)


def test_conditions_decide_what_is_generated():
    lesson = run_lesson("17_conditional_gan_and_pix2pix")
    assert lesson["obeyed"] > 0.5
    assert lesson["error"]["pix2pix"] < 0.8 * lesson["error"]["mean"]
    assert lesson["shadow_value"] < -0.2
    assert lesson["error"]["pix2pix, large"] > lesson["error"]["pix2pix"]


def test_features_of_a_pretrained_network_need_few_photos():
    lesson = run_lesson("19_transfer_with_20_photos")
    accuracy = lesson["accuracy"]
    assert accuracy["features"] > 0.5
    assert accuracy["features"] > accuracy["from scratch"] + 0.1


def test_a_unet_segments_in_light_that_defeats_a_threshold():
    score = run_lesson("20_unet")["score"]
    assert score["threshold, poor light"] < 0.8 * score["threshold, even light"]
    assert score["U-Net, poor light"] > 1.1 * score["threshold, poor light"]


def test_overlap_matching_and_suppression_by_hand_are_those_of_zoo_detect():
    lesson = run_lesson("21_detection")
    assert lesson["iou_difference"] < 1e-5 and lesson["round_trip"] < 1e-3
    assert lesson["same_kind"] == 1 and lesson["same_boxes"]
    assert lesson["outcome"][0.9][0] > lesson["outcome"][0.1][0]


def test_the_mark_is_where_both_maps_are_large():
    lesson = run_lesson("22_saliency_and_occlusion")
    assert lesson["accuracy"] > 0.8 and lesson["difference"] < 1e-3
    for name, hit in lesson["hits"].items():
        assert hit > 1.5 * lesson["chance"], name


def test_shapley_values_by_hand_are_those_of_zoo_explain():
    lesson = run_lesson("23_shapley_values")
    np.testing.assert_allclose(lesson["by_hand"], lesson["by_zoo"], atol=1e-3)
    np.testing.assert_allclose(lesson["by_hand"].sum(), lesson["total"], atol=1e-6)
    assert lesson["errors"][500] < lesson["errors"][5]


def test_fgsm_fools_a_network_that_noise_does_not():
    lesson = run_lesson("24_adversarial_examples")
    assert lesson["same"] > 0.99
    assert lesson["accuracy"]["noise"] > lesson["accuracy"]["FGSM"] + 0.1
    assert lesson["trained_curve"].accuracy[3] > lesson["curve"].accuracy[3]


def test_filter_normalization_makes_the_map_independent_of_the_scale():
    lesson = run_lesson("25_loss_landscape")
    assert lesson["at_weights"] < lesson["highest"] / 3
    assert lesson["change"][True] < 0.01 < lesson["change"][False]


def test_dawid_and_skene_weigh_the_votes():
    lesson = run_lesson("26_weak_labels")
    assert lesson["accuracy"]["dawid_skene"] > lesson["accuracy"]["majority"] + 0.03
    assert lesson["same"] > 0.95 and lesson["largest_error"] < 0.1
    right = lesson["right_by_fraction"]
    assert right[0.1] > right[1.0]


def test_energy_and_emissions_belong_together():
    lesson = run_lesson("27_energy")
    np.testing.assert_allclose(lesson["of_meter"], lesson["intensity"]["France"], rtol=0.01)
    assert all(record["kWh"] > 0 for record in lesson["measured"].values())
    assert lesson["emitted"]["large", "Norway"] < lesson["emitted"]["large", "India"]


def test_a_spectrogram_by_hand_is_that_of_the_layer_and_noise_hurts():
    lesson = run_lesson("28_sound")
    assert lesson["difference"] < 1e-4 and lesson["accuracy"] > 0.9
    owl, chiffchaff, wren = lesson["decisive"]
    assert owl < 700 < chiffchaff < 1700 < wren
    quiet, noisy = lesson["in_noise"]["quiet"], lesson["in_noise"]["noisy"]
    assert quiet[-10] < 0.85 < noisy[0]


def test_denoising_leads_from_noise_to_the_data():
    lesson = run_lesson("18_diffusion")
    np.testing.assert_allclose(lesson["variance_by_steps"], 1 - lesson["alphas"][-1], rtol=1e-6)
    assert lesson["loss"] < 0.9
    assert lesson["distance"]["generated"] < 0.5 * lesson["distance"]["noise"]
    assert lesson["loop_difference"] < 1e-3
    assert lesson["by_steps"][20] < 0.7 * lesson["by_steps"][1]
