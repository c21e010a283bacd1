#' fieldzoo: neural networks for ecologists, by formula
#'
#' [zoo_fit()] trains a network on a data frame by a formula, [zoo_fit_images()] on folders of photos,
#' [zoo_fit_series()] on measurements over time, and [zoo_fit_raster()] on a satellite image. What they return has the
#' methods that models in R have: `summary()`, `predict()`, `plot()`, `residuals()`, ..., and [zoo_importance()],
#' [zoo_profile()] and [zoo_effects()] say what it has learned. The networks run in Python; [zoo_install()] installs it,
#' and [zoo_check()] says what is wrong with it.
#'
#' Python starts at the first call that needs it, not with `library(fieldzoo)`.
#'
#' @keywords internal
#' @importFrom stats coef fitted formula nobs predict quantile residuals sd setNames update
#' @importFrom utils head str
"_PACKAGE"
