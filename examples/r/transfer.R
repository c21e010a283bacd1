# What can 300 silhouettes teach? A network that learned from ImageNet's photos gets a new head for ten animals: the head
# learns first, then the top of the network too. Its weights travel with a package.
#
#   RETICULATE_PYTHON=.venv-r/bin/python Rscript examples/r/transfer.R [epochs]
library(reticulate)
zoo <- import("zoo")
recipes <- import("recipes")
epochs <- as.numeric(c(commandArgs(TRUE), 8)[1])

recipe <- recipes$FineTuning(
  epochs = epochs, rate = 2e-4, head_epochs = ceiling(epochs / 2), head_rate = 3e-3, warmup = 0.1, examples = 300,
  augment = c("flip", "rotate:0.03", "shift:0.1", "zoom:0.1")
)
data <- recipes$load("bundled:animal-silhouettes", validation = 0.02, test = 0.1)
run <- recipe$fit("efficientnet_lite0", data, verbose = FALSE, input_shape = c(64, 64, 3))
print(run$table("history"), digits = 3)

# How sure was it where it was wrong?
animals <- run$table("examples")
wrong <- animals[animals$truth != animals$answer, ]
sure <- apply(wrong[, levels(animals$answer)], 1, max)
cat("wrong", nrow(wrong), "of", nrow(animals), "and then sure by", format(mean(sure), digits = 3), "\n")
cat("pictures:", unlist(run$plots("transfer")), "\n")

found <- run$evaluate("test")
cat("accuracy", format(found$accuracy, digits = 15), "log loss", format(found$log_loss, digits = 15), "\n")
