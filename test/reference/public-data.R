# Reference values of every analysis on five data sets (lung, rotterdam with gbsg, colon, flchain, birthwt), from the tables beside this file.
# The formulas are those of the other scripts here, which are read up to where they write.
# Run in this folder: Rscript public-data.R   (Debian: r-base-core r-cran-survival r-cran-metafor)
suppressMessages(library(survival))
script <- function(file) {
  lines <- readLines(file); end <- grep("^out <- list", lines)[1] - 1
  e <- new.env(); eval(parse(text = lines[1:end]), e); e
}
base <- script("make-reference.R"); more <- script("more-reference.R"); summaries <- script("summaries-reference.R")
crosstab <- script("crosstab.R"); rate <- script("rates.R"); r_roc <- script("roc.R"); curves <- script("survival.R")
r_ridge <- script("ridge.R"); r_glm <- script("glm.R"); hazards <- script("hazards.R"); meta <- script("meta.R")
lloyd <- script("k-means.R"); baseline <- script("table1.R")

events <- function(d, event, time) { d$event <- d[[event]]; d$time <- d[[time]]; d }
control <- glm.control(1e-15, 60)
logistic <- function(f, d) more$glmp(more$polish(do.call(glm, list(f, binomial, d, control = control))))
band <- function(x, breaks, labels) cut(x, breaks, labels = labels, right = FALSE)

lung <- transform(lung, event = status - 1, ph.ecog = factor(ph.ecog, levels = 0:2))      # the one patient of level 3 is of none
keep <- c("age", "nodes", "pgr", "er", "hormon")
breast <- rbind(cbind(rotterdam[keep], time = pmin(rotterdam$rtime, rotterdam$dtime), event = pmax(rotterdam$recur, rotterdam$death)),
                cbind(gbsg[keep], time = gbsg$rfstime, event = gbsg$status))
breast$receptors <- band(breast$er, c(0, 10, 100, 9999), c("few", "some", "many"))
colon <- read.csv("colon.csv"); colon <- subset(colon, etype == 2)          # deaths; the other rows are recurrences
colon$rx <- factor(colon$rx, levels = c("Obs", "Lev", "Lev+5FU")); colon$part <- (seq_len(nrow(colon)) - 1) %% 7
colon$differ_f <- factor(colon$differ, levels = c(2, 1, 3)); colon$event <- colon$status
flchain <- read.csv("flchain.csv"); flchain$sex <- factor(flchain$sex)
flchain$band <- band(flchain$age, c(0, 60, 70, 80, 200), c("50-59", "60-69", "70-79", "80+"))
alive <- events(subset(flchain, futime > 0), "death", "futime")             # person-time is above 0
birthwt <- read.csv("birthwt.csv"); birthwt$race <- factor(birthwt$race); birthwt$event <- birthwt$low

# What the test runs of each data set: three numeric columns, a group of two levels, a factor, and where to cut the first column. Of those followed:
# the grid of survival (by group) and of cox-pooled, `ends` being where the analysis ends the intervals that it leaves of it, and weights and rates by level.
sets <- list(
  lung = list(rows = lung, numbers = c("age", "ph.karno", "wt.loss"), group = "sex", factor = "ph.ecog", cuts = c(50, 56, 62, 68, 74), sites = c(3, 8, 12), iterations = 2,
    curves = list(width = 60, intervals = 12, ends = c(4, 6, 12), horizon = 700), grid = list(width = 60, intervals = 12, ends = c(3, 4, 6, 12)),
    standard = c(2, 3, 1), rates = c(0.5, 0.75, 1.25), per = 365),
  breast = list(rows = breast, numbers = c("age", "nodes", "pgr"), group = "hormon", factor = "receptors", cuts = c(35, 45, 55, 65, 75), sites = c(3, 11, 40), iterations = 3,
    curves = list(width = 365, intervals = 6, ends = 1:6, horizon = 2000), grid = list(width = 365, intervals = 10, ends = 1:10),
    standard = c(4, 3, 2), rates = c(60, 90, 170.5), per = 365250),
  colon = list(rows = colon, numbers = c("age", "nodes", "time"), group = "sex", factor = "rx", cuts = c(40, 50, 60, 70), sites = c(3, 7, 40), iterations = 3,
    curves = list(width = 365, intervals = 6, ends = c(1, 5, 6), horizon = 2100), grid = list(width = 365, intervals = 7, ends = c(1, 5:7)),
    standard = c(1, 1, 2), rates = c(120, 110, 80.25), per = 365250),
  flchain = list(rows = alive, numbers = c("age", "kappa", "creatinine"), group = "sex", factor = "band", cuts = c(55, 60, 65, 70, 75, 80, 85, 90), sites = c(3, 13, 40), iterations = 3,
    curves = list(width = 730, intervals = 6, ends = 1:6, horizon = 4000), grid = list(width = 500, intervals = 10, ends = 1:10),
    standard = c(4000, 3000, 2000, 1000), rates = c(5, 15, 40, 110.5), per = 365250),
  birthwt = list(rows = birthwt, numbers = c("age", "lwt", "bwt"), group = "smoke", factor = "race", cuts = c(18, 20, 24, 28), sites = c(3, 6, 8), iterations = 2))

