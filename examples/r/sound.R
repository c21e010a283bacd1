# Finds the calls of three generated species: recordings with a table of labels (start, end and species of each call) train a
# network, which then lists the calls in a recording that it has not heard.
#
#   RETICULATE_PYTHON=.venv-r/bin/python Rscript examples/r/sound.R [epochs]
library(reticulate)
recipes <- import("recipes")
soundfile <- import("soundfile")
epochs <- as.numeric(c(commandArgs(TRUE), 40)[1])

set.seed(1)
rate <- 8000
species <- list(wren = c(3000, 12), owl = c(400, 2), cricket = c(2000, 30)) # tone and pulses per second [Hz]
call <- function(name, seconds = 1) {
  time <- seq(0, seconds, length.out = seconds * rate)
  sound <- species[[name]]
  0.3 * sin(2 * pi * sound[1] * runif(1, 0.95, 1.05) * time) * (sin(2 * pi * sound[2] * time) > 0)
}
noise <- function(seconds) rnorm(seconds * rate, sd = 0.05)
record <- function(path, starts) { # a minute with a call of one second at each start
  sound <- noise(60)
  names <- sample(rep(names(species), length.out = length(starts)))
  for (i in seq_along(starts)) {
    samples <- starts[i] * rate + seq_len(rate)
    sound[samples] <- sound[samples] + call(names[i])
  }
  soundfile$write(path, sound, as.integer(rate))
  data.frame(file = basename(path), start = starts, end = starts + 1, label = names)
}
dir.create("recordings", showWarnings = FALSE)
dir.create("new_recordings", showWarnings = FALSE)
labels <- lapply(1:6, function(i) record(sprintf("recordings/night%d.wav", i), seq(2, 50, by = 4)))
write.csv(do.call(rbind, labels), "recordings/labels.csv", row.names = FALSE)
truth <- record("new_recordings/night7.wav", c(5, 12, 20, 33, 41, 55))

task <- recipes$SoundClassification(
  epochs = epochs, batch_size = 8, learning_rate = 3e-3, spectrogram = list(bands = 32, low = 200)
)
backbone <- list(filters = c(16, 32), convolutions = 1)
run <- task$fit("cnn", "sound:recordings/labels.csv?seconds=1&background=none", verbose = FALSE, backbone_arguments = backbone)
run$predict_files("new_recordings", "calls.csv")
print(read.csv("calls.csv")[c("start", "end", "class", "confidence")])
print(truth)

metrics <- run$evaluate("test")
cat("accuracy", format(metrics$accuracy, nsmall = 1, digits = 15), "log loss", format(metrics$log_loss, digits = 15), "\n")
