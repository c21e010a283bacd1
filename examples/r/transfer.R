# Fine-tunes a network pretrained on ImageNet with 300 silhouettes of ten animals: first the new head, then the top of
# the backbone too. The pretrained weights are bundled.
#
#   RETICULATE_PYTHON=.venv-r/bin/python Rscript examples/r/transfer.R [epochs]
library(reticulate)
zoo <- import("zoo")
recipes <- import("recipes")
epochs <- as.numeric(c(commandArgs(TRUE), 8)[1])

task <- recipes$FineTuning(
  epochs = epochs, learning_rate = 2e-4, head_epochs = ceiling(epochs / 2), head_learning_rate = 3e-3, warmup = 0.1,
  train_examples = 300,
  augment = c("flip", "rotate:0.03", "shift:0.1", "zoom:0.1")
)
data <- recipes$load("bundled:animal-silhouettes", validation = 0.02, test = 0.1)
run <- task$fit("efficientnet_lite0", data, verbose = FALSE, input_shape = c(64, 64, 3))
print(run$data_frame("history"), digits = 3)

# How confident are its wrong predictions?
animals <- run$data_frame("examples")
wrong <- animals[animals$target != animals$prediction, ]
confidence <- apply(wrong[, levels(animals$prediction)], 1, max)
cat("wrong", nrow(wrong), "of", nrow(animals), "with a mean confidence of", format(mean(confidence), digits = 3), "\n")
cat("figures:", unlist(run$plots("transfer")), "\n")

metrics <- run$evaluate("test")
cat("accuracy", format(metrics$accuracy, digits = 15), "log loss", format(metrics$log_loss, digits = 15), "\n")