every <- function(s) {
  d <- s$rows; x <- d[s$numbers]; g <- d[[s$group]]; f <- d[[s$factor]]; followed <- !is.null(s$per)
  n <- s$numbers; terms <- function(left, ...) as.formula(paste(left, "~", paste(c(...), collapse = " + ")))
  columns <- function(of) lapply(setNames(nm = n), of)
  sited <- function(of) lapply(setNames(nm = s$sites), function(k) { d$part <- (seq_len(nrow(d)) - 1) %% k; of(d) })
  within <- function(d, left, ...) do.call(coxph, list(terms(left, ..., "strata(part)"), d, ties = "breslow", control = base$tight))
  by <- function(of, name, group) c(of(d[[name]][!is.na(group)]), list(by = summaries$by(of, d[[name]], group)))
  mean_sd <- function(v) summaries$shape(v)[c("n", "mean", "variance", "sd")]
  z <- scale(na.omit(as.matrix(x[1:2])))
  c(list(set = c(s[setdiff(names(s), "rows")], list(levels = levels(factor(g)), strata = levels(f))),
    describe = columns(function(name) by(mean_sd, name, g)),
    moments = columns(function(name) by(summaries$shape, name, f)),
    compare = columns(function(name) summaries$compare(d[[name]][!is.na(f)], f[!is.na(f)])),
    table1 = c(lapply(x, baseline$column, g), setNames(list(baseline$factor_of(f, g)), s$factor)),
    feasibility = list(n = nrow(d), counts = as.vector(table(f))),
    histogram = summaries$bins(x[[1]], s$cuts),
    quantiles = summaries$inverse(x[[1]]),
    table = base$tab(f, d$event),
    correlation = summaries$pearson(x), pca = summaries$components(x, TRUE),
    linear = more$full(lm(terms(n[3], n[1:2], s$factor), d)),
    ridge = r_ridge$ridge(x[[3]], as.matrix(x[1:2]), 12.5),
    logistic = logistic(terms("event", n[1:2], s$factor), d),
    glm = if (followed) r_glm$fit(terms("event", n[1:2], "offset(log(time))"), poisson, d) else r_glm$fit(terms("ftv", n[1:2]), poisson, d),
    roc = r_roc$roc(x[[1]], d$event, s$cuts),
    mh = sited(function(d) crosstab$mh(g, d$event, d$part)),
    kmeans = lloyd$clusters(z, rbind(c(-1, 0), c(1, 0)), s$iterations)[[s$iterations]],
    meta = lapply(setNames(nm = s$sites[s$sites >= 5]), function(k)
      meta$pooled(split(d, (seq_len(nrow(d)) - 1) %% k), function(d) lm(terms(n[3], n[1:2]), d), NULL))),
    if (followed) list(
      cox = sited(function(d) more$coxp(within(d, "Surv(time, event)", n[1:2], s$factor))),
      cox_pooled = with(s$grid, hazards$pooled(d, terms("", n[1:2], s$factor), width, intervals, ends, "km")),
      ranks = sited(function(d) hazards$ranks(terms("Surv(time, event)", s$group, "strata(part)"), d)),
      rates = rate$rates(subset(d, !is.na(f)), s$factor, s$standard, s$rates, 20, s$per),
      survival = with(s$curves, curves$case(d, s$group, width, intervals, ends, horizon))))
}

out <- c(lapply(sets, every), list(
  # what the sets above have no place for
  compare = list(bwt_by_smoke = summaries$compare(birthwt$bwt, birthwt$smoke)),
  kappa = summaries$bins(flchain$kappa, c(0, 0.5, 1, 1.5, 2, 3, 5)),
  creatinine = summaries$inverse(flchain$creatinine),
  smoke_low = c(base$tab(birthwt$smoke, birthwt$low)[1:3], do.call(crosstab$fourfold, as.list(as.vector(t(table(birthwt$smoke, birthwt$low)))))$result),
  colon_by_part = more$lmr(lm(time ~ age + nodes + rx + factor(part), colon), c("age", "nodes", "rxLev", "rxLev+5FU")),
  families = list(
    weight = r_glm$fit(bwt ~ age + lwt + race + smoke, Gamma("log"), birthwt), weight_inverse = r_glm$fit(bwt ~ age + lwt + smoke, Gamma, birthwt),
    creatinine = r_glm$fit(creatinine ~ age + sex + kappa, Gamma("log"), flchain),
    # R's own start has no mean at some rows
    lambda_inverse = r_glm$fit(lambda ~ age + sex + kappa, Gamma, flchain, c(1 / mean(flchain$lambda), 0, 0, 0)),
    time_by_extent = r_glm$fit(time ~ age + rx + offset(log(extent)), Gamma("log"), colon),
    low_probit = r_glm$fit(low ~ age + lwt + smoke, binomial("probit"), birthwt), low_quasi = r_glm$fit(low ~ age + lwt + smoke, quasibinomial, birthwt),
    death_cloglog = r_glm$fit(death ~ age + sex + offset(log(futime / 365.25)), binomial("cloglog"), alive),
    colon_probit = r_glm$fit(status ~ age + nodes + rx, binomial("probit"), colon), colon_cloglog = r_glm$fit(status ~ age + nodes + rx, binomial("cloglog"), colon)),
  visits_quasi = r_glm$fit(ftv ~ age + lwt + smoke, quasipoisson, birthwt),
  colon_differ_by_part = more$coxp(coxph(Surv(time, status) ~ age + differ_f + strata(part), colon, ties = "breslow", control = base$tight)),
  flchain_f = rate$rates(subset(events(flchain, "death", "futime"), sex == "F"), "band", c(4000, 3000, 2000, 1000), c(5, 15, 40, 110.5), 20, 365250),
  colon_curve = curves$case(colon, NULL, 365, 8, c(1, 5, 6, 7, 8), 2190),
  probability = r_roc$roc(flchain$flc.grp / 10 - 0.05, flchain$death, (1:9) / 10, TRUE)))
writeLines(base$js(out), "public-data.json")
