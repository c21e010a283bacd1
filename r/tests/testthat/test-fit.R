data <- made_table()

test_that("a fit predicts by name, in every form of new data, with the names of the rows", {
  needs_python()
  fit <- quick_fit(y ~ x + region, data, validation = 0.2)
  rows <- data[c(5, 1), c("region", "x")]
  predicted <- predict(fit, rows)
  expect_named(predicted, c("5", "1"))
  expect_equal(unname(predicted[2]), predict(fit, data[1, ])[[1]], tolerance = 1e-6)
  expect_null(names(predict(fit, data.frame(x = 1, region = "EU"))))
  interval <- predict(fit, rows, type = "interval")
  expect_equal(dimnames(interval), list(c("5", "1"), c("fit", "lwr", "upr")))
  expect_equal(interval[, "fit"], predicted, tolerance = 1e-5)
  expect_warning(predict(fit, data.frame(x = 1, region = "US")), "a level that training did not have")
  expect_error(predict(fit, data.frame(x = 1, region = NA)), "must have no gaps")
  expect_error(predict(fit, data.frame(x = 1)), "`region` is not in the data")
  expect_error(predict(fit, data[0, ]), "a row or more")
  expect_error(predict(fit, rows, type = "prob"), "has no classes")
  expect_error(predict(fit, rows, type = "link"), "`type` must be")
  expect_equal(as.numeric(fitted(fit) + residuals(fit)), data$y, tolerance = 1e-6)
  expect_length(residuals(fit, split = "test"), sum(zoo_split(fit) == "test"))
})

test_that("a text NA is a level, and chunks of rows do not change predictions", {
  needs_python()
  fit <- quick_fit(y ~ x + region, data)
  expect_silent(predict(fit, data.frame(x = 1, region = "NA")))
  many <- data[rep(1:90, 5), ]
  whole <- predict(fit, many)
  trace_rows <- fieldzoo:::CHUNK_ROWS
  assignInNamespace("CHUNK_ROWS", 100L, "fieldzoo")
  on.exit(assignInNamespace("CHUNK_ROWS", trace_rows, "fieldzoo"))
  expect_equal(predict(fit, many), whole, tolerance = 1e-6)
  expect_equal(dim(predict(fit, many, type = "interval")), c(450L, 3L))
})

test_that("classes keep the order of their levels", {
  needs_python()
  flowers <- transform(iris, Species = factor(Species, levels = c("virginica", "setosa", "versicolor")))
  fit <- zoo_fit(Species ~ ., flowers, epochs = 15, learning_rate = 0.02, baselines = FALSE, verbose = FALSE)
  expect_equal(levels(predict(fit, flowers[1:2, ])), levels(flowers$Species))
  expect_gt(mean(fitted(fit) == flowers$Species), 0.8)
  probabilities <- predict(fit, flowers[1, ], type = "prob")
  expect_equal(colnames(probabilities), levels(flowers$Species))
  expect_equal(sum(probabilities), 1, tolerance = 1e-5)
  expect_type(predict(fit, flowers[1:2, ], type = "interval"), "logical")
  expect_equal(rowSums(residuals(fit)), setNames(rep(0, 150), NULL), tolerance = 1e-5, ignore_attr = TRUE)
  expect_output(print(fit), "Network dnn, classification: Species ~ .", fixed = TRUE)
  expect_output(print(summary(fit)), "accuracy .*0.*baseline|observed", ignore.case = TRUE)
  expect_output(str(fit), "^fieldzoo fit: classification by dnn, Species ~ .$")
  expect_error(coef(fit), "zoo_effects(fit)", fixed = TRUE)
  expect_equal(nobs(fit), 150)
})

test_that("gaps are refused, left out or filled", {
  needs_python()
  gaps <- data
  gaps$x[c(2, 7)] <- NA
  gaps$wet <- rep(c(TRUE, NA, FALSE), 30)
  expect_error(quick_fit(y ~ x, gaps), "gaps in `x` (2)", fixed = TRUE)
  expect_error(quick_fit(y ~ x, gaps), "na.action = na.omit", fixed = TRUE)
  gaps$y[2] <- gaps$y[7] <- 0
  expect_length(residuals(quick_fit(y ~ x, gaps, na.action = na.omit)), 88)
  excluded <- residuals(quick_fit(y ~ x, gaps, na.action = na.exclude))
  expect_equal(which(is.na(excluded)), c(2, 7), ignore_attr = TRUE)
  imputed <- quick_fit(y ~ x + wet, gaps, na.action = "impute")
  expect_false(anyNA(predict(imputed, gaps[1:3, ])))
  expect_error(quick_fit(y ~ x, gaps, na.action = "guess"), "`na.action` must be")
})

