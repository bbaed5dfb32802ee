#!/bin/sh
# Runs Bedlam as a gate and exits as it does. From the root of a checkout, after
# make build:
#
#   deploy/ci/gate.sh [NAME|FILE ...]    as bedlam run takes them; the default suite
#
#   0  pass           the shop stood what was done to it
#   1  fail           it did not; junit.xml and report.html say where
#   2  usage          nothing was started
#   3  inconclusive   nothing was proven, as when the runner stalls. Such a run is
#                     done again, twice at most; if it stays so, the gate is not
#                     green: what proves nothing lets nothing pass. Where nothing
#                     could be started, as without Docker for the engine docker,
#                     it is not done again
#   4  not lifted     something that was broken could not be put right
#
# The environment: BEDLAM_ENGINE (process or docker), BEDLAM_SEED, BEDLAM_OUT (a
# new folder for the runs; the last one's junit.xml and summary.md are copied to
# its top), BEDLAM (the program).
set -u

bedlam=${BEDLAM:-bin/bedlam}
out=${BEDLAM_OUT:-bedlam-runs}
mkdir -p "$out" || exit 2

unstarted=
for try in 1 2 3; do
	code=0
	rm -f "$out/junit.xml" "$out/summary.md" # an earlier try's would pass for this one's
	"$bedlam" run --engine "${BEDLAM_ENGINE:-process}" --seed "${BEDLAM_SEED:-1}" --out "$out/try$try" "$@" || code=$?
	for file in junit.xml summary.md; do
		if [ -f "$out/try$try/$file" ]; then cp "$out/try$try/$file" "$out/$file"; fi
	done
	[ "$code" = 3 ] || break
	if [ ! -d "$out/try$try" ]; then unstarted=1 && break; fi # a run makes its folder first
	echo "gate: try $try of 3 proved nothing" >&2
done

case $code in
	0) text="" ;;
	1) text="the shop did not stand it: see junit.xml, and report.html in the run's folder" ;;
	2) text="nothing was started: what was asked for makes no sense here" ;;
	3) text="nothing was proven, $try times: neither good nor bad, and not green"
		if [ -n "$unstarted" ]; then text="nothing was started: this machine has not got what it takes (the line above says what)"; fi ;;
	4) text="something could not be put right" ;;
	*) text="bedlam ended unexpectedly" ;;
esac
if [ -n "$text" ]; then echo "gate: exit code $code: $text" >&2; fi

# GitHub shows these; elsewhere the variable is not set.
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
	if [ -n "$text" ]; then echo "::error title=Bedlam, exit code $code::$text"; fi
	if [ -f "$out/summary.md" ]; then cat "$out/summary.md" >>"$GITHUB_STEP_SUMMARY"; fi
fi
exit "$code"
