# Reference values of `glm`: Poisson and quasi-Poisson regression with and without person-time.
# Run in this folder: Rscript glm.R   (Debian: r-base-core). Reads the CSV files; needs no package.
source_lines <- readLines("make-reference.R")
eval(parse(text = source_lines[grep("^(num|js) ", source_lines)[1]:(grep("^tight <-", source_lines) - 1)]))
fit <- function(formula, family, data) {
  m <- glm(formula, family, data, control = glm.control(1e-15, 60))
  null <- m$null.deviance                                # the few steps below are too few for the model without covariates
  m <- suppressWarnings(glm(formula, family, data, start = coef(m), control = glm.control(1e-300, 4)))   # weights at the very end
  s <- summary(m); b <- s$coefficients
  quasi <- m$family$family == "quasipoisson"
  reach <- if (quasi) qt(0.975, df.residual(m)) else qnorm(0.975)
  pearson <- sum(residuals(m, "pearson")^2)
  c(list(n = nobs(m), coef = unname(b[, 1]), se = unname(b[, 2])), setNames(list(unname(b[, 3])), if (quasi) "t" else "z"),
    list(p = unname(b[, 4]), ci_low = unname(b[, 1] - reach * b[, 2]), ci_high = unname(b[, 1] + reach * b[, 2]),
      rate_ratio = unname(exp(b[, 1])), rate_ratio_low = unname(exp(b[, 1] - reach * b[, 2])), rate_ratio_high = unname(exp(b[, 1] + reach * b[, 2])),
      deviance = deviance(m), null_deviance = null, df = df.residual(m), null_df = m$df.null,
      pearson = pearson, dispersion = pearson / df.residual(m), events = sum(m$y)),
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
out <- list(
  rate = fit(died ~ age + sex + offset(log(time)), poisson, l),
  rate_quasi = fit(died ~ age + sex + offset(log(time)), quasipoisson, l),
  rate_factor = fit(died ~ age + ecog + offset(log(time)), poisson, subset(l, is.na(ph.ecog) | ph.ecog < 3)),
  rate_interaction = fit(died ~ age + sex + ecog + age:sex + sex:ecog + offset(log(time)), poisson, transform(subset(l, ph.ecog < 2), ecog = factor(ph.ecog), sex = factor(sex))),
  rate_lost = fit(died ~ age + sex + ph.ecog + offset(log(time)), poisson, lost),
  rate_extreme = fit(died ~ small + wide + I(far - 1e6) + offset(log(large)), poisson, l),
  nodes = fit(nodes ~ age + hormon, poisson, bc),
  nodes_quasi = fit(nodes ~ age + hormon + pgr, quasipoisson, bc),
  counts = fit(pgr ~ age + nodes + er, poisson, bc))
out$rate_extreme[grep("rate_ratio|ci_", names(out$rate_extreme))] <- NULL   # exp overflows
writeLines(js(out), "glm.json")
