package check

import (
	"fmt"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
)

// The exit codes of a judged run. One that says more hides one that says less:
// 4 > 1 > 3 > 0.
const (
	exitPass         = 0
	exitFail         = 1
	exitInconclusive = 3
	exitNotLifted    = 4
)

// conclude sets the whole's verdict, its reasons and the exit code. Reasons
// that accuse stand before those that only doubt; one that several parts share
// is said once.
func conclude(res *chaos.Result) {
	var verdicts []chaos.Verdict
	var accuse, doubt []string
	add := func(v chaos.Verdict, text string) {
		verdicts = append(verdicts, v)
		switch v {
		case chaos.Fail:
			accuse = append(accuse, text)
		case chaos.Inconclusive:
			doubt = append(doubt, text)
		}
	}
	notLifted := false
	for _, e := range res.Experiments {
		verdicts = append(verdicts, e.Verdict)
		notLifted = notLifted || e.Recovery.Status == "not-lifted"
		for _, f := range e.Findings {
			add(f.Verdict, fmt.Sprintf("%s: %s", e.Name, f.Text))
		}
	}
	for _, f := range res.Findings {
		add(f.Verdict, f.Text)
	}
	unread := map[string]int{} // by what is wrong with the lines
	for _, l := range res.Audit {
		if l.Verdict != chaos.Inconclusive {
			continue // its findings say the rest
		}
		if unread[l.Text]++; unread[l.Text] == 1 {
			add(chaos.Inconclusive, l.Name+": "+l.Text)
		}
	}
	for i, text := range doubt {
		for _, l := range res.Audit {
			if n := unread[l.Text]; n > 1 && text == l.Name+": "+l.Text {
				doubt[i] = fmt.Sprintf("%s (%d checks of the data could say nothing)", l.Text, n)
			}
		}
	}
	for _, g := range res.Gates {
		if !g.OK {
			add(chaos.Inconclusive, g.Text)
		}
	}
	if len(res.Experiments) == 0 {
		add(chaos.Inconclusive, "there was no experiment")
	}
	res.Reasons = append(res.Reasons, accuse...)
	for _, text := range doubt {
		if !slices.Contains(res.Reasons, text) {
			res.Reasons = append(res.Reasons, text)
		}
	}
	res.Verdict = chaos.Worst(verdicts...)
	switch {
	case notLifted:
		res.Exit = exitNotLifted
	case res.Verdict == chaos.Fail:
		res.Exit = exitFail
	case res.Verdict == chaos.Inconclusive:
		res.Exit = exitInconclusive
	default:
		res.Exit = exitPass
	}
}
