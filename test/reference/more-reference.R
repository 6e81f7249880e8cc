# Further reference values: other splits into sites, factors, strata by site, a column one site lacks, badly scaled columns,
# and tails of distributions. Run in this folder: Rscript more-reference.R   (Debian: r-base-core r-cran-survival)
suppressMessages(library(survival))
source_lines <- readLines("make-reference.R")
eval(parse(text = source_lines[grep("^(num|js|tight|cox|glmr|desc|tab) ", source_lines)[1]:(grep("^surv <-", source_lines) - 1)]))
lmr <- function(m, keep = names(coef(m))) {
  i <- match(keep, names(coef(m)))
  list(n = nobs(m), names = keep, coef = unname(coef(m)[i]), se = unname(sqrt(diag(vcov(m)))[i]), sigma = summary(m)$sigma)
}
full <- function(m) c(lmr(m), list(r2 = summary(m)$r.squared, t = unname(summary(m)$coefficients[, 3]), p = unname(summary(m)$coefficients[, 4]),
  ci_low = unname(confint(m)[, 1]), ci_high = unname(confint(m)[, 2]), f = unname(summary(m)$fstatistic[1]),
  f_p = unname(with(as.list(summary(m)$fstatistic), pf(value, numdf, dendf, lower.tail = FALSE)))))
polish <- function(m) suppressWarnings(update(m, start = coef(m), control = glm.control(1e-300, 3)))   # weights at the very end
glmp <- function(m) c(glmr(m), list(z = unname(summary(m)$coefficients[, 3]), p = unname(summary(m)$coefficients[, 4]), aic = AIC(m)))
coxp <- function(m) c(cox(m), list(z = unname(summary(m)$coefficients[, 4]), p = unname(summary(m)$coefficients[, 5]),
  hazard_ratio_low = unname(summary(m)$conf.int[, 3]), hazard_ratio_high = unname(summary(m)$conf.int[, 4]),
  lrt = unname(summary(m)$logtest[1]), lrt_p = unname(summary(m)$logtest[3])))
control <- glm.control(1e-15, 60)

l <- lung
largest <- c(1, 12, 13, 3, 11, 22, 16)
l$site <- ifelse(l$inst %in% largest, sprintf("inst-%02d", l$inst), "others")
l$event <- l$status - 1
l$five <- (seq_len(nrow(l)) - 1) %% 5               # row i (from 0) belongs to site i mod 5
l$late <- l$time + 1e6                              # far from zero, as dates are
l$tiny <- l$age * 1e-9                              # as concentrations are
lost <- transform(l, ph.ecog = ifelse(site == "inst-01", NA, ph.ecog))     # inst-01 has no column ph.ecog
three <- subset(l, is.na(ph.ecog) | ph.ecog < 3)
three$ecog <- factor(three$ph.ecog, levels = c("0", "1", "2"))
one <- factor(three$ph.ecog, levels = c("1", "0", "2"))

rt <- with(rotterdam, data.frame(site = "rotterdam", age, year, grade, nodes, pgr, er, hormon, time = pmin(rtime, dtime), event = pmax(recur, death)))
gb <- with(gbsg, data.frame(site = "gbsg", age, year = NA, grade, nodes, pgr, er, hormon, time = rfstime, event = status))
bc <- rbind(rt, gb)

out <- list(
  cox_five = coxp(coxph(Surv(time, event) ~ age + sex + ph.ecog + strata(five), l, ties = "breslow", control = tight)),
  cox_factor_by_site = cox(coxph(Surv(time, event) ~ age + one + strata(site), three, ties = "breslow", control = tight)),
  cox_without_ecog_at_one_site = cox(coxph(Surv(time, event) ~ age + sex + ph.ecog + strata(site), lost, ties = "breslow", control = tight)),
  cox_skewed = cox(coxph(Surv(time, event) ~ age + nodes + pgr + er + strata(site), bc, ties = "breslow", control = tight)),
  logistic_factor = glmp(polish(glm(event ~ age + ecog, binomial, three, control = control))),
  logistic_without_ecog_at_one_site = glmr(polish(glm(event ~ age + sex + ph.ecog, binomial, lost, control = control))),
  logistic_badly_scaled = glmr(polish(glm(event ~ I(late - 1e6) + tiny, binomial, l, control = control))),
  logistic_year = glmr(polish(glm(event ~ age + I(year - 1985), binomial, rt, control = control))),
  linear_factor = full(lm(wt.loss ~ age + ecog, three)),
  linear_by_site = lmr(lm(meal.cal ~ age + sex + site, l), c("age", "sex")),
  linear_without_ecog_at_one_site = lmr(lm(age ~ ph.ecog + sex, lost)),
  linear_badly_scaled = lmr(lm(late ~ age + wt.loss, l), c("age", "wt.loss")),
  describe_late = desc(l$late), describe_tiny = desc(l$tiny),
  describe_ecog_without_one_site = desc(lost$ph.ecog),
  describe_wt.loss_by_ecog = list(ecog_0 = desc(three$wt.loss[which(three$ph.ecog == 0)]), ecog_1 = desc(three$wt.loss[which(three$ph.ecog == 1)]), ecog_2 = desc(three$wt.loss[which(three$ph.ecog == 2)])),
  table_ecog_sex = tab(three$ph.ecog, three$sex),
  table_ecog_sex_p = chisq.test(table(three$ph.ecog, three$sex), correct = FALSE)$p.value,
  distributions = list(
    z = c(0, 1e-5, 0.1, 0.5, 1, 1.5, 1.959963984540054, 2.5, 4, 6, 10, 25), normal = 2 * pnorm(-c(0, 1e-5, 0.1, 0.5, 1, 1.5, 1.959963984540054, 2.5, 4, 6, 10, 25)),
    x = c(0.001, 0.1, 1, 2.5, 3.84, 10, 50, 200), chisq1 = pchisq(c(0.001, 0.1, 1, 2.5, 3.84, 10, 50, 200), 1, lower.tail = FALSE),
    chisq3 = pchisq(c(0.001, 0.1, 1, 2.5, 3.84, 10, 50, 200), 3, lower.tail = FALSE), chisq40 = pchisq(c(0.001, 0.1, 1, 2.5, 3.84, 10, 50, 200), 40, lower.tail = FALSE),
    t = c(0.01, 0.5, 1, 2, 3.5, 8, 20), t1 = 2 * pt(-c(0.01, 0.5, 1, 2, 3.5, 8, 20), 1), t10 = 2 * pt(-c(0.01, 0.5, 1, 2, 3.5, 8, 20), 10),
    t178 = 2 * pt(-c(0.01, 0.5, 1, 2, 3.5, 8, 20), 178), t5000 = 2 * pt(-c(0.01, 0.5, 1, 2, 3.5, 8, 20), 5000),
    f = c(0.01, 0.5, 1, 2, 5, 20), f2_178 = pf(c(0.01, 0.5, 1, 2, 5, 20), 2, 178, lower.tail = FALSE), f7_12 = pf(c(0.01, 0.5, 1, 2, 5, 20), 7, 12, lower.tail = FALSE),
    df = c(1, 2, 5, 10, 178, 5000), q975 = qt(0.975, c(1, 2, 5, 10, 178, 5000)),
    g = c(0.1, 0.5, 1.5, 3, 11.5, 100, 12345.5), lgamma = lgamma(c(0.1, 0.5, 1.5, 3, 11.5, 100, 12345.5))))
writeLines(js(out), "more.json")
