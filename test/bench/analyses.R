# R's side of `npm run bench -- analyses`: reads the columns that analyses.ts wrote, then runs one named piece of code for each line on
# standard input, and answers with its processor time in milliseconds and the number that both sides must agree on.
args <- commandArgs(TRUE); folder <- args[1]; count <- as.integer(args[2]); columns <- strsplit(args[3], ",")[[1]]
has_survival <- suppressWarnings(suppressMessages(requireNamespace("survival", quietly = TRUE)))
if (has_survival) suppressMessages(library(survival))
d <- lapply(columns, function(name) readBin(file.path(folder, name), "double", count))
names(d) <- columns
d <- as.data.frame(d)
d$sex <- factor(c("f", "m")[d$sex + 1]); d$stage <- factor(c("I", "II", "III", "IV")[d$stage + 1])
x <- paste0("x", 1:13); numeric <- c(x, "age", "time", "score", "event", "count")
many <- paste(c(x[-1], "age", "sex", "stage"), collapse = " + ")
model <- function(left, offset = "") as.formula(paste(left, "~", many, offset))
complete <- function() { m <- as.matrix(d[numeric]); m[complete.cases(m), ] }

code <- list(
  describe = function() lapply(d[numeric], function(v) c(sum(!is.na(v)), mean(v, na.rm = TRUE), var(v, na.rm = TRUE)))$x1[3],
  `compare-means` = function() lapply(d[x], function(v) list(t.test(v ~ d$sex), t.test(v ~ d$sex, var.equal = TRUE), oneway.test(v ~ d$sex)))$x2[[1]]$statistic,
  feasibility = function() table(d$sex, d$stage, useNA = "always")[2, 2],
  moments = function() lapply(d[x], function(v) {
    v <- v[!is.na(v)]; n <- length(v); e <- v - mean(v); s <- e * e; m2 <- mean(s)
    c(mean(v), m2 * n / (n - 1), mean(s * e) / m2^1.5 * ((n - 1) / n)^1.5, mean(s * s) / m2^2 * (1 - 1 / n)^2 - 3)
  })$x1[3],
  histogram = function() hist(d$age, seq(20, 90, 10), right = FALSE, plot = FALSE)$counts[1],
  quantiles = function() floor(lapply(d[x], quantile, c(.25, .5, .75), type = 1, na.rm = TRUE)$x2[2]),
  table = function() chisq.test(table(d$sex, d$stage), correct = FALSE)$statistic,
  correlation = function() { m <- complete(); colMeans(m); cor(m)[1, 3] },
  pca = function() prcomp(complete(), scale. = TRUE)$sdev[1],
  linear = function() summary(lm(model("x1"), d))$coefficients[2, 1],
  ridge = function() {
    f <- model.frame(model("x1"), d); X <- model.matrix(model("x1"), f)[, -1]; y <- model.response(f); n <- length(y)
    Z <- scale(X) * sqrt(n / (n - 1)); W <- solve(crossprod(Z) + 1000 * diag(ncol(Z))); b <- W %*% crossprod(Z, y - mean(y))
    sum((y - mean(y) - Z %*% b)^2)
    b[1] / (sd(X[, 1]) * sqrt((n - 1) / n))
  },
  logistic = function() summary(glm(model("event"), binomial, d))$coefficients[2, 1],
  glm = function() summary(glm(model("count", "+ offset(log(time))"), poisson, d))$coefficients[2, 1],
  cox = function() summary(coxph(as.formula(paste("Surv(time, event) ~", many)), d, ties = "breslow"))$coefficients[1, 1],
  `cox-pooled` = function() {
    t <- pmin(250 * ceiling(d$time / 250), 3000); e <- ifelse(d$time > 3000, 0, d$event)
    summary(coxph(as.formula(paste("Surv(t, e) ~", many)), cbind(d, t, e), ties = "breslow"))$coefficients[1, 1]
  },
  `log-rank` = function() survdiff(Surv(time, event) ~ sex, d)$chisq,
  # rma(method = "DL") written out: metafor need not be there, and takes no time beside the fits
  `meta-analysis` = function() {
    part <- floor((seq_len(count) - 1) * 8 / count)
    s <- sapply(split(d, part), function(one) summary(lm(model("x1"), one))$coefficients["x2", 1:2])
    b <- s[1, ]; w <- 1 / s[2, ]^2; q <- sum(w * (b - sum(w * b) / sum(w))^2)
    v <- 1 / (1 / w + max(0, (q - 7) / (sum(w) - sum(w^2) / sum(w))))
    sum(v * b) / sum(v)
  },
  `k-means` = function() {
    z <- scale(as.matrix(d[x[2:9]]))
    centres <- t(sapply(c(0, 15, 51, 85, 240), function(k) ifelse(bitwAnd(k, 2^(0:7)) > 0, 1, -1)))
    kmeans(z, centres, iter.max = 10, algorithm = "Lloyd")$withinss[1]
  },
  table1 = function() {
    f <- lapply(list(d$stage, d$event), function(v) { t <- table(v, d$sex); list(t, prop.table(t, 2), chisq.test(t, correct = FALSE)) })
    lapply(d[x], function(v) list(tapply(v, d$sex, mean, na.rm = TRUE), tapply(v, d$sex, sd, na.rm = TRUE), sum(is.na(v)), oneway.test(v ~ d$sex, var.equal = TRUE)))$x2[[4]]$statistic
  },
  survival = function() {
    t <- pmin(100 * ceiling(d$time / 100), 2000); e <- ifelse(d$time > 2000, 0, d$event)
    summary(survfit(Surv(t, e) ~ sex, data.frame(t, e, sex = d$sex), conf.type = "log-log"))
    survdiff(Surv(t, e) ~ sex, data.frame(t, e, sex = d$sex))$chisq
  },
  # counts as doubles: products of integers so large overflow
  `mantel-haenszel` = function() { t <- table(d$sex, d$event, paste(floor((seq_len(count) - 1) * 8 / count), d$stage)); storage.mode(t) <- "double"; mantelhaen.test(t)$estimate },
  rates = function() {
    g <- interaction(d$sex, d$stage); n <- table(g); e <- tapply(d$event, g, sum); t <- tapply(d$time, g, sum)
    (e / t * 1000)["f.I"]
  },
  roc = function() {
    b <- findInterval(d$score, (1:19) / 20); p <- table(factor(b, 0:19), d$event)
    tapply(d$score, b, mean); mean((d$score - d$event)^2)
    pos <- p[, 2]; neg <- p[, 1]; sum(pos * (cumsum(neg) - neg / 2)) / sum(pos) / sum(neg)
  })

input <- file("stdin"); open(input)
cat("ready\n"); flush(stdout())
while (length(name <- readLines(input, 1)) > 0) {
  f <- code[[name]]; gc(FALSE)
  before <- proc.time()
  value <- if (is.null(f)) NA else tryCatch(as.numeric(suppressWarnings(f()))[1], error = function(e) NA)
  spent <- sum((proc.time() - before)[1:2])
  cat(sprintf("%.3f %.17g\n", spent * 1000, value)); flush(stdout())
}
