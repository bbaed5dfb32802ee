package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
)

// outcomeNames are the outcomes of requests in the order in which they get
// worse.
var outcomeNames = []string{"ok", "degraded", "failed", "unknown"}

// headline is the run in a handful of figures.
func headline(r chaos.Result) []fact {
	fs := []fact{{"requests", count(r.Load.Requests)}}
	for _, name := range outcomeNames {
		n := r.Load.Outcomes[name]
		text := count(n)
		if r.Load.Requests > 0 {
			text = share(float64(n) / float64(r.Load.Requests))
		}
		fs = append(fs, fact{name, text})
	}
	return append(fs, fact{"length", duration(r.Seconds)}, fact{"rate", fmt.Sprintf("%g /s", r.Load.Rate)})
}

// generator says what the load generator did.
func generator(l chaos.Load) []fact {
	fs := []fact{
		{"asked for", fmt.Sprintf("%g journeys a second", l.Rate)},
		{"journeys", count(l.Journeys)},
		{"requests", count(l.Requests)},
		{"sent over due", share(l.Achieved)},
		{"lag, p99", duration(l.LagP99)},
	}
	if l.Surges > 0 {
		fs = append(fs, fact{"of surges besides", plural(l.Surges, "request")})
	}
	names := slices.Clone(outcomeNames)
	var others []string
	for name := range l.Outcomes {
		if !slices.Contains(names, name) {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	for _, name := range append(names, others...) {
		fs = append(fs, fact{name, count(l.Outcomes[name])})
	}
	return fs
}

// provenance says where a run came from: with it, anyone can make it again.
func provenance(r chaos.Result) []fact {
	machine := strings.Trim(fmt.Sprintf("%s/%s", r.Machine.OS, r.Machine.Arch), "/")
	if r.Machine.CPUs > 0 {
		machine += ", " + plural(r.Machine.CPUs, "CPU")
	}
	if r.Machine.Memory > 0 {
		machine += fmt.Sprintf(", %.0f GiB", float64(r.Machine.Memory)/(1<<30))
	}
	if r.Machine.Kernel != "" {
		machine += ", kernel " + r.Machine.Kernel
	}
	var fs []fact
	for _, f := range []fact{
		{"seed", fmt.Sprint(r.Seed)}, {"suite", r.Suite}, {"engine", r.Engine}, {"run", r.Run}, {"bedlam", r.Version}, {"commit", r.Commit},
		{"machine", machine}, {"host", r.Machine.Host}, {"exit code", fmt.Sprint(r.Exit)}, {"format", r.Schema},
	} {
		if f.Text != "" {
			fs = append(fs, f)
		}
	}
	return fs
}
