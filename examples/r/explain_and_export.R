# Explains LeNet-5's predictions of some digits with Grad-CAM, then exports the model as a SavedModel and checks it.
#
#   RETICULATE_PYTHON=.venv-r/bin/python Rscript examples/r/explain_and_export.R [epochs]
library(reticulate)
zoo <- import("zoo")
recipes <- import("recipes")
epochs <- as.numeric(c(commandArgs(TRUE), 10)[1])

task <- recipes$Classification(epochs = epochs, batch_size = 64, learning_rate = 3e-3)
run <- task$fit("lenet5", "bundled:mnist-5k", verbose = FALSE)

digits <- run$data$test$head(6) # an array of 6 x 28 x 28 x 1 gray levels
predicted <- factor(run$predict(digits, labels = TRUE), levels = run$data$classes)
print(predicted)

# Explanations take preprocessed inputs, and count classes from 0, as Python does
inputs <- run$preprocessing$predict(digits, verbose = 0)
maps <- zoo$explain$gradcam(run$model, inputs, target = as.integer(predicted) - 1)
invisible(zoo$explain$show(inputs, maps, path = "gradcam.png", titles = as.character(predicted)))
cat("gradcam.png has", file.size("gradcam.png"), "bytes\n")

export <- run$export("served/lenet5")
cat("served/lenet5 differs from the model by", export$difference, "at most\n")
outputs <- zoo$predictor("served/lenet5")$predict(digits)
stopifnot(all.equal(outputs$probabilities, run$predict(digits), tolerance = 1e-4))
cat("most probable classes of the first digit:", outputs$classes[1, 1:3], "\n")

metrics <- run$evaluate("test")
cat("accuracy", format(metrics$accuracy, digits = 15), "log loss", format(metrics$log_loss, digits = 15), "\n")
