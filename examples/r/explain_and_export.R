# What did LeNet-5 look at, and does what is served answer as it did? Grad-CAM of some digits, then a SavedModel.
#
#   RETICULATE_PYTHON=.venv-r/bin/python Rscript examples/r/explain_and_export.R [epochs]
library(reticulate)
zoo <- import("zoo")
recipes <- import("recipes")
epochs <- as.numeric(c(commandArgs(TRUE), 10)[1])

recipe <- recipes$Classification(epochs = epochs, batch = 64, rate = 3e-3)
run <- recipe$fit("lenet5", "bundled:mnist-5k", verbose = FALSE)

digits <- run$data$test$head(6) # an array of 6 x 28 x 28 x 1 grey levels
said <- factor(run$predict(digits, labels = TRUE), levels = run$data$classes)
print(said)

# An explanation wants what the model sees, after preprocessing; a class is counted from 0, as Python counts
seen <- run$preprocessing$predict(digits, verbose = 0)
maps <- zoo$explain$gradcam(run$model, seen, target = as.integer(said) - 1)
invisible(zoo$explain$show(seen, maps, path = "gradcam.png", titles = as.character(said)))
cat("gradcam.png has", file.size("gradcam.png"), "bytes\n")

served <- run$export("served/lenet5")
cat("served/lenet5 differs from the model by", served$difference, "at most\n")
again <- zoo$predictor("served/lenet5")$predict(digits)
stopifnot(all.equal(again$probabilities, run$predict(digits), tolerance = 1e-4))
cat("served, the best of the first digit:", again$classes[1, 1:3], "\n")

found <- run$evaluate("test")
cat("accuracy", format(found$accuracy, digits = 15), "log loss", format(found$log_loss, digits = 15), "\n")
