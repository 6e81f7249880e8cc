# Reference values of `glm`: Poisson, gamma and binomial regression by every link, with offsets, person-time and dispersion.
# Run in this folder: Rscript glm.R   (Debian: r-base-core). Reads the CSV files; needs no package.
source_lines <- readLines("make-reference.R")
eval(parse(text = source_lines[grep("^(num|js) ", source_lines)[1]:(grep("^tight <-", source_lines) - 1)]))
fit <- function(formula, family, data, start = NULL) {
  m <- suppressWarnings(glm(formula, family, data, start = start, control = glm.control(1e-15, 60)))   # of a close fit the deviance is rounding
  null <- m$null.deviance                                # one step is too few for the model without covariates
  if (!is.null(m$offset) && m$family$link != "log") null <- NA   # not offered: it takes a fit of its own
  # R stops when the deviance does not change, which is when half of the digits of the coefficients are right unless steps are Newton's
  for (step in 1:40) m <- suppressWarnings(glm(formula, family, data, start = coef(m), control = glm.control(1e-300, 1)))
  s <- summary(m); b <- s$coefficients
  name <- m$family$family
  quasi <- grepl("quasi", name); scaled <- quasi || name == "Gamma"
  reach <- if (scaled) qt(0.975, df.residual(m)) else qnorm(0.975)
  pearson <- sum(residuals(m, "pearson")^2)
  ratio <- c(log = if (name == "Gamma") "mean_ratio" else "rate_ratio", logit = "odds_ratio")[m$family$link]
  c(list(n = nobs(m), coef = unname(b[, 1]), se = unname(b[, 2])), setNames(list(unname(b[, 3])), if (scaled) "t" else "z"),
    list(p = unname(b[, 4]), ci_low = unname(b[, 1] - reach * b[, 2]), ci_high = unname(b[, 1] + reach * b[, 2])),
    if (!is.na(ratio)) setNames(list(unname(exp(b[, 1])), unname(exp(b[, 1] - reach * b[, 2])), unname(exp(b[, 1] + reach * b[, 2]))), paste0(ratio, c("", "_low", "_high"))),
    list(deviance = deviance(m), null_deviance = null, df = df.residual(m), null_df = m$df.null,
      pearson = pearson, dispersion = pearson / df.residual(m)),
    if (name == "Gamma") list(outcome_mean = mean(m$y)) else list(events = sum(m$y)),
    if (!quasi) list(aic = AIC(m), loglik = as.numeric(logLik(m))))
}
l <- read.csv("lung.csv")
l$died <- l$status - 1
l$ecog <- factor(l$ph.ecog, levels = c(0, 1, 2))
l$site <- ifelse(l$inst %in% c(1, 12, 13, 3, 11, 22, 16), l$inst, 0)
lost <- transform(l, ph.ecog = ifelse(site == 1, NA, ph.ecog))
keep <- c("age", "nodes", "hormon", "pgr", "er")
bc <- rbind(read.csv("rotterdam.csv")[keep], read.csv("gbsg.csv")[keep])
l$small <- l$age * 1e-6; l$large <- l$time * 1e6; l$far <- l$sex + 1e6; l$wide <- l$ph.karno * 1e5
l$shift <- (l$inst %% 5) / 4                              # one row names no institution
out <- list(
  rate = fit(died ~ age + sex + offset(log(time)), poisson, l),
  rate_quasi = fit(died ~ age + sex + offset(log(time)), quasipoisson, l),
  rate_factor = fit(died ~ age + ecog + offset(log(time)), poisson, subset(l, is.na(ph.ecog) | ph.ecog < 3)),
  rate_interaction = fit(died ~ age + sex + ecog + age:sex + sex:ecog + offset(log(time)), poisson, transform(subset(l, ph.ecog < 2), ecog = factor(ph.ecog), sex = factor(sex))),
  rate_lost = fit(died ~ age + sex + ph.ecog + offset(log(time)), poisson, lost),
  rate_extreme = fit(died ~ small + wide + I(far - 1e6) + offset(log(large)), poisson, l),
  nodes = fit(nodes ~ age + hormon, poisson, bc),
  nodes_quasi = fit(nodes ~ age + hormon + pgr, quasipoisson, bc),
  counts = fit(pgr ~ age + nodes + er, poisson, bc),
  rate_offset = fit(died ~ age + sex + offset(shift), poisson, l),
  gamma = fit(time ~ age + sex, Gamma("log"), l),
  gamma_inverse = fit(meal.cal ~ age + sex + ph.karno, Gamma, l),
  gamma_factor = fit(time ~ age + ecog, Gamma("log"), subset(l, is.na(ph.ecog) | ph.ecog < 3)),
  gamma_interaction = fit(meal.cal ~ age + sex + age:sex, Gamma("log"), l),
  gamma_lost = fit(time ~ age + sex + ph.ecog, Gamma("log"), lost),
  gamma_exposure = fit(meal.cal ~ age + sex + offset(log(ph.karno)), Gamma("log"), l),
  gamma_offset = fit(meal.cal ~ age + sex + offset(shift), Gamma("log"), l),
  gamma_inverse_offset = fit(time ~ age + sex + offset(shift * 1e-4), Gamma, l),
  gamma_extreme = fit(large ~ small + wide + I(far - 1e6), Gamma("log"), l),
  gamma_skewed = fit(pgr ~ age + nodes + er, Gamma("log"), subset(bc, pgr > 0)),
  gamma_close = fit(size ~ age + sex, Gamma("log"), transform(l, size = exp(1 + 0.01 * age + 0.3 * sex) * (1 + 1e-6 * sin(time)))),
  logit = fit(died ~ age + sex + ph.ecog, binomial, l),
  probit = fit(died ~ age + sex + ph.ecog, binomial("probit"), l),
  cloglog = fit(died ~ age + sex + ph.ecog, binomial("cloglog"), l),
  logit_offset = fit(died ~ age + sex + offset(shift), binomial, l),
  probit_offset = fit(died ~ age + sex + offset(shift), binomial("probit"), l),
  cloglog_offset = fit(died ~ age + sex + offset(shift), binomial("cloglog"), l),
  probit_factor = fit(died ~ age + ecog, binomial("probit"), subset(l, is.na(ph.ecog) | ph.ecog < 3)),
  logit_quasi = fit(died ~ age + sex, quasibinomial, l),
  cloglog_quasi = fit(died ~ age + sex, quasibinomial("cloglog"), l),
  probit_extreme = fit(died ~ small + wide + I(far - 1e6), binomial("probit"), l),
  treated_probit = fit(hormon ~ age + nodes, binomial("probit"), bc),
  treated_cloglog = fit(hormon ~ age + nodes, binomial("cloglog"), bc))
for (name in c("rate_extreme", "gamma_extreme")) out[[name]][grep("ratio|ci_", names(out[[name]]))] <- NULL   # exp overflows
writeLines(js(out), "glm.json")
