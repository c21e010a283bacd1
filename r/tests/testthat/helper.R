# Skips a test where there is no Python with fieldzoo, or one that takes no arrays of R.
needs_python <- function() {
  skip_if_not(fieldzoo:::can_run(), "needs a Python with fieldzoo: zoo_install()")
  fieldzoo:::start_python()
  skip_if_not(reticulate::py_numpy_available(), "this reticulate passes no arrays to this NumPy")
}

# A fit of a small network, without the baselines and the compilation that take most of the time.
quick_fit <- function(..., units = 8) {
  zoo_fit(..., epochs = 1, units = units, accelerate = "off", baselines = FALSE, verbose = FALSE)
}

made_table <- function(n = 90) {
  set.seed(1)
  data <- data.frame(x = rnorm(n), region = factor(rep(c("NA", "EU", "AS"), n / 3)), site = rep(1:9, n / 9))
  data$y <- data$x + (data$region == "NA")
  data
}
