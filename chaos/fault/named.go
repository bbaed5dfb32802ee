package fault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/names"
	"github.com/bedlamlab/bedlam/topology"
)

// named are links whose callers ask a name server where the callees are. A harm
// to the answers does not touch connections that are there: it is met by who
// makes new ones, after a cut or a restart.
type named struct{ links }

// naming is what a harm to names asks an engine for.
var naming = needs[deploy.Shaper]().and(needs[deploy.Namer]().named())

// misname makes the rule of a resolved harm.
func (n *named) misname(r chaos.Resolved, args any) error {
	if r.Direction != "" && r.Direction != deploy.Both {
		return fmt.Errorf("unknown direction %q: a question and its answer are one", r.Direction)
	}
	if n.Toxicity != nil {
		return errors.New("toxicity is a share of connections, and a question needs none: percent is what it takes")
	}
	for _, l := range r.Links {
		if l.From == topology.Loader+"-1" {
			return fmt.Errorf("%s asks for no names: customers are told addresses", l.From)
		}
	}
	return n.shape(r, r.Action, args)
}

// noAnswer is the outcome of a question that nobody answers.
const noAnswer = "no answer"

// lookUp puts n questions as the link's caller. One that got no answer within
// patience has noAnswer for its code.
func lookUp(ctx context.Context, s deploy.System, link topology.Link, n int, patience time.Duration) ([]deploy.Answer, error) {
	p, err := deploy.Power[deploy.Namer](s)
	if err != nil {
		return nil, err
	}
	all, err := p.LookUp(ctx, link.From, link.To, n, patience)
	for i := range all {
		all[i].Code = cmp.Or(all[i].Code, noAnswer)
	}
	return all, err
}

// lookUpOnce is lookUp for one question.
func lookUpOnce(ctx context.Context, s deploy.System, link topology.Link, patience time.Duration) (deploy.Answer, error) {
	all, err := lookUp(ctx, s, link, 1, patience)
	if err != nil {
		return deploy.Answer{}, err
	}
	return all[0], nil
}

// A control is a question that this harm does not meet, and the code of its answer.
type control struct {
	topology.Link
	code string
}

// controls are questions that are to be answered as ever: of the same caller, so
// that it is not the caller that is ill; of another one, if other harms meet
// those; and where every name is harmed, the caller's own, by which nobody calls
// it: that there is none is an answer, too.
func (f named) controls(s deploy.System) []control {
	first := f.rule.Links[0].From
	var same, other []control
	for _, l := range s.Topology().Links() {
		switch {
		case l.From == topology.Loader+"-1" || slices.Contains(f.rule.Links, l):
		case l.From == first:
			same = append(same, control{l, names.Found})
		default:
			other = append(other, control{l, names.Found})
		}
	}
	own := control{topology.Link{From: first, To: first}, names.Unknown}
	return append(slices.Concat(same[:min(1, len(same))], other[:min(1, len(other))]), own)
}

// passes wants one of the controls to be answered as ever; ask says what became
// of a question.
func (f named) passes(s deploy.System, ask func(control) (wrong string, err error)) error {
	var all []string
	for _, c := range f.controls(s) {
		wrong, err := ask(c)
		if err != nil || wrong == "" {
			return err
		}
		all = append(all, fmt.Sprintf("%s gets %s for %s", c.From, wrong, c.To))
	}
	return fmt.Errorf("what is not harmed fails as well: %s: that it is this fault's doing cannot be told", strings.Join(all, ", "))
}
