# A trained model answers over HTTP, as it will in production: TensorFlow Serving's REST interface takes the columns of a
# data frame as JSON. The development server runs beside R and ends with this script.
#
#   RETICULATE_PYTHON=.venv-r/bin/python Rscript examples/r/serve.R [epochs] [httr2 or base]
Sys.unsetenv("LD_LIBRARY_PATH") # R's own, which the server is not to have
library(reticulate)
recipes <- import("recipes")
subprocess <- import("subprocess")
given <- commandArgs(TRUE)
epochs <- as.numeric(c(given, 60)[1])
way <- if (length(given) > 1) given[2] else if (requireNamespace("httr2", quietly = TRUE)) "httr2" else "base"

run <- recipes$Classification(epochs = epochs, batch = 16, rate = 3e-3)$fit(
  "dnn", "bundled:penguins", verbose = FALSE, units = c(32, 16), l2 = 1e-3
)
done <- run$export("served/penguins")
cat("served/penguins differs from the model by", done$difference, "at most\n")

# A port of 0 takes a free one; the server says where it listens once it does
server <- subprocess$Popen(
  c(import("sys")$executable, "-m", "recipes", "serve", "served", "--port", "0", "--grpc-port", "0"),
  stdout = subprocess$PIPE, text = TRUE
)

# Sends a list to `path` and returns what is answered, or ends with what the server has against it
ask_httr2 <- function(path, body) {
  asked <- httr2::req_body_json(httr2::request(paste0("http://", host, ":", port, path)), body, digits = 15)
  answer <- httr2::req_perform(httr2::req_error(asked, is_error = function(answer) FALSE))
  list(status = httr2::resp_status(answer), body = httr2::resp_body_string(answer))
}
ask_base <- function(path, body) {
  body <- jsonlite::toJSON(body, auto_unbox = TRUE, digits = 15)
  wire <- socketConnection(host, port, open = "r+b", blocking = TRUE, timeout = 60)
  on.exit(close(wire))
  head <- c(paste("POST", path, "HTTP/1.0"), paste("Host:", host), "Content-Type: application/json",
            paste("Content-Length:", nchar(body, "bytes")), "", "")
  writeBin(charToRaw(paste0(paste(head, collapse = "\r\n"), body)), wire)
  lines <- readLines(wire, warn = FALSE)
  blank <- match("", lines)
  list(status = as.integer(strsplit(lines[1], " ")[[1]][2]), body = paste(lines[-seq_len(blank)], collapse = "\n"))
}
ask <- function(path, body) {
  answer <- if (way == "httr2") ask_httr2(path, body) else ask_base(path, body)
  said <- jsonlite::fromJSON(answer$body)
  if (answer$status != 200) stop("the server says ", answer$status, ": ", said$error, call. = FALSE)
  said
}

tryCatch({
  address <- strsplit(trimws(server$stdout$readline()), "\t")[[1]][1]
  host <- sub(":.*", "", sub("http://", "", address, fixed = TRUE))
  port <- as.integer(sub(".*:", "", address))
  status <- jsonlite::fromJSON(readLines(url(paste0("http://", host, ":", port, "/v1/models/penguins")), warn = FALSE))
  cat("version", status$model_version_status$version, "is", status$model_version_status$state, "by", way, "\n")

  # A column of the data frame is an input, by its name, in the shape (N, 1)
  birds <- data.frame(
    island = c("Torgersen", "Biscoe"), bill_length_mm = c(39, 50), bill_depth_mm = c(18.5, 15),
    flipper_length_mm = c(185, 222), body_mass_g = c(3700, 5500), sex = c("female", "male")
  )
  answer <- ask("/v1/models/penguins:predict", list(inputs = lapply(birds, as.matrix)))$outputs
  stopifnot(all.equal(answer$probabilities, run$predict(birds), tolerance = 1e-5))
  print(cbind(birds[, c("island", "body_mass_g")], said = answer$classes[, 1]))

  # What is asked wrongly is answered in words
  refused <- tryCatch(ask("/v1/models/penguins:predict", list(inputs = lapply(birds[, -1], as.matrix))), error = conditionMessage)
  cat("without an island,", refused, "\n")
}, finally = {
  server$terminate()
  server$wait()
})

cat("probabilities", format(answer$probabilities[1, 1], digits = 15), format(answer$probabilities[2, 3], digits = 15), "\n")
