# Which animal casts this shadow? The convolutional network of an ecology lecture: 3 x 3 convolutions of 32, 64, 128 and
# 256 filters, each with max pooling, then dropout, 512 units and a softmax; 941,944 parameters for the lecture's photos
# of 56 kinds of living things. Here it sees 9,716 silhouettes of ten animals, which travel in a package.
#
#   RETICULATE_PYTHON=.venv-r/bin/python Rscript examples/r/silhouettes.R [epochs]
library(reticulate)
zoo <- import("zoo")
recipes <- import("recipes")
epochs <- as.numeric(c(commandArgs(TRUE), 15)[1])

network <- list(filters = c(32, 64, 128, 256), convolutions = 1, units = 512, max_norm = NULL, dropout = 0.5)
lecture <- do.call(zoo$cnn, c(list(c(32, 32, 3), 56), network))
stopifnot(lecture$count_params() == 941944)

recipe <- recipes$Classification(epochs = epochs, batch = 128, optimizer = "rmsprop")
data <- recipes$load("bundled:animal-silhouettes")
run <- do.call(recipe$fit, c(list("cnn", data, verbose = FALSE), network))
cat(run$diagnosis(), sep = "\n")
animals <- run$table("examples")
print(sort(tapply(animals$truth == animals$answer, animals$truth, mean)))
cat("pictures:", unlist(run$plots("silhouettes")), "\n")

found <- run$evaluate("test")
cat("accuracy", format(found$accuracy, digits = 15), "log loss", format(found$log_loss, digits = 15), "\n")
