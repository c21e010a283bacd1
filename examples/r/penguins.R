# Classifies penguins: a table, a dense network, and results as data frames and factors.
#
#   RETICULATE_PYTHON=.venv-r/bin/python Rscript examples/r/penguins.R [epochs]
library(reticulate)
recipes <- import("recipes")
epochs <- as.numeric(c(commandArgs(TRUE), 60)[1])

run <- recipes$Classification(epochs = epochs, batch_size = 16, learning_rate = 3e-3)$fit(
  "dnn", "bundled:penguins", verbose = FALSE, units = c(32, 16), l2 = 1e-3
)
print(run$data)
print(tail(run$table("history"), 3))

# The test split, one row per bird; target and prediction are factors
birds <- run$table("examples")
print(table(target = birds$target, prediction = birds$prediction))

# New birds are a data frame with the columns of the training data
new <- data.frame(
  island = c("Torgersen", "Biscoe"), bill_length_mm = c(39, 50), bill_depth_mm = c(18.5, 15),
  flipper_length_mm = c(185, 222), body_mass_g = c(3700, 5500), sex = c("female", "male")
)
new$species <- factor(run$predict(new, labels = TRUE), levels = run$data$classes)
print(new[, c("island", "body_mass_g", "species")])

figures <- run$plots("penguins")
cat("figures:", unlist(figures), "\n")

metrics <- run$evaluate("test")
cat("accuracy", format(metrics$accuracy, digits = 15), "log loss", format(metrics$log_loss, digits = 15), "\n")
