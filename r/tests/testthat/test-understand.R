penguins <- NULL
fit <- NULL

setup_fit <- function() {
  needs_python()
  if (is.null(fit)) {
    set.seed(2)
    n <- 120
    penguins <<- data.frame(bill = rnorm(n), noise = rnorm(n), island = factor(rep(c("a", "b", "c"), n / 3)))
    penguins$mass <<- 3 * penguins$bill + 2 * (penguins$island == "b")
    fit <<- zoo_fit(mass ~ bill + noise + island, penguins, epochs = 40, learning_rate = 0.02, units = 16,
                    accelerate = "off", baselines = FALSE, verbose = FALSE)
  }
}

test_that("importance is the increase of the error, of a variable that matters", {
  setup_fit()
  importance <- zoo_importance(fit)
  expect_equal(importance$variable[1], "bill")
  expect_gt(importance$importance[1], 10 * abs(importance$importance[importance$variable == "noise"]))
  expect_identical(importance, zoo_importance(fit)) # the seed
  before <- runif(1)
  set.seed(5); first <- runif(1)
  set.seed(5); zoo_importance(fit, "bill"); expect_equal(runif(1), first)
  expect_error(zoo_importance(fit, "bil"), "Did you mean `bill`?", fixed = TRUE)
  expect_error(zoo_importance(fit, split = "tests"), "`split` must be")
})

test_that("effects are slopes and contrasts, with standard errors of refits", {
  setup_fit()
  effects <- zoo_effects(fit)
  expect_equal(effects$effect[effects$variable == "bill"], 3, tolerance = 0.2)
  expect_equal(effects$contrast[effects$variable == "island"], c("b - a", "c - a"))
  expect_equal(effects$effect[effects$contrast == "b - a"], 2, tolerance = 0.3)
  boot <- zoo_effects(fit, "bill", bootstrap = 2)
  expect_named(boot, c("variable", "contrast", "response", "effect", "std_dev", "std_error", "statistic", "p_value"))
  expect_output(print(boot), "2 networks on resampled rows")
  expect_error(zoo_effects(fit, bootstrap = 1.5), "whole number of at least 2")
})

test_that("profiles are means of predictions with the variable set", {
  setup_fit()
  partial <- zoo_profile(fit, "bill", grid = 5)
  by_hand <- mean(predict(fit, transform(penguins, bill = partial$value[2])))
  expect_equal(partial$prediction[2], by_hand, tolerance = 1e-5)
  individual <- zoo_profile(fit, "bill", "ice", grid = 5)
  expect_equal(as.numeric(tapply(individual$prediction, individual$value, mean)), partial$prediction, tolerance = 1e-5)
  local <- zoo_profile(fit, "bill", "ale", grid = 10)
  slope <- coef(lm(prediction ~ value, local))[[2]]
  expect_equal(slope, 3, tolerance = 0.2)
  expect_error(zoo_profile(fit, "island", "ale"), "type = \"pdp\"", fixed = TRUE)
  expect_equal(as.character(zoo_profile(fit, "island")$value), c("a", "b", "c"))
})

test_that("attributions have a column for each predictor", {
  setup_fit()
  values <- zoo_explain(fit, penguins[1:3, ], "integrated_gradients")
  expect_equal(colnames(values), c("bill", "noise", "island"))
  expect_error(zoo_explain(fit, penguins, "lime"), "lime", fixed = TRUE)
  expect_error(zoo_explain(fit, penguins, class = "x"), "`class` must be")
})

test_that("plots are ggplots", {
  setup_fit()
  skip_if_not_installed("ggplot2")
  expect_s3_class(ggplot2::autoplot(fit), "ggplot")
  for (figure in list(ggplot2::autoplot(fit, "predictions"), ggplot2::autoplot(zoo_profile(fit, "bill", "ice")),
                      ggplot2::autoplot(zoo_profile(fit, "island")), ggplot2::autoplot(zoo_importance(fit)),
                      ggplot2::autoplot(zoo_effects(fit)))) {
    expect_s3_class(ggplot2::ggplot_build(figure), "ggplot_built")
  }
})

test_that("broom's generics return a row per fit, predictor and example", {
  setup_fit()
  skip_if_not_installed("generics")
  expect_equal(nrow(generics::glance(fit)), 1)
  expect_true(all(c("term", "estimate", "std.error") %in% names(generics::tidy(fit))))
  table <- generics::augment(fit, interval = "prediction")
  expect_equal(table$.fitted + table$.resid, penguins$mass, tolerance = 1e-5)
  expect_true(all(table$.lower < table$.upper))
  expect_named(generics::augment(fit, newdata = penguins[1:2, ]), c(names(penguins), ".fitted"))
})

test_that("factor(x) in a formula is a category for effects and profiles", {
  needs_python()
  cars <- quick_fit(mpg ~ wt + factor(cyl), mtcars)
  expect_equal(zoo_effects(cars, "cyl")$contrast, c("6 - 4", "8 - 4"))
  expect_equal(as.character(zoo_profile(cars, "cyl")$value), c("4", "6", "8"))
})

test_that("tuning keeps the setting with the lowest validation loss", {
  setup_fit()
  tuned <- zoo_tune(fit, learning_rate = c(1e-5, 0.02), epochs = 10)
  table <- tuned$tuning
  expect_equal(table$learning_rate[which.min(table$validation_loss)], "0.02")
  expect_equal(tuned$run$task$learning_rate, 0.02)
  expect_error(zoo_tune(fit), "a setting or more")
})
