# Reference values of `meta-analysis`: each site's own model by lm, glm and coxph, pooled by metafor's rma (fixed effects, DerSimonian-Laird,
# Hartung-Knapp); the prediction interval by hand (t with k - 2 degrees of freedom).
# Run in this folder: Rscript meta.R   (Debian: r-base-core r-cran-survival r-cran-metafor). metafor is a development tool only (GPL).
suppressMessages({ library(survival); library(metafor) })
source_lines <- readLines("make-reference.R")
eval(parse(text = source_lines[grep("^(num|js) ", source_lines)[1]:grep("^tight <-", source_lines)]))
tight_glm <- function(formula, family, data) {
  m <- glm(formula, family, data, control = glm.control(1e-15, 60))
  for (step in 1:20) m <- suppressWarnings(glm(formula, family, data, start = coef(m), control = glm.control(1e-300, 1)))   # see glm.R
  m
}
pooled <- function(sites, model, ratio) {
  fits <- lapply(sites, model)
  names <- setdiff(names(coef(fits[[1]])), "(Intercept)")
  one <- function(name) {
    b <- sapply(fits, function(m) coef(m)[[name]]); v <- sapply(fits, function(m) vcov(m)[name, name]); k <- length(b)
    of <- function(m, statistic) {
      e <- list(coef = m$b[[1]], se = m$se, p = m$pval, ci_low = m$ci.lb, ci_high = m$ci.ub)
      e[[statistic]] <- m$zval
      if (!is.null(ratio)) e[ratio] <- exp(e$coef)
      if (!is.null(ratio)) e[paste0(ratio, c("_low", "_high"))] <- exp(c(e$ci_low, e$ci_high))
      e
    }
    dl <- rma(b, v, method = "DL"); fe <- rma(b, v, method = "FE"); hk <- rma(b, v, method = "DL", test = "knha")
    reach <- qt(0.975, k - 2) * sqrt(dl$tau2 + dl$se^2)
    list(q = dl$QE, q_p = dl$QEp, tau2 = dl$tau2, tau = sqrt(dl$tau2), i2 = dl$I2, h = sqrt(dl$H2),
         estimates = list(fixed = of(fe, "z"), random = c(of(dl, "z"), list(prediction_low = dl$b[[1]] - reach, prediction_high = dl$b[[1]] + reach)),
                          hartung_knapp = c(of(hk, "t"), df = k - 1)))
  }
  all <- lapply(names, one)
  c(list(names = names), sapply(c("q", "q_p", "tau2", "tau", "i2", "h"), function(f) sapply(all, `[[`, f), simplify = FALSE),
    list(estimates = setNames(lapply(all, `[[`, "estimates"), names), df = length(fits) - 1, contributors = length(fits)))
}
lung <- read.csv("lung.csv"); largest <- c(1, 12, 13, 3, 11, 22, 16)
lung$site <- ifelse(lung$inst %in% largest, lung$inst, 99); lung$died <- lung$status - 1
rotterdam <- read.csv("rotterdam.csv"); gbsg <- read.csv("gbsg.csv"); keep <- c("age", "nodes", "pgr", "er", "hormon")
breast <- rbind(cbind(rotterdam[keep], time = pmin(rotterdam$rtime, rotterdam$dtime), event = pmax(rotterdam$recur, rotterdam$death)),
                cbind(gbsg[keep], time = gbsg$rfstime, event = gbsg$status))
n <- nrow(breast); at <- seq_len(n) - 1
breast <- breast[(at * 1009) %% n + 1, ]                # rotterdam comes sorted by event
breast$mixed <- ifelse(floor(at * 12 / n) %% 2 == 1, breast$age, pmin(60, breast$nodes * 3))   # another column at every second of 12 sites
blocks <- function(k) split(breast, floor(at * k / n))
uneven <- split(breast, c(0, 0, 0, 1, 1, 2, 3, 4, 4, 5)[at %% 10 + 1])
scaled <- lapply(blocks(12), transform, small = nodes * 1e-6, wide = age * 1e5)
cox <- function(f) function(d) coxph(f, d, ties = "breslow", control = tight)
out <- list(
  lung_cox = pooled(split(lung, lung$site), cox(Surv(time, died) ~ age + sex), "hazard_ratio"),
  lung_linear = pooled(split(lung, lung$site), function(d) lm(age ~ ph.karno + sex, d), NULL),
  logistic_6 = pooled(uneven, function(d) tight_glm(event ~ age + nodes + hormon, binomial, d), "odds_ratio"),
  logistic_12 = pooled(blocks(12), function(d) tight_glm(event ~ mixed + pgr, binomial, d), "odds_ratio"),
  odds_12 = pooled(blocks(12), function(d) tight_glm(event ~ I(age > 50), binomial, d), "odds_ratio"),
  poisson_40 = pooled(blocks(40), function(d) tight_glm(event ~ age + nodes + offset(log(time)), poisson, d), "rate_ratio"),
  linear_40 = pooled(blocks(40), function(d) lm(pgr ~ mixed + er, d), NULL),
  gamma_12 = pooled(blocks(12), function(d) tight_glm(time ~ age + pgr, Gamma("log"), d), "mean_ratio"),
  probit_12 = pooled(blocks(12), function(d) tight_glm(event ~ mixed + pgr, binomial("probit"), d), NULL),
  quasi_12 = pooled(blocks(12), function(d) tight_glm(nodes ~ age + hormon, quasipoisson, d), "rate_ratio"),
  cox_5 = pooled(blocks(5), cox(Surv(time, event) ~ mixed + nodes + pgr), "hazard_ratio"),
  extreme_12 = pooled(scaled, function(d) tight_glm(event ~ small + wide, binomial, d), NULL))
writeLines(js(out), "meta.json")
