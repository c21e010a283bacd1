# Which kind of living thing is on this photo? The convolutional network of an ecology lecture: 3 x 3 convolutions of 32,
# 64, 128 and 256 filters, each with max pooling, then dropout, 512 units and a softmax; 941,944 parameters for 56 classes
# of CIFAR-100, which are downloaded once. Without a network it sees 9,716 silhouettes of ten animals, which travel in a
# package.
#
#   RETICULATE_PYTHON=.venv-r/bin/python Rscript examples/r/silhouettes.R [epochs]
library(reticulate)
zoo <- import("zoo")
recipes <- import("recipes")
epochs <- as.numeric(c(commandArgs(TRUE), 15)[1])

lecture <- recipes$published("ecology_lecture")
network <- lecture$arguments
model <- do.call(zoo$cnn, c(list(c(32, 32, 3), 56), network))
stopifnot(model$count_params() == 941944)

data <- tryCatch(recipes$load(lecture$data), error = function(problem) {
  # Only where the photos cannot be had; anything else is an error here too
  if (!grepl("bundled:animal-silhouettes", conditionMessage(problem), fixed = TRUE)) stop(problem)
  cat(conditionMessage(problem), "\n")
  recipes$load("bundled:animal-silhouettes")
})
print(data)
run <- do.call(lecture$recipe$but(epochs = epochs)$fit, c(list("cnn", data, verbose = FALSE), network))
cat(run$diagnosis(), sep = "\n")
seen <- run$table("examples")
print(head(sort(tapply(seen$truth == seen$answer, seen$truth, mean)), 10))
cat("pictures:", unlist(run$plots("silhouettes")), "\n")

found <- run$evaluate("test")
cat("accuracy", format(found$accuracy, digits = 15), "log loss", format(found$log_loss, digits = 15), "\n")
