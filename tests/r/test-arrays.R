# R's arrays, data frames, factors and dates as inputs, and R's types as results.
bright <- function(n = 16) {
  set.seed(1)
  label <- rep(0:1, length.out = n)
  x <- array(runif(n * 6 * 4 * 3), c(n, 6, 4, 3)) + label
  list(x = x, label = factor(c("dark", "bright")[label + 1], levels = c("dark", "bright")))
}

test_that("an array keeps its index order, and trains as in Python", {
  needs_arrays()
  d <- bright()
  task <- recipes$Classification(epochs = 2, seed = 3, learning_rate = 0.01)
  run <- task$fit("cnn", list(d$x, d$label), verbose = FALSE, filters = 4, units = 4)
  expect_equal(unlist(run$data$classes), c("bright", "dark"))
  py_run_string("
def python_predict(x, label):
    import numpy as np, recipes
    x = np.ascontiguousarray(x)
    run = recipes.Classification(epochs=2, seed=3, learning_rate=0.01).fit(
        'cnn', (x, np.array(label)), verbose=False, filters=(4,), units=(4,))
    return run.predict(x)
")
  expect_equal(dim(run$predict(d$x)), c(16L, 2L))
  expect_equal(run$predict(d$x), py$python_predict(d$x, as.character(d$label)), tolerance = 1e-6)
  one <- run$predict(d$x[1, , , , drop = FALSE])
  expect_equal(one[1, ], run$predict(d$x)[1, ], tolerance = 1e-5)
  expect_equal(run$predict(d$x[1, , , ]), one, tolerance = 1e-5)
  labels <- factor(run$predict(d$x, labels = TRUE), levels = run$data$classes)
  expect_s3_class(labels, "factor")
  expect_equal(as.integer(labels), max.col(run$predict(d$x)))
  maps <- zoo$explain$gradcam(run$model, run$preprocessing$predict(d$x, verbose = 0), target = 1)
  expect_equal(dim(maps)[1:3], c(16L, 6L, 4L))
})

test_that("a data frame is accepted and data frames are returned", {
  needs_arrays()
  expect_s3_class(zoo$describe("lenet5"), "data.frame")
  data <- recipes$load(iris, target = "Species")
  expect_equal(unlist(data$classes), levels(iris$Species))
  run <- recipes$Classification(epochs = 2, learning_rate = 0.02, class_weight = list(setosa = 1, virginica = 2, versicolor = 1))
  run <- run$fit("dnn", data, verbose = FALSE, units = 8)
  expect_equal(dim(run$predict(iris)), c(150L, 3L))
  history <- run$data_frame()
  expect_equal(history$epoch, c(1, 2))
  expect_equal(history$loss, run$history$loss)
  examples <- run$data_frame("examples")
  expect_s3_class(examples$target, "factor")
  expect_equal(mean(examples$target == examples$prediction), run$evaluate()$accuracy)
  expect_true("accuracy" %in% run$data_frame("metrics")$metric)
  figures <- run$plots(file.path(tempdir(), "plots"))
  expect_true(all(file.exists(unlist(figures))))
})

test_that("a table with dates is read as a series", {
  needs_arrays()
  days <- data.frame(day = as.Date("2020-01-01") + 0:59, flow = sin(0:59), rain = c(NA, rep(1:3, length.out = 59)))
  hours <- transform(days, day = as.POSIXct("2020-01-01", tz = "UTC") + 3600 * (0:59))
  for (table in list(days, hours)) {
    data <- recipes$load(table, time = "day", target = "flow", window = 5, horizon = c(1, 2), columns = "flow")
    expect_equal(unlist(data$shape), c(5L, 1L))
    expect_equal(unlist(data$outputs), c("flow +1", "flow +2"))
  }
  expect_match(message_of(recipes$load(days, time = "day", target = "flow", window = 5)),
               "the table has gaps (1), the first in the column 'rain', row 1", fixed = TRUE)
})

test_that("missing values and labels from 1 raise an error", {
  needs_arrays()
  d <- bright()
  expect_match(message_of(recipes$load(list(d$x, as.integer(d$label)), classes = c("dark", "bright"))),
               "They look 1-based, as R has them", fixed = TRUE)
  unknown <- d$label
  unknown[3] <- NA
  expect_match(message_of(recipes$load(list(d$x, unknown))), "a target is never imputed, got 1", fixed = TRUE)
  d$x[2, 1, 1, 1] <- NA
  expect_match(message_of(recipes$load(list(d$x, d$label))), "x has NaN or infinite numbers in 1", fixed = TRUE)
})

test_that("errors for a matrix and a factor name R functions", {
  needs_arrays()
  d <- bright()
  task <- recipes$Classification(epochs = 1)
  flat <- matrix(d$x, 16)
  expect_match(message_of(task$fit("cnn", list(flat, d$label), verbose = FALSE)), "array_reshape(x, c(N, H, W, C))",
               fixed = TRUE)
  expect_match(message_of(recipes$load(list(iris$Species, iris$Species))), "columns of a data frame", fixed = TRUE)
})

test_that("r_check succeeds where arrays pass", {
  needs_arrays()
  output <- py_capture_output(passed <- zoo$r_check())
  expect_true(passed, info = output)
})
