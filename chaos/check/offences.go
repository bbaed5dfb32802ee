package check

import (
	"maps"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// offences are what a check of calls found, by edge or service.
type offences map[string][]offence

// An offence is one span that shows it, and what is to be said of it.
type offence struct {
	span collector.Span
	note string
}

func (o offences) add(site string, s collector.Span, note string) {
	o[site] = append(o[site], offence{s, note})
}

// findings makes one finding of each site that has at least so many offences;
// the first of them is its example.
func (o offences) findings(mechanism string, least int, text func(site string, n int, example offence) string) []chaos.Finding {
	var fs []chaos.Finding
	for _, site := range slices.Sorted(maps.Keys(o)) {
		all := o[site]
		if len(all) < least {
			continue
		}
		example := slices.MinFunc(all, func(a, b offence) int { return byStart(a.span, b.span) })
		fs = append(fs, chaos.Finding{Verdict: chaos.Fail, Site: site, Mechanism: mechanism, Count: len(all),
			Trace: example.span.Trace.String(), Text: text(site, len(all), example)})
	}
	return fs
}
