package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/observability/collector"
)

// An invariant is something that must be true of the stores when all is quiet.
type invariant struct {
	Check
	views []string // that it needs
	// history: it holds the stores against all that was asked, so that it can
	// say nothing when a part of the history is missing.
	history bool
	judge   func(b *books) (n int, vs []violation)
	// always is the part that must be true at any moment and of any part of
	// the rows, so that it can be held against an audit of only the rows
	// touched lately, with the load running. Nil: no part of it is.
	always func(b *books) []violation
}

// A violation is one thing in the stores that must not be.
type violation struct {
	site  string // the service at fault
	order string // the order that it is about; may be empty
	key   string // the idempotency key that it is about; may be empty
	what  string // else what it is about: a product, a transaction
	at    string // the time that its row bears; may be empty
	text  string
}

// subject tells violations of one invariant apart, from audit to audit.
func (v violation) subject() string {
	return strings.Join([]string{v.site, v.order, v.key, v.what}, "\x00")
}

// invariants are asked in this order.
var invariants = []invariant{
	noOversell, noLostOrder, noPhantomOrder, refusalIsFinal, capturedOnce, ledgersBalance, ledgersAgree, paidIsCaptured,
	refundedOnce, stockFollowsOrders, orderTotals, orderHoldsCart, legalTransitions, cartKeepsAdds, nothingStuck,
	outboxEmpty, eventsArrive, shippedOnce, orderHistory, stockHistory, chargeHistory, leaseHistory,
}

// sorted puts violations into an order that does not depend on that of the
// rows or of a map.
func sorted(vs []violation) []violation {
	slices.SortFunc(vs, func(a, b violation) int {
		return cmp.Or(cmp.Compare(a.subject(), b.subject()), cmp.Compare(a.text, b.text), cmp.Compare(a.at, b.at))
	})
	return vs
}

// A harm is a violation and where it belongs.
type harm struct {
	violation
	books      *books // that show it
	experiment string // empty: none
}

// judgeAudit holds every invariant against the final audit, and what of it is
// true at any moment against the audits before. Findings are by experiment;
// "" for none.
func judgeAudit(m *meter) ([]chaos.AuditLine, map[string][]chaos.Finding) {
	lines := []chaos.AuditLine{}
	findings := map[string][]chaos.Finding{}
	asked := newAsked(m)
	before, final, early := audits(m, asked)
	for _, inv := range invariants {
		line := chaos.AuditLine{Name: inv.Name, Title: inv.Doc}
		hs := judgeInvariant(m, inv, before, final, early, &line)
		if len(hs) > 0 {
			line.Verdict, line.Bound, line.Violations, line.Text = chaos.Fail, 0, len(hs), hs[0].text
		}
		lines = append(lines, line)
		for name, fs := range accuse(inv, hs) {
			findings[name] = append(findings[name], fs...)
		}
	}
	return lines, findings
}

// audits returns the books of the audit before the run and of the final one,
// nil if there is none, and those of the audits between, by time.
func audits(m *meter, asked *asked) (before, final *books, early []*books) {
	all := slices.Clone(m.rec.Audits)
	slices.SortStableFunc(all, func(a, b chaos.Audit) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Name, b.Name)) })
	for _, a := range all {
		b := newBooks(m, a, asked)
		switch {
		case a.Final:
			final = b
		case a.Name == chaos.BeforeAudit:
			before = newBooks(m, a, nobody()) // nobody had asked for anything yet
		default:
			early = append(early, b)
		}
	}
	return before, final, early
}

// foundSo returns the violations of an invariant that the run found when it
// came, by subject. What it found and then made worse reads differently.
func foundSo(inv invariant, before *books) map[string]string {
	found := map[string]string{}
	if before == nil || before.lacks(inv.views) != "" {
		return found
	}
	_, vs := inv.judge(before)
	for _, v := range vs {
		found[v.subject()] = v.text
	}
	return found
}