test_that("groups and blocks stay in one split", {
  needs_python()
  fit <- quick_fit(y ~ x + region, data, group = ~site)
  expect_true(all(tapply(zoo_split(fit), data$site, function(s) length(unique(s))) == 1))
  expect_named(fit$run$data$columns, c("x", "region"))
  data$east <- rep(1:10, 9) * 100
  data$north <- data$east + 5
  blocks <- quick_fit(y ~ x + region, data, block = c("east", "north", 200))
  expect_match(blocks$run$data_record$split_description, "square blocks of side 200")
  expect_error(quick_fit(y ~ x, data, block = c("east", "north")), "`block` must be list")
  expect_error(quick_fit(y ~ x, data, group = "sites"), "Did you mean `site`?", fixed = TRUE)
})

test_that("rows of weight 0 do not count", {
  needs_python()
  set.seed(1)
  rows <- data.frame(x = runif(120, -1, 1), effort = rep(0:1, 60))
  rows$y <- ifelse(rows$effort == 1, 3 * rows$x, -3 * rows$x)
  fit <- quick_fit(y ~ x, rows, weights = effort, epochs = 60, learning_rate = 0.02)
  expect_gt(cor(predict(fit, rows), rows$x), 0.5) # near 0 without weights
  expect_named(fit$run$data$columns, "x")
  expect_equal(predict(quick_fit(y ~ x, rows, weights = "effort"), rows),
               predict(quick_fit(y ~ x, rows, weights = rows$effort), rows), tolerance = 1e-5)
  expect_error(quick_fit(y ~ x, rows, weights = -effort), "`weight` must have a finite number of at least 0")
})

test_that("points of sf are split by blocks, and their coordinates are no predictors", {
  needs_python()
  skip_if_not_installed("sf")
  set.seed(1)
  data$east <- runif(90) * 1000
  data$north <- runif(90) * 1000
  points <- sf::st_as_sf(data, coords = c("east", "north"), crs = 25832)
  fit <- suppressWarnings(quick_fit(y ~ ., points, block = 250))
  expect_match(fit$run$data_record$split_description, "square blocks of side 250")
  expect_named(fit$run$data$columns, c("x", "region", "site"))
  expect_length(predict(fit, points[1:2, ]), 2)
})

test_that("an offset is subtracted and added", {
  needs_python()
  shifted <- transform(data, y = y + 100, effort = 100)
  with_offset <- quick_fit(y ~ x + offset(effort), shifted)
  expect_equal(predict(with_offset, shifted[1:3, ]), 100 + predict(quick_fit(y ~ x, data), data[1:3, ]), tolerance = 1e-4)
  expect_error(quick_fit(site ~ x + offset(y), data, loss = "poisson"), "+ log(effort)", fixed = TRUE)
})

test_that("settings are checked in R's words", {
  needs_python()
  expect_error(zoo_fit(y ~ x, data, unit = 3), "unknown setting `unit`. Did you mean `units`?", fixed = TRUE)
  expect_error(zoo_fit(y ~ x, data, units = c(4, 2.5)), "`units`[2] must be a whole number", fixed = TRUE)
  expect_error(zoo_fit(y ~ x, data, model = "dn"), "Did you mean `dnn`?", fixed = TRUE)
  expect_error(zoo_fit(y ~ x, data, task = "regresion"), "Did you mean `regression`?", fixed = TRUE)
  expect_error(zoo_fit(y ~ x, data, weights = region), "`weights` must be a column or a number")
  expect_error(zoo_fit(data), "zoo_fit(species ~ ., data)", fixed = TRUE)
  expect_error(zoo_fit(y ~ x, data, 3), "name of a network")
  expect_message(quick_fit(site ~ x, data), "write factor(site)", fixed = TRUE)
  weighted <- quick_fit(Species ~ ., iris, class_weight = c(setosa = 2, virginica = 1, versicolor = 1))
  expect_equal(weighted$run$task$class_weight$setosa, 2)
})

test_that("update refits, anova compares on the same rows", {
  needs_python()
  first <- quick_fit(y ~ x + region, data)
  second <- update(first, . ~ . - region)
  expect_equal(deparse(formula(second)), "y ~ x")
  table <- anova(first, second)
  expect_equal(nrow(table), 2)
  expect_equal(table$value[1] - table$value[2], table$difference[2], tolerance = 1e-6)
  expect_error(anova(first, update(first, seed = 1)), "tested on the same rows")
  expect_error(anova(first), "compares two fits")
})

test_that("a fit that readRDS read says how to save", {
  needs_python()
  fit <- quick_fit(y ~ x, data)
  file <- tempfile(fileext = ".rds")
  saveRDS(fit, file)
  empty <- readRDS(file)
  expect_error(print(empty), "zoo_save(fit, \"folder\")", fixed = TRUE)
  expect_error(predict(empty, data), "zoo_load", fixed = TRUE)
  expect_s3_class(update(empty), "fieldzoo")
})
