# Classifies photos with the convolutional network of an ecology lecture: 3 x 3 convolutions of 32, 64, 128 and 256
# filters, each with max pooling, then dropout, 512 units and a softmax; 941,944 parameters for 56 classes of CIFAR-100,
# which are downloaded once. Without internet access it trains on 9,716 bundled silhouettes of ten animals.
#
#   RETICULATE_PYTHON=.venv-r/bin/python Rscript examples/r/silhouettes.R [epochs]
library(reticulate)
zoo <- import("zoo")
recipes <- import("recipes")
epochs <- as.numeric(c(commandArgs(TRUE), 15)[1])

lecture <- recipes$published_settings("ecology_lecture")
arguments <- lecture$arguments
model <- do.call(zoo$cnn, c(list(c(32, 32, 3), 56), arguments))
stopifnot(model$count_params() == 941944)

data <- tryCatch(recipes$load(lecture$data), error = function(problem) {
  # Only if the photos cannot be downloaded; any other error stops here too
  if (!grepl("bundled:animal-silhouettes", conditionMessage(problem), fixed = TRUE)) stop(problem)
  cat(conditionMessage(problem), "\n")
  recipes$load("bundled:animal-silhouettes")
})
print(data)
run <- do.call(lecture$task$replace(epochs = epochs)$fit, c(list("cnn", data, verbose = FALSE), arguments))
cat(run$diagnosis(), sep = "\n")
examples <- run$table("examples")
print(head(sort(tapply(examples$target == examples$prediction, examples$target, mean)), 10))
cat("figures:", unlist(run$plots("silhouettes")), "\n")

metrics <- run$evaluate("test")
cat("accuracy", format(metrics$accuracy, digits = 15), "log loss", format(metrics$log_loss, digits = 15), "\n")
