# Which species is this penguin? A table, a dense network, and all that comes back as data frames and factors.
#
#   RETICULATE_PYTHON=.venv-r/bin/python Rscript examples/r/penguins.R [epochs]
library(reticulate)
recipes <- import("recipes")
epochs <- as.numeric(c(commandArgs(TRUE), 60)[1])

run <- recipes$Classification(epochs = epochs, batch = 16, rate = 3e-3)$fit(
  "dnn", "bundled:penguins", verbose = FALSE, units = c(32, 16), l2 = 1e-3
)
print(run$data)
print(tail(run$table("history"), 3))

# The test part, a row a bird: truth and answer are factors
birds <- run$table("examples")
print(table(truth = birds$truth, answer = birds$answer))

# New birds are a data frame with the columns of the training
new <- data.frame(
  island = c("Torgersen", "Biscoe"), bill_length_mm = c(39, 50), bill_depth_mm = c(18.5, 15),
  flipper_length_mm = c(185, 222), body_mass_g = c(3700, 5500), sex = c("female", "male")
)
new$species <- factor(run$predict(new, labels = TRUE), levels = run$data$classes)
print(new[, c("island", "body_mass_g", "species")])

pictures <- run$plots("penguins")
cat("pictures:", unlist(pictures), "\n")

found <- run$evaluate("test")
cat("accuracy", format(found$accuracy, digits = 15), "log loss", format(found$log_loss, digits = 15), "\n")
