# Forecasts the temperature in Seattle with an LSTM: the coming days with an interval, compared with baselines.
#
#   RETICULATE_PYTHON=.venv-r/bin/python Rscript examples/r/weather.R [epochs]
library(reticulate)
recipes <- import("recipes")
epochs <- as.numeric(c(commandArgs(TRUE), 30)[1])

run <- recipes$Forecasting(epochs = epochs, learning_rate = 3e-3, quantiles = c(0.1, 0.5, 0.9))$fit(
  "lstm", "bundled:seattle-weather", verbose = FALSE, units = 32
)
cat(run$data$split_description, "\n")

metrics <- run$evaluate("test")
leads <- do.call(rbind, lapply(names(metrics$by_lead), function(lead) {
  data.frame(lead = lead, t(unlist(metrics$by_lead[[lead]])), check.names = FALSE)
}))
print(leads, digits = 3)
print(head(run$data_frame("examples")), digits = 3)
cat("figures:", unlist(run$plots("weather")), "\n")
cat("error", format(metrics$mae, digits = 15), "skill", format(metrics$skill, digits = 15), "\n")