// judgeInvariant returns the violations of one invariant, each once: that of
// an early audit belongs to the experiment that it ends.
func judgeInvariant(m *meter, inv invariant, before, final *books, early []*books, line *chaos.AuditLine) []harm {
	first := map[string]harm{} // by subject
	doubt := ""
	found := foundSo(inv, before)
	for _, b := range early {
		if inv.always == nil || b.lacks(inv.views) != "" {
			continue
		}
		vs := inv.always(b)
		if bad := b.spoilt(inv.views); bad != "" {
			doubt = "audit " + b.audit.Name + ": " + bad
			continue
		}
		for _, v := range sorted(vs) {
			if _, so := found[v.subject()]; so {
				continue // some rows of it say less than all of them did before
			}
			if _, again := first[v.subject()]; !again {
				first[v.subject()] = harm{v, b, m.experimentOf(b.audit)}
			}
		}
	}
	var hs []harm
	old := 0 // violations that the run found
	switch {
	case m.rec.Plan.Lacks["audit"] != "":
		doubt = noData("audit", m.rec.Plan.Lacks["audit"])
	case final == nil:
		doubt = "there is no final audit"
	case m.rec.Plan.System != "" && before == nil:
		doubt = "the system ran before, and there is no audit of what was wrong then"
	case final.lacks(inv.views) != "":
		doubt = "the audit has no data of " + final.lacks(inv.views)
	default:
		n, vs := inv.judge(final)
		line.N = n
		switch bad := final.spoilt(inv.views); {
		case bad != "":
			doubt, vs = bad, nil
		case final.doubts[inv.Name] != "" && len(vs) == 0:
			doubt = final.doubts[inv.Name]
		case inv.history && !final.asked.whole:
			doubt, vs = "a part of what was asked is not in the record", nil
		case n == 0 && len(vs) == 0:
			doubt = "there is nothing to look at"
		}
		for _, v := range sorted(vs) {
			if found[v.subject()] == v.text {
				old++
				continue
			}
			h := harm{v, final, ""}
			if e, seen := first[v.subject()]; seen {
				h.experiment = e.experiment
				delete(first, v.subject())
			} else if at, ok := final.when(v); ok {
				if e := m.viewAt(at); e != nil {
					h.experiment = e.Name
				}
			}
			hs = append(hs, h)
		}
	}
	var healed []violation
	for _, h := range first {
		healed = append(healed, h.violation)
	}
	for _, v := range sorted(healed) {
		h := first[v.subject()]
		h.text += fmt.Sprintf(" (seen by audit %s, not by the last one)", h.books.audit.Name)
		hs = append(hs, h)
	}
	if line.Text = doubt; doubt == "" {
		line.Verdict = chaos.Pass
		line.Bound = 3 / float64(line.N)
		if old > 0 {
			line.Text = fmt.Sprintf("besides %d that were so before the run", old)
		}
	}
	return hs
}

// experimentOf returns the experiment that an audit ends.
func (m *meter) experimentOf(a chaos.Audit) string {
	for _, e := range m.rec.Journal {
		if e.Kind == chaos.Audited && e.ID == a.Name {
			return e.Experiment
		}
	}
	if v := m.viewAt(m.at(a.Time)); v != nil {
		return v.Name
	}
	return ""
}

// accuse makes one finding for each experiment and site.
func accuse(inv invariant, hs []harm) map[string][]chaos.Finding {
	out := map[string][]chaos.Finding{}
	for _, h := range hs {
		fs := out[h.experiment]
		i := slices.IndexFunc(fs, func(f chaos.Finding) bool { return f.Site == h.site })
		if i < 0 {
			f := chaos.Finding{Check: inv.Name, Verdict: chaos.Fail, Site: h.site, Mechanism: "data", Text: h.text}
			if r := h.books.request(h.violation); r != nil {
				f.Trace = collector.TraceID(r.TraceID).String()
			}
			i = len(fs)
			fs = append(fs, f)
		}
		fs[i].Count++
		out[h.experiment] = fs
	}
	for _, fs := range out {
		for i := range fs {
			if fs[i].Count > 1 {
				fs[i].Text += fmt.Sprintf(" (and %d more)", fs[i].Count-1)
			}
		}
	}
	return out
}

// audited: the look at the stores after the experiment could be taken.
var audited = experimentCheck{
	Check: Check{"audit", "the stores could be read after the experiment"},
	on:    onRecord,
	judge: func(v *view) []chaos.Finding {
		if why := v.m.rec.Plan.Lacks["audit"]; why != "" && v.harmed {
			return []chaos.Finding{{Verdict: chaos.Inconclusive, Mechanism: "audit", Text: "whether the data was harmed: " + noData("audit", why)}}
		}
		if why, ok := v.has(chaos.Audited); ok && strings.HasPrefix(why, "failed: ") {
			return []chaos.Finding{{Verdict: chaos.Inconclusive, Mechanism: "audit",
				Text: "the audit after the experiment " + why + "; harm that was healed since cannot be seen"}}
		}
		return nil
	},
}
