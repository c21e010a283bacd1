# Where are the nuclei? A U-Net answers a class for every pixel of a fluorescence image; masks, overlaps and pictures.
#
#   RETICULATE_PYTHON=.venv-r/bin/python Rscript examples/r/nuclei.R [epochs]
library(reticulate)
recipes <- import("recipes")
epochs <- as.numeric(c(commandArgs(TRUE), 30)[1])

recipe <- recipes$Segmentation(epochs = epochs, batch = 8, rate = 2e-3, augment = c("flip", "flip_vertical", "rotate:0.5"))
data <- recipes$load("bundled:nuclei", test = 0.25)
print(data)
run <- recipe$fit("unet", data, verbose = FALSE, filters = c(16, 32, 64), batch_norm = TRUE, dropout = 0)

# Tiles x rows x columns x classes of probabilities; R finds the nuclei where the second class has more than half
tiles <- data$test$head(4)
chance <- run$predict(tiles)
nuclei <- chance[, , , 2] > 0.5
cat("share of nuclei in", nrow(nuclei), "tiles:", format(apply(nuclei, 1, mean), digits = 3), "\n")

# The same as names of classes, for `table`
said <- run$predict(tiles, labels = TRUE)
print(table(tile = slice.index(said, 1), said))
cat("pictures:", unlist(run$plots("nuclei")), "\n")

found <- run$evaluate("test")
cat("IoU", format(found$iou, digits = 15), "pixel accuracy", format(found$pixel_accuracy, digits = 15), "\n")
