package fault

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/names"
	"github.com/bedlamlab/bedlam/observability/collector"
	"github.com/bedlamlab/bedlam/topology"
)

// dnsFailure keeps callers from finding callees by their names.
type dnsFailure struct {
	named
	Answer  string  `json:"answer"`
	Percent float64 `json:"percent"`
}

func init() {
	register(Kind{Name: "dns_failure", On: onEdges, Needs: naming,
		Doc: "Fails the callers' questions for the callees' names: the name server says that it failed, or that there is no such name, or nothing. " +
			"Who has connections does not notice; who makes new ones, after a cut or a restart, cannot. On process it needs --isolation full, which auto takes.",
		Params: "answer: servfail|nxdomain|none (default servfail); percent: 1 to 100, of those questions, of which a resolver puts several; 100 unless given",
		build:  newDNSFailure})
}

// failures are what the probe sees of each answer.
var failures = map[string]string{"servfail": names.Failed, "nxdomain": names.Unknown, "none": noAnswer}

// leastFailing is the least share of questions that can be proven within a
// second or two: of some thousand, a dozen.
const leastFailing = 1

func newDNSFailure(r chaos.Resolved) (chaos.Fault, error) {
	f := &dnsFailure{Answer: "servfail", Percent: 100}
	if err := decode(r.Args, f); err != nil {
		return nil, err
	}
	if failures[f.Answer] == "" {
		return nil, fmt.Errorf("unknown answer %q (want servfail, nxdomain or none)", f.Answer)
	}
	if !(f.Percent >= leastFailing && f.Percent <= 100) {
		return nil, fmt.Errorf("percent must be between %d and 100", leastFailing)
	}
	return f, f.misname(r, map[string]any{"answer": f.Answer, "percent": f.Percent})
}

// Probe asks for every callee's name as its caller, from where that stands, and
// wants the failure as often as was asked for, and another name to be found;
// after the lift, no failure.
func (f *dnsFailure) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	share, n := f.Percent/100, 1
	if share < 1 {
		n = sampleOf(share)
	}
	wrong := failures[f.Answer]
	if injected {
		err := f.passes(s, func(c control) (string, error) {
			a, err := lookUpOnce(ctx, s, c.Link, echoPatience)
			if a.Code == c.code && a.Code != wrong {
				return "", err
			}
			return a.Code, err
		})
		if err != nil {
			return "", err
		}
	}
	failed := make([]int, len(f.rule.Links))
	err := f.each(func(link topology.Link) error {
		answers, err := lookUp(ctx, s, link, n, echoPatience)
		if err != nil {
			return err
		}
		outcomes := map[string]int{}
		for _, a := range answers {
			outcomes[a.Code]++
		}
		k := outcomes[wrong]
		failed[slices.Index(f.rule.Links, link)] = k
		switch {
		case k+outcomes[names.Found] < n:
			return fmt.Errorf("of %d questions the answers are %s", n, tell(outcomes))
		case !injected && k > 0:
			return fmt.Errorf("%d of %d questions still get %s", k, n, wrong)
		case injected && share == 1 && k < n, injected && share < 1 && !likely(k, n, share):
			return fmt.Errorf("%d of %d questions get %s, want %g %% of them", k, n, wrong, f.Percent)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	all, sum := n*len(f.rule.Links), 0
	for _, k := range failed {
		sum += k
	}
	if !injected {
		return fmt.Sprintf("each of %s is answered", count(all, "question", "questions")), nil
	}
	return fmt.Sprintf("%d of %s for %s get %s", sum, count(all, "question", "questions"), count(len(f.rule.Links), "link", "links"), wrong), nil
}

// tell is a count of outcomes for people.
func tell(outcomes map[string]int) string {
	var all []string
	for _, what := range slices.Sorted(maps.Keys(outcomes)) {
		all = append(all, fmt.Sprintf("%d %s", outcomes[what], what))
	}
	return strings.Join(all, ", ")
}

// Met reports a call over one of the links that failed for want of the callee's
// address, as its error says; or, where nothing is answered, that failed at all:
// who has no answer yet cannot say what for.
func (f *dnsFailure) Met(s collector.Span) bool {
	return f.named.Met(s) && (f.Answer == "none" || strings.Contains(s.Message, names.Of(s.PeerInstance)))
}
