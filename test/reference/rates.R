# Reference values of the analysis "rates", by base R formulas: exact Poisson limits (as poisson.test gives them), direct
# standardisation with the gamma limits of Fay and Feuer (1997), the standardised ratio of observed to expected events.
# Run in this folder: Rscript rates.R
source_lines <- readLines("make-reference.R")
eval(parse(text = source_lines[grep("^num ", source_lines):(grep("^tight ", source_lines) - 1)]))
rotterdam <- read.csv("rotterdam.csv"); gbsg <- read.csv("gbsg.csv"); lung <- read.csv("lung.csv")
breast <- rbind(with(rotterdam, data.frame(age, hormon, time = pmin(rtime, dtime), event = pmax(recur, death))),
                with(gbsg, data.frame(age, hormon, time = rfstime, event = status)))
breast$band <- cut(breast$age, c(0, 40, 50, 60, 70, 200), labels = c("0-39", "40-49", "50-59", "60-69", "70+"), right = FALSE)
lung$event <- lung$status - 1
lung <- subset(lung, ph.ecog %in% 0:2)

line <- function(estimate, se, lower, upper, p = NA, expected = NA)
  list(estimate = estimate, se = se, lower = lower, upper = upper, p = p, expected = expected)
poisson <- function(x, size) { ci <- poisson.test(x, size)$conf.int
  stopifnot(all.equal(as.vector(ci), c(qchisq(0.025, 2 * x) / 2, qchisq(0.975, 2 * x + 2) / 2) / size, tolerance = 1e-12))
  line(x / size, sqrt(x) / size, qchisq(0.025, 2 * x) / 2 / size, qchisq(0.975, 2 * x + 2) / 2 / size) }
direct <- function(x, t, w, per) {
  w <- w / sum(w); r <- sum(w * x / t); v <- sum(w^2 * x / t^2); m <- max(w / t)
  line(r * per, sqrt(v) * per, qgamma(0.025, r^2 / v, scale = v / r) * per, qgamma(0.975, (r + m)^2 / (v + m^2), scale = (v + m^2) / (r + m)) * per)
}
smr <- function(x, t, ref, per) {
  e <- sum(ref / per * t); o <- sum(x); l <- poisson(o, e)
  l$p <- min(1, 2 * min(ppois(o, e), ppois(o - 1, e, lower.tail = FALSE))); l$expected <- e; l
}
rates <- function(d, stratum, weights, ref, crude, per) {
  f <- factor(d[[stratum]])
  x <- as.vector(tapply(d$event, f, sum)); t <- as.vector(tapply(d$time, f, sum)); n <- as.vector(table(f))
  s <- smr(x, t, ref, per)
  lines <- list(poisson(sum(x), sum(t) / per), direct(x, t, weights, per), s,
                line(s$estimate * crude, s$se * crude, s$lower * crude, s$upper * crude))
  columns <- lapply(setNames(nm = names(lines[[1]])), function(name) sapply(lines, `[[`, name))
  c(list(n = n, events = x, time = t, rate = x / t * per), columns)
}
weights <- c(20000, 14000, 12500, 9000, 6500.5); ref <- c(80.5, 75, 74, 82.25, 110)
o <- c(0, 1, 5, 30, 170, 1709, 25000); e <- c(0.5, 3, 40, 12.25, 300, 1500, 25500)
out <- list(
  breast = rates(breast, "band", weights, ref, 79.5, 365250),
  breast_hormon_0 = rates(subset(breast, hormon == 0), "band", weights, ref, 79.5, 365250),
  breast_hormon_1 = rates(subset(breast, hormon == 1), "band", c(1, 1, 1, 1, 0), ref, 79.5, 365250),
  lung = rates(lung, "ph.ecog", c(1, 2, 1), c(0.5, 0.7, 1), 0.65, 365),
  limits = list(o = o, lower = ifelse(o == 0, 0, qgamma(0.025, o)), upper = qgamma(0.975, o + 1)),
  tails = list(o = o[-1], e = e[-1], at_most = ppois(o[-1], e[-1]), at_least = ppois(o[-1] - 1, e[-1], lower.tail = FALSE)),
  quantiles = list(shape = c(0.01, 0.3, 1, 7.5, 120, 4321), q025 = qgamma(0.025, c(0.01, 0.3, 1, 7.5, 120, 4321)),
                   q50 = qgamma(0.5, c(0.01, 0.3, 1, 7.5, 120, 4321)), q1e6 = qgamma(1e-6, c(0.01, 0.3, 1, 7.5, 120, 4321), lower.tail = FALSE)))
writeLines(js(out), "rates.json")
