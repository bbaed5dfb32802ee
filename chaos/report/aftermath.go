package report

import (
	"fmt"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
)

// afterwards is what the system did once the fault was gone, in a word or two.
func afterwards(e chaos.ExperimentResult) string {
	if e.Stability == nil || e.Stability.Class == "" {
		return dash
	}
	return cut(strings.ReplaceAll(plain(e.Stability.Class), "-", " "), mostWord)
}

// stability says it in a sentence; empty if nothing was lifted.
func stability(e chaos.ExperimentResult) string {
	if e.Stability == nil {
		return ""
	}
	return afterwards(e) + ": " + plain(e.Stability.Text)
}

// headroom says what a bottleneck lets through and what is asked of it; empty
// if the experiment states none.
func headroom(e chaos.ExperimentResult) string {
	if e.Stability == nil || e.Stability.Headroom == nil {
		return ""
	}
	h := e.Stability.Headroom
	text := fmt.Sprintf("%s lets %s calls a second through, and is asked %s in the baseline", cut(plain(h.Edge), mostWord), count(h.Capacity), count(h.Usual))
	if h.Attempts != nil && h.Needed != nil {
		text += fmt.Sprintf("; with %s attempts for each first one, as under the trigger, %s of it would be needed", figure(h.Attempts, "x"), figure(h.Needed, "share"))
	}
	return text
}

// back is how many measures of the processes came back.
func back(e chaos.ExperimentResult) string {
	if e.Restoration == nil || e.Restoration.Told() == 0 {
		return dash
	}
	return fmt.Sprintf("%s of %s", count(e.Restoration.Back), count(e.Restoration.Told()))
}

// cameBack says it in a sentence; empty if there is nothing to say.
func cameBack(e chaos.ExperimentResult) string {
	r := e.Restoration
	if r == nil {
		return ""
	}
	text := "of none there were enough readings"
	if r.Told() > 0 {
		text = fmt.Sprintf("%s measures of processes and requests, watched for %s", back(e), duration(r.Watched))
	}
	if r.Untold > 0 {
		text += fmt.Sprintf(" (%s could not be told)", count(r.Untold))
	}
	return text
}

// scars are those that did not come back and are not held against the system,
// which its findings say.
func scars(e chaos.ExperimentResult) []chaos.Scar {
	if e.Restoration == nil {
		return nil
	}
	var out []chaos.Scar
	for _, s := range e.Restoration.Scars {
		if !s.Lasting {
			out = append(out, s)
		}
	}
	return out
}

// A scar is a line of the page's list of what did not come back.
type scar struct {
	Verdict verdict
	Text    string
}

// newScars are all of an experiment, those among them that a finding says.
func newScars(e chaos.ExperimentResult) []scar {
	if e.Restoration == nil {
		return nil
	}
	var out []scar
	for i, s := range e.Restoration.Scars {
		if i == mostFindings {
			out = append(out, scar{newVerdict(chaos.Inconclusive), fmt.Sprintf("%s more are in result.json", count(len(e.Restoration.Scars)-i))})
			break
		}
		x := scar{newVerdict(chaos.Inconclusive), s.Text}
		if s.Lasting {
			x.Verdict = newVerdict(chaos.Fail)
		}
		out = append(out, x)
	}
	return out
}
