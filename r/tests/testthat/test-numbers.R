test_that("numbers are those of Python with the same seed", {
  needs_python()
  recipes <- reticulate::import("recipes")
  fit <- zoo_fit(Species ~ ., iris, epochs = 3, units = 8, baselines = FALSE, seed = 4, verbose = FALSE)
  direct <- recipes$Classification(epochs = 3, baselines = FALSE, seed = 4)$fit(
    "dnn", recipes$load(iris, target = "Species", seed = 4), verbose = FALSE, units = 8)
  expect_equal(predict(fit, iris, type = "prob"), direct$predict(iris), tolerance = 1e-6, ignore_attr = TRUE)
  expect_equal(summary(fit)$metrics$value[1], direct$evaluate("test")$accuracy)
})
