# Reference values of the analysis "survival": R's survfit, survdiff and restricted means on times rounded up to a grid. `ends`
# are the ends of the intervals that the analysis releases of that grid (it merges those with small counts), in intervals.
# Run in this folder: Rscript survival.R   (Debian: r-base-core r-cran-survival)
suppressMessages(library(survival))
source_lines <- readLines("make-reference.R")
eval(parse(text = source_lines[grep("^num ", source_lines):(grep("^tight ", source_lines) - 1)]))

l <- transform(lung, event = status - 1)
breast <- rbind(with(rotterdam, data.frame(hormon, nodes, time = pmin(rtime, dtime), event = pmax(recur, death))),
                with(gbsg, data.frame(hormon, nodes, time = rfstime, event = status)))

# Times up to an end go to it, later ones are censored at the last.
rounded <- function(d, width, ends, intervals) {
  points <- width * ends
  at <- findInterval(d$time, points, left.open = TRUE) + 1
  beyond <- d$time > width * intervals
  d$event[beyond] <- 0
  d$time <- points[pmin(at, length(points))]
  d
}
half <- function(fit) { t <- summary(fit)$table; if (is.matrix(t)) t else t(as.matrix(t)) }
curves <- function(f, d, horizon) {
  fit <- survfit(f, d, conf.type = "log-log")
  s <- summary(fit, censored = TRUE)
  t <- half(fit)
  m <- summary(fit, rmean = horizon)$table
  if (!is.matrix(m)) m <- t(as.matrix(m))
  list(time = s$time, n_risk = s$n.risk, n_event = s$n.event, n_censor = s$n.censor, surv = s$surv, std_err = s$std.err,
       lower = s$lower, upper = s$upper, median = unname(t[, "median"]), median_lower = unname(t[, "0.95LCL"]),
       median_upper = unname(t[, "0.95UCL"]), rmst = unname(m[, "rmean"]), rmst_se = unname(m[, "se(rmean)"]))
}
test <- function(f, d) { t <- survdiff(f, d); df <- sum(t$exp > 0) - 1
  list(observed = unname(t$obs), expected = unname(t$exp), chisq = t$chisq, df = df, p = pchisq(t$chisq, df, lower.tail = FALSE)) }
case <- function(d, group, width, intervals, ends, horizon) {
  r <- rounded(d, width, ends, intervals)
  r$g <- if (is.null(group)) 1 else r[[group]]
  c(list(ends = ends), curves(Surv(time, event) ~ g, r, horizon), if (is.null(group)) NULL else list(logrank = test(Surv(time, event) ~ g, r)))
}
few <- subset(breast, nodes <= 4)
out <- list(
  lung = case(l, NULL, 30, 36, c(1, 2, 3, 6, 7, 8, 9, 10, 12, 14, 18, 36), 500),
  lung_by_sex = case(l, "sex", 30, 36, c(3, 7, 10, 36), 720),
  lung_days = case(l, NULL, 1, 1000, c(12, 36, 60, 72, 88, 184, 200, 224, 240, 272, 296, 344, 392, 520, 616, 664, 728, 1000), 1000),
  lung_months_by_sex = case(l, "sex", 30.4375, 24, c(3, 7, 10, 13, 24), 730.5),
  breast = case(breast, NULL, 365, 10, 1:10, 3650),
  breast_by_hormon = case(breast, "hormon", 365, 6, 1:6, 1800.5),
  breast_by_nodes = case(few, "nodes", 365, 15, c(2, 4, 5, 6, 8, 15), 2000),
  # nothing merged, everyone followed to the end of some interval: also what R says without any grid
  exact = case(data.frame(time = rep(c(1, 2, 3, 4), each = 10), event = rep(c(1, 1, 1, 0), each = 10)), NULL, 1, 4, 1:4, 4))
writeLines(js(out), "survival.json")
