/** What a reader calls the fields of a result. Names are an interface (docs/adr/0036): the same name means the same everywhere. */

/** A field's name, or that of one within others by their names and dots. */
export function labelOf(key: string): string {
  return key.replaceAll('_', ' ').replaceAll('.', ' ')
}

export const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** Of fields that are tables, where their name is no title. */
const TITLES: Readonly<Record<string, string>> = {
  zph: 'Test of proportional hazards',
  rmst_differences: 'Differences of restricted mean survival times',
  logrank: 'Log-rank test: observed and expected events',
  centers: 'Centres',
  centers_unscaled: 'Centres in the units of the columns',
  scaled: 'How columns were scaled',
  factors_by: 'Factors by group',
  rotation: 'Loadings',
}

export const titleOf = (key: string): string =>
  Object.hasOwn(TITLES, key) ? (TITLES[key] as string) : sentence(labelOf(key))

/** Tables whose columns are named by whoever asked, as columns of the data. */
export const NAMED_BY_OTHERS: ReadonlySet<string> = new Set(['centers', 'centers_unscaled', 'matrix', 'rotation'])

/** Of fields, in a report; a terminal and files have the short names. */
const LABELS: Readonly<Record<string, string>> = {
  aic: 'AIC',
  anova: 'ANOVA',
  auc: 'AUC',
  auc_se: 'SE of AUC',
  betweenss: 'sum of squares between',
  brier: 'Brier’s score',
  brier_scaled: 'Brier’s score, scaled',
  chisq: 'χ²',
  chisq_corrected: 'χ² with correction',
  chisq_yates: 'χ² with Yates’ correction',
  coef: 'coefficient',
  cohens_d: 'Cohen’s d',
  col_factor: 'columns',
  conf_type: 'kind of intervals',
  edf: 'effective df',
  eta_squared: 'η²',
  f: 'F',
  f_p: 'p of F',
  fixed: 'fixed effects',
  gcv: 'generalised cross-validation',
  h: 'H',
  hartung_knapp: 'Hartung-Knapp',
  i2: 'I² (%)',
  log_se: 'SE of the logarithm',
  loglik: 'log likelihood',
  loglik_null: 'log likelihood without covariates',
  lrt: 'likelihood ratio χ²',
  lrt_p: 'p of likelihood ratio',
  n_censor: 'censored',
  n_event: 'events',
  n_risk: 'at risk',
  observed_expected: 'observed / expected',
  p_corrected: 'p with correction',
  p_fisher: 'p of Fisher’s test',
  p_welch: 'p of Welch’s test',
  p_yates: 'p with Yates’ correction',
  pearson: 'Pearson’s χ²',
  q: 'Q',
  q_p: 'p of Q',
  r2: 'R²',
  random: 'random effects',
  rmst: 'RMST',
  rmst_se: 'SE of RMST',
  row_factor: 'rows',
  sd: 'SD',
  sdev: 'SD',
  se: 'SE',
  sigma: 'residual SD',
  smd: 'SMD',
  ss_between: 'sum of squares between',
  ss_within: 'sum of squares within',
  student: 'Student',
  std_err: 'SE',
  surv: 'survival',
  tau: 'τ',
  tau2: 'τ²',
  tau2_method: 'τ² by',
  tot_withinss: 'sum of squares within all',
  totss: 'sum of squares in all',
  welch: 'Welch',
  welch_anova: 'Welch’s ANOVA',
  withinss: 'sum of squares within',
  zph_transform: 'proportional hazards tested against',
}

/** `logrank.chisq`: "logrank χ²". */
export function readerLabel(key: string): string {
  const words = (name: string): string =>
    Object.hasOwn(LABELS, name) ? (LABELS[name] as string) : name.replaceAll('_', ' ')
  return key.split('.').map(words).join(' ')
}
