# Reference values of tests of contingency tables (`table`), and of `mantel-haenszel`.
# Run in this folder: Rscript crosstab.R
source_lines <- readLines("make-reference.R")
eval(parse(text = source_lines[grep("^num ", source_lines):(grep("^tight ", source_lines) - 1)]))
z <- qnorm(0.975)
log_interval <- function(x, v) list(estimate = x, lower = x * exp(-z * sqrt(v)), upper = x * exp(z * sqrt(v)))
fourfold <- function(a, b, c, d) {
  t <- matrix(c(a, b, c, d), 2, byrow = TRUE)
  y <- suppressWarnings(chisq.test(t)); plain <- suppressWarnings(chisq.test(t, correct = FALSE))
  r0 <- b / (a + b); r1 <- d / (c + d)
  reach <- z * sqrt(r0 * (1 - r0) / (a + b) + r1 * (1 - r1) / (c + d))
  list(table = c(a, b, c, d), result = c(
    list(chisq = unname(plain$statistic), p = plain$p.value, chisq_yates = unname(y$statistic), p_yates = y$p.value, p_fisher = fisher.test(t)$p.value),
    if (a * b * c * d > 0) list(odds_ratio = log_interval(a * d / (b * c), 1 / a + 1 / b + 1 / c + 1 / d)) else NULL,
    if (b * d > 0) list(risk_ratio = log_interval(r1 / r0, 1 / d - 1 / (c + d) + 1 / b - 1 / (a + b))) else NULL,
    list(risk_difference = list(estimate = r1 - r0, lower = r1 - r0 - reach, upper = r1 - r0 + reach))))
}
tables <- list(c(26, 112, 37, 53), c(5, 7, 6, 5), c(5, 5, 5, 5), c(10, 10, 10, 11), c(5, 200, 300, 7), c(0, 20, 15, 30), c(20, 0, 15, 30),
               c(7, 31, 12, 9), c(1000, 1200, 900, 1300), c(5, 40000, 25, 60000), c(3000, 5, 5, 3000), c(0, 9, 8, 0))

larger <- list(list(2, c(10, 20, 30, 20, 20, 10)), list(3, c(7, 5, 9, 12, 6, 5, 8, 14, 5)), list(3, c(0, 8, 6, 11, 0, 5, 9, 9, 0, 5, 7, 12)), list(2, c(6, 0, 9, 5, 0, 12)), list(4, c(12, 5, 7, 6, 5, 9, 5, 11)))
exact <- function(rows, counts) {
  t <- matrix(counts, rows, byrow = TRUE)
  list(columns = ncol(t), table = counts, p = fisher.test(t[, colSums(t) > 0], workspace = 2e7)$p.value)
}

# Mantel and Haenszel by R's mantelhaen.test; strata without rows are left out
lung <- read.csv("lung.csv"); rotterdam <- read.csv("rotterdam.csv"); gbsg <- read.csv("gbsg.csv")
mh <- function(exposure, outcome, strata) {
  t <- table(exposure, outcome, strata); t <- t[, , apply(t, 3, sum) > 1, drop = FALSE]
  c <- mantelhaen.test(t); p <- mantelhaen.test(t, correct = FALSE)
  # risk ratio of the second level against the first for the second outcome (Greenland and Robins 1985), by hand
  x1 <- t[2, 2, ]; x0 <- t[1, 2, ]; n1 <- colSums(t[2, , ]); n0 <- colSums(t[1, , ]); n <- n1 + n0
  top <- sum(x1 * n0 / n); bottom <- sum(x0 * n1 / n)
  v <- sum((n1 * n0 * (x1 + x0) - x1 * x0 * n) / n^2) / (top * bottom)
  # risk difference (Greenland and Robins 1985), by hand
  weight <- sum(n1 * n0 / n); rd <- (top - bottom) / weight
  se <- sqrt(sum((x0 * (n0 - x0) * n1^3 + x1 * (n1 - x1) * n0^3) / (n1 * n0 * n^2), na.rm = TRUE)) / weight
  list(risk_difference = list(estimate = rd, lower = rd - z * se, upper = rd + z * se, se = se), odds_ratio = list(estimate = unname(c$estimate), lower = c$conf.int[1], upper = c$conf.int[2]), risk_ratio = log_interval(top / bottom, v),
       chisq = unname(p$statistic), p = p$p.value, chisq_corrected = unname(c$statistic), p_corrected = c$p.value)
}
largest <- c(1, 12, 13, 3, 11, 22, 16)
lung$site <- ifelse(lung$inst %in% largest, lung$inst, 99)
breast <- rbind(with(rotterdam, data.frame(hormon, meno, event = pmax(recur, death), age)), with(gbsg, data.frame(hormon, meno, event = status, age)))
breast$site <- (seq_len(nrow(breast)) - 1) %% 7
ecog <- subset(lung, ph.ecog %in% 0:2)
out <- list(
  tables = lapply(setNames(tables, sapply(tables, paste, collapse = "-")), function(x) do.call(fourfold, as.list(x))),
  larger = lapply(setNames(larger, sapply(larger, function(x) paste(x[[2]], collapse = "-"))), function(x) do.call(exact, x)),
  mh_lung = mh(lung$sex, lung$status, lung$site),
  mh_lung_ecog = mh(ecog$sex, ecog$status, interaction(ecog$site, ecog$ph.ecog)),
  mh_breast = mh(breast$hormon, breast$event, breast$site))
writeLines(js(out), "crosstab.json")
