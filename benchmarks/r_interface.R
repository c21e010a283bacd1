# What the R package costs beside calling Python directly, in one session of R.
#
#   RETICULATE_PYTHON=.venv-r/bin/python Rscript benchmarks/r_interface.R      writes benchmarks/r_interface.csv
#
# fit: zoo_fit() against recipes.load and recipes.fit by reticulate, on 20,000 rows with 8 numbers and a factor, 4 epochs,
# seed 0; predict: predict() of 1,000,000 rows against run.predict of the same data frame by reticulate. Seconds are
# processor time (`cpu`, of both processors) and `wall`, the least of RUNS runs in turn, as other work on the machine only
# adds to it; `ratio` is R / Python by wall.
# memory: growth of the session's largest memory [MiB] by predict() of 200,000 rows, and then of 1,000,000, of which the
# result has 8 MB.
# array: growth of the memory by handing an array of images of 400 MiB to NumPy.
library(fieldzoo)

runs <- 3
recipes <- reticulate::import("recipes")
info <- reticulate::import("recipes.training.accelerate")$machine_info()

peak <- function() {
  line <- grep("^VmHWM", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("\\D", "", line)) / 1024
}
reset_peak <- function() {
  invisible(gc())
  writeLines("5", "/proc/self/clear_refs") # VmHWM becomes what is resident now
  peak()
}
made <- function(n) {
  set.seed(1)
  table <- as.data.frame(matrix(rnorm(8 * n), n))
  table$site <- factor(sample(letters[1:6], n, TRUE))
  table$y <- table$V1 + (table$site == "b") + rnorm(n, sd = 0.1)
  table
}

small <- made(20000)
by_formula <- function() {
  zoo_fit(y ~ ., small, epochs = 4, units = 32, baselines = FALSE, verbose = FALSE)
}
task <- recipes$Regression(epochs = 4, baselines = FALSE)
direct <- function() {
  data <- recipes$load(small, target = "y")
  recipes$fit(task, "dnn", data, verbose = FALSE, units = 32)
}
fit <- by_formula()
invisible(direct())
measure <- function(function_of_r, function_of_python) {
  times <- replicate(runs, {
    r <- system.time(function_of_r())
    python <- system.time(function_of_python())
    c(r[[1]] + r[[2]], python[[1]] + python[[2]], r[[3]], python[[3]])
  })
  apply(times, 1, min)
}
large <- made(1e6)
fits <- measure(by_formula, direct)
predictions <- measure(function() predict(fit, large), function() fit$run$predict(large))

before <- reset_peak()
few <- predict(fit, large[1:200000, ])
memory_few <- peak() - before
before <- reset_peak()
many <- predict(fit, large)
memory_many <- peak() - before

images <- array(0, c(1000, 229, 229, 1)) # 400 MiB of doubles
before <- reset_peak()
view <- reticulate::r_to_py(images)
memory_array <- peak() - before

row <- function(work, rows, r_cpu = NA, python_cpu = NA, r_wall = NA, python_wall = NA, MiB = NA) {
  data.frame(work, rows, r_cpu, python_cpu, r_wall, python_wall, ratio = r_wall / python_wall, growth_MiB = MiB)
}
results <- rbind(
  row("fit", nrow(small), fits[1], fits[2], fits[3], fits[4]),
  row("predict", nrow(large), predictions[1], predictions[2], predictions[3], predictions[4]),
  row("predict: memory", 200000, MiB = memory_few),
  row("predict: memory", 1e6, MiB = memory_many),
  row("array of 400 MiB to NumPy", 1000, MiB = memory_array)
)
numbers <- vapply(results, is.numeric, NA)
results[numbers] <- lapply(results[numbers], signif, 4)
results$reticulate <- as.character(packageVersion("reticulate"))
results$processor <- info$processor
arguments <- commandArgs(FALSE)
folder <- dirname(sub("^--file=", "", grep("^--file=", arguments, value = TRUE)))
write.csv(results, file.path(folder, "r_interface.csv"), row.names = FALSE, na = "", quote = FALSE)
print(results)
