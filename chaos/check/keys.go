package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// keys: what must not happen twice bears a key, and the same one when it is
// asked again.
var keys = experimentCheck{
	Check: Check{"keys", "what is asked under an idempotency key always bears one, and the same one when it is asked again after an unclear end"},
	on:    onFacts,
	needs: "traces",
	judge: func(v *view) []chaos.Finding {
		all := v.keyed()
		missing := offences{}
		for _, s := range all {
			if s.Attrs[callKey] == "" {
				missing.add(s.Service+"->"+s.Peer, s, short(s.Name))
			}
		}
		changed := offences{}
		for _, about := range []func(collector.Span) string{
			func(s collector.Span) string { return s.Attrs[callOrder] },
			v.causes(),
		} {
			rekeyed(all, about, changed)
		}
		return append(missing.findings("idempotency", 1, func(edge string, n int, x offence) string {
			return fmt.Sprintf("%d attempts of %s over %s bore no idempotency key", n, x.note, edge)
		}), changed.findings("idempotency", 1, func(edge string, n int, x offence) string {
			return fmt.Sprintf("%d times %s was asked again under another idempotency key although the end of the one before was not known, such as %s", n, edge, x.note)
		})...)
	},
}

// keyed returns the attempts of the fault phase of methods that have a key, by
// start.
func (v *view) keyed() []collector.Span {
	if v.m.rec.Spans == nil {
		return nil
	}
	from, to := v.m.moment(v.fault.From), v.m.moment(v.fault.To)
	var all []collector.Span
	v.m.rec.Spans.Between(from, to, func(s collector.Span) bool {
		if _, has := s.Attrs[callKey]; has && s.Attempt > 0 && !kept(s) && !s.Start.Before(from) && s.Start.Before(to) {
			all = append(all, s)
		}
		return true
	})
	slices.SortFunc(all, byStart)
	return all
}

// causes tells for whose sake an attempt was made: the key under which its
// caller had itself been asked, or the trace if it was not.
func (v *view) causes() func(collector.Span) string {
	caller := map[spot]spot{}  // of requests: the attempt that brought them
	asked := map[spot]string{} // of attempts with a key: what was asked for
	from, to := v.m.moment(v.fault.From), v.m.moment(v.fault.To)
	if v.m.rec.Spans != nil {
		v.m.rec.Spans.Between(from, to, func(s collector.Span) bool {
			at := spot{s.Trace, s.ID}
			if s.Kind == collector.Server {
				caller[at] = spot{s.Trace, s.Parent}
			}
			if key := s.Attrs[callKey]; key != "" && s.Attempt > 0 {
				asked[at] = s.Peer + " " + s.Name + " " + key
			}
			return true
		})
	}
	return func(s collector.Span) string {
		up, served := caller[spot{s.Trace, s.Parent}]
		if !served {
			return ""
		}
		return asked[up]
	}
}

// rekeyed finds attempts that ask again for what an earlier one about the same
// thing had asked for, under another key, and did not learn how that ended.
func rekeyed(all []collector.Span, about func(collector.Span) string, found offences) {
	type subject struct{ service, peer, method, about string }
	before := map[subject]collector.Span{}
	for _, s := range all {
		of := subject{s.Service, s.Peer, s.Name, about(s)}
		if of.about == "" || s.Attrs[callKey] == "" {
			continue
		}
		b, again := before[of]
		site := s.Service + "->" + s.Peer
		seen := slices.ContainsFunc(found[site], func(o offence) bool { return o.span.ID == s.ID })
		if again && b.Attrs[callKey] != s.Attrs[callKey] && unknown(b.Code) && !b.End.After(s.Start) && !seen {
			found.add(site, s, fmt.Sprintf("%s after %s", strings.TrimSpace(s.Attrs[callKey]), b.Attrs[callKey]))
		}
		before[of] = s
	}
}
