# Shares of two levels of a column, with shell and awk.
#
# parameters: {"column": name, "levels": ["first", "second"]}
# map     how many rows have each level: 2 numbers
# reduce  the share of each level among the rows that have one of them: 2 numbers
#
# Splitting at commas is enough for columns without commas, quotes and line breaks in them.
set -eu
cd /flamesh

grep -q '"contract":"flamesh-image/1"' job.json

if [ "$1" = map ]; then
  column=$(sed -n 's/.*"column":"\([^"]*\)".*/\1/p' job.json)
  levels=$(sed -n 's/.*"levels":\["\([^"]*\)","\([^"]*\)"\].*/\1 \2/p' job.json)
  awk -F, -v column="$column" -v levels="$levels" '
    BEGIN { split(levels, level, " ") }
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == column) field = i; if (!field) exit 1; next }
    { count[$field]++ }
    END { if (!field) exit 1; for (i = 1; i <= 2; i++) print count[level[i]] + 0 }
  ' data/rows.csv > out/update.txt
else
  awk '{ count[NR] = $1; all += $1 } END { for (i = 1; i <= NR; i++) printf "%.17g\n", count[i] / all }' \
    sum.txt > out/update.txt
fi
