# Segments nuclei in fluorescence images with a U-Net: a class for every pixel, masks, IoU and figures.
#
#   RETICULATE_PYTHON=.venv-r/bin/python Rscript examples/r/nuclei.R [epochs]
library(reticulate)
recipes <- import("recipes")
epochs <- as.numeric(c(commandArgs(TRUE), 30)[1])

task <- recipes$Segmentation(
  epochs = epochs, batch_size = 8, learning_rate = 2e-3, augment = c("flip", "flip_vertical", "rotate:0.5")
)
data <- recipes$load("bundled:nuclei", test = 0.25)
print(data)
run <- task$fit("unet", data, verbose = FALSE, filters = c(16, 32, 64), batch_norm = TRUE, dropout = 0)

# Probabilities of tiles x rows x columns x classes; pixels are nuclei if the second class has more than 0.5
tiles <- data$test$head(4)
probabilities <- run$predict(tiles)
nuclei <- probabilities[, , , 2] > 0.5
cat("fraction of nuclei in", nrow(nuclei), "tiles:", format(apply(nuclei, 1, mean), digits = 3), "\n")

# The names of the predicted classes, for `table`
predicted <- run$predict(tiles, labels = TRUE)
print(table(tile = slice.index(predicted, 1), predicted))
cat("figures:", unlist(run$plots("nuclei")), "\n")

metrics <- run$evaluate("test")
cat("IoU", format(metrics$iou, digits = 15), "pixel accuracy", format(metrics$pixel_accuracy, digits = 15), "\n")
