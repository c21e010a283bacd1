#' Plots
#'
#' `plot()` draws, and `autoplot()` of ggplot2 returns, a plot of a fit or of what [zoo_profile()], [zoo_importance()] and
#' [zoo_effects()] return.
#'
#' @param object,x a fit, or the result of [zoo_profile()], [zoo_importance()] or [zoo_effects()].
#' @param type for a fit: `"curves"`, loss per epoch on the training and validation split, or `"predictions"`, predicted
#'   against observed values or the confusion matrix of the test split.
#' @param ... arguments of `autoplot()`.
#' @return `autoplot()` a ggplot; `plot()` the same, invisibly, after drawing it.
#' @examplesIf fieldzoo:::can_run() && requireNamespace("ggplot2", quietly = TRUE)
#' fit <- zoo_fit(Species ~ ., iris, epochs = 10, learning_rate = 0.01, baselines = FALSE,
#'                accelerate = "off", verbose = FALSE)
#' plot(fit)
#' plot(fit, type = "predictions")
#' plot(zoo_profile(fit, "Petal.Length"))
#' @name plots
NULL

#' @rdname plots
#' @export
plot.fieldzoo <- function(x, ...) draw(x, ...)

#' @rdname plots
#' @export
plot.profile.fieldzoo <- function(x, ...) draw(x, ...)

#' @rdname plots
#' @export
plot.importance.fieldzoo <- function(x, ...) draw(x, ...)

#' @rdname plots
#' @export
plot.effects.fieldzoo <- function(x, ...) draw(x, ...)

draw <- function(x, ...) {
  needs_package("ggplot2", "plot()")
  figure <- ggplot2::autoplot(x, ...)
  print(figure)
  invisible(figure)
}

#' @rdname plots
#' @exportS3Method ggplot2::autoplot
autoplot.fieldzoo <- function(object, type = c("curves", "predictions"), ...) {
  type <- match.arg(type)
  if (type == "curves") {
    return(plot_curves(call_python(run_of(object)$data_frame("history"))))
  }
  if (is_class_fit(object)) {
    return(plot_confusion(confusion_of(metrics_of(object, judged_split(object)), object), judged_split(object)))
  }
  if (!is_regression_fit(object)) {
    stop("type = \"predictions\" is for classification and regression, got ", fit_task(object),
         "; zoo_report(fit, \"report.html\") has its figures.", call. = FALSE)
  }
  plot_observed(call_python(run_of(object)$data_frame("examples", judged_split(object))), fit_outputs(object))
}

plot_curves <- function(history) {
  splits <- c(training = "loss", validation = "val_loss")
  splits <- splits[splits %in% names(history)]
  curves <- do.call(rbind, lapply(names(splits), function(split) {
    data.frame(epoch = history$epoch, loss = history[[splits[[split]]]], split = split)
  }))
  ggplot2::ggplot(curves, ggplot2::aes(.data$epoch, .data$loss, color = .data$split)) +
    ggplot2::geom_line() +
    ggplot2::scale_color_manual(values = c(training = "#0072B2", validation = "#D55E00")) +
    ggplot2::labs(x = "Epoch", y = "Loss", color = NULL) +
    ggplot2::theme_bw()
}

plot_confusion <- function(counts, split) {
  cells <- as.data.frame(as.table(counts), responseName = "count")
  cells$fraction <- as.vector(counts / pmax(rowSums(counts), 1))
  cells$observed <- factor(cells$observed, levels = rev(rownames(counts)))
  ggplot2::ggplot(cells, ggplot2::aes(.data$predicted, .data$observed, fill = .data$fraction)) +
    ggplot2::geom_tile(color = "white") +
    ggplot2::geom_text(ggplot2::aes(label = .data$count), color = ifelse(cells$fraction > 0.5, "white", "black")) +
    ggplot2::scale_fill_gradient(low = "#F2F6FA", high = "#08519C", limits = c(0, 1)) +
    ggplot2::labs(x = paste("Predicted,", split, "split"), y = "Observed", fill = "Fraction of\nobserved") +
    ggplot2::theme_bw() +
    ggplot2::theme(panel.grid = ggplot2::element_blank())
}

