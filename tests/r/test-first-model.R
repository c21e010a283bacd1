# The README's first model as an R user writes it: doubles for counts, and named access.
test_that("counts may be doubles and shapes vectors", {
  expect_equal(zoo$lenet5(c(28, 28, 1), 10)$count_params(), 61706)
  expect_equal(zoo$dnn(4, 3, units = c(8, 8))$count_params(), 139)
  expect_equal(zoo$dnn(4, 3, units = 8, l2 = 0)$count_params(), 67)
  expect_match(
    zoo$unet(c(NA, NA, 2), 3, filters = c(4, 8))$output_shape[[2]] |> is.null() |> deparse(), "TRUE"
  )
  expect_true("lenet5" %in% zoo$names("classify"))
})

test_that("errors name the argument and suggest the nearest name", {
  expect_match(message_of(zoo$lenet5(c(28, 28, 1), 2.5)),
               "`classes` must be a whole number of at least 1, got 2.5", fixed = TRUE)
  expect_match(message_of(zoo$lenet5(c(28, 28, 1), NA_integer_)), "got NA", fixed = TRUE)
  expect_match(message_of(zoo$lenet5(c(28, 28, 1), clases = 10)), "Did you mean `classes`?", fixed = TRUE)
  expect_match(message_of(recipes$Classification(class_weight = c(1, 50))), "in R a named list", fixed = TRUE)
})

test_that("a first model trains", {
  run <- recipes$Classification(epochs = 1)$fit("lenet5", "bundled:mnist-5k", verbose = FALSE)
  expect_gt(run$evaluate("test")$accuracy, 0.4)
  expect_equal(length(run$history$loss), 1)
})