plot_observed <- function(examples, outputs) {
  points <- do.call(rbind, lapply(outputs, function(name) {
    data.frame(observed = examples[[paste(name, "target")]], predicted = examples[[paste(name, "prediction")]],
               response = name)
  }))
  figure <- ggplot2::ggplot(points, ggplot2::aes(.data$observed, .data$predicted)) +
    ggplot2::geom_abline(color = "gray60") +
    ggplot2::geom_point(alpha = 0.7, color = "#0072B2") +
    ggplot2::labs(x = paste("Observed", if (length(outputs) == 1) outputs), y = "Predicted") +
    ggplot2::theme_bw()
  if (length(outputs) > 1) figure + ggplot2::facet_wrap("response", scales = "free") else figure + ggplot2::coord_equal()
}

#' @rdname plots
#' @exportS3Method ggplot2::autoplot
autoplot.profile.fieldzoo <- function(object, ...) {
  table <- as.data.frame(unclass(object))
  type <- attr(object, "type")
  several <- length(unique(table$response)) > 1
  labels <- c(pdp = "Mean prediction", ice = "Prediction", ale = "Accumulated local effect")
  figure <- ggplot2::ggplot(table, ggplot2::aes(.data$value, .data$prediction))
  if (type == "ice") {
    figure <- figure + ggplot2::geom_line(ggplot2::aes(group = .data$row), alpha = 0.15) +
      ggplot2::stat_summary(ggplot2::aes(group = 1), fun = mean, geom = "line", color = "#D55E00", linewidth = 1)
  } else if (is.numeric(table$value)) {
    figure <- figure + if (several) ggplot2::geom_line(ggplot2::aes(color = .data$response)) else ggplot2::geom_line()
  } else {
    figure <- figure + ggplot2::geom_point(if (several) ggplot2::aes(color = .data$response), size = 3)
  }
  if (type == "ice" && several) {
    figure <- figure + ggplot2::facet_wrap("response")
  }
  if (!is.null(attr(object, "observed"))) {
    observed <- data.frame(value = attr(object, "observed"))
    figure <- figure + ggplot2::geom_rug(ggplot2::aes(.data$value), observed, inherit.aes = FALSE, alpha = 0.2)
  }
  figure <- figure + ggplot2::scale_color_viridis_d(end = 0.85)
  label <- paste0(labels[[type]], ": ", attr(object, "response"))
  figure + ggplot2::labs(x = attr(object, "variable"), y = label, color = NULL) + ggplot2::theme_bw()
}

#' @rdname plots
#' @exportS3Method ggplot2::autoplot
autoplot.importance.fieldzoo <- function(object, ...) {
  table <- as.data.frame(unclass(object))
  table$variable <- factor(table$variable, levels = rev(table$variable))
  ggplot2::ggplot(table, ggplot2::aes(.data$importance, .data$variable)) +
    ggplot2::geom_col(fill = "#0072B2", width = 0.6) +
    ggplot2::geom_errorbarh(ggplot2::aes(xmin = .data$importance - 2 * .data$std_error,
                                         xmax = .data$importance + 2 * .data$std_error), height = 0.2) +
    ggplot2::labs(x = paste("Increase of the", table$metric[1], "when shuffled (bars: 2 standard errors)"), y = NULL) +
    ggplot2::theme_bw()
}

#' @rdname plots
#' @exportS3Method ggplot2::autoplot
autoplot.effects.fieldzoo <- function(object, ...) {
  table <- as.data.frame(unclass(object))
  table$label <- paste(table$variable, table$contrast)
  table$label <- factor(table$label, levels = rev(unique(table$label)))
  figure <- ggplot2::ggplot(table, ggplot2::aes(.data$effect, .data$label)) +
    ggplot2::geom_vline(xintercept = 0, color = "gray60") +
    ggplot2::geom_pointrange(ggplot2::aes(xmin = .data$effect - 2 * .data$std_error,
                                          xmax = .data$effect + 2 * .data$std_error), color = "#0072B2") +
    ggplot2::labs(x = "Average effect (bars: 2 standard errors)", y = NULL) +
    ggplot2::theme_bw()
  if (length(unique(table$response)) > 1) figure + ggplot2::facet_wrap("response") else figure
}

.data <- NULL # of ggplot2::aes()
