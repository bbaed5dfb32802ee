package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// An invariant is something that must be true of the stores when all is quiet.
type invariant struct {
	Check
	views []string // that it needs
	judge func(b *books) (n int, vs []violation)
}

// A violation is one thing in the stores that must not be.
type violation struct {
	site  string // the service at fault
	order string // by which its time is found; may be empty
	at    string // else this timestamp of its row; may be empty
	text  string
}

// invariants are asked in this order.
var invariants = []invariant{
	noOversell, noLostOrder, noPhantomOrder, capturedOnce, ledgersBalance, ledgersAgree, paidIsCaptured,
	refundedOnce, stockFollowsOrders, orderTotals, cartKeepsAdds, nothingStuck, outboxEmpty, shippedOnce,
}

// books are the final audit's rows and what the customers were told.
type books struct {
	rec    *chaos.Record
	views  map[string]chaos.View
	orders map[string]map[string]string // orders.audit_orders by order
	due    map[string]float64           // when the checkout of an order, or of a key, was due; seconds
	acked  map[string]loadgen.Request   // checkouts that a customer was answered, by order
	keys   map[string]bool              // of checkouts that were tried
}

// rows calls yield for each row of a view, by column.
func (b *books) rows(view string, yield func(row map[string]string)) int {
	v := b.views[view]
	for _, r := range v.Rows {
		row := make(map[string]string, len(v.Columns))
		for i, c := range v.Columns {
			row[c] = r[i]
		}
		yield(row)
	}
	return len(v.Rows)
}

// number reads a column; what is no number is 0, which no amount of money or
// stock that matters is.
func number(row map[string]string, column string) int64 {
	n, _ := strconv.ParseInt(row[column], 10, 64)
	return n
}

func newBooks(rec *chaos.Record) (*books, bool) {
	i := slices.IndexFunc(rec.Audits, func(a chaos.Audit) bool { return a.Final })
	if i < 0 {
		return nil, false
	}
	b := &books{rec: rec, views: rec.Audits[i].Views, orders: map[string]map[string]string{}, due: map[string]float64{},
		acked: map[string]loadgen.Request{}, keys: map[string]bool{}}
	for _, r := range rec.Requests {
		if r.Class != loadgen.ClassCheckout {
			continue
		}
		b.keys[r.Key] = true
		b.due[r.Key] = r.Due.Seconds()
		if r.Order != "" {
			b.due[r.Order] = r.Due.Seconds()
			if r.Good() && (r.State == "PAID" || r.State == "PENDING") {
				b.acked[r.Order] = r
			}
		}
	}
	b.rows("orders.audit_orders", func(row map[string]string) {
		b.orders[row["order_id"]] = row
		if at, ok := b.due[row["key"]]; ok {
			b.due[row["order_id"]] = at
		}
	})
	return b, true
}

// judgeAudit holds every invariant against the final audit. Findings are by
// the experiment in whose time their request was due; "" for none.
func judgeAudit(m *meter) ([]chaos.AuditLine, map[string][]chaos.Finding) {
	lines := []chaos.AuditLine{}
	findings := map[string][]chaos.Finding{}
	b, ok := newBooks(m.rec)
	for _, inv := range invariants {
		line := chaos.AuditLine{Name: inv.Name, Title: inv.Doc}
		if !ok {
			line.Text = "there is no final audit"
			lines = append(lines, line)
			continue
		}
		if missing := slices.IndexFunc(inv.views, func(name string) bool { _, has := b.views[name]; return !has }); missing >= 0 {
			line.Text = "the audit has no data of " + inv.views[missing]
			lines = append(lines, line)
			continue
		}
		n, vs := inv.judge(b)
		line.N, line.Violations, line.Verdict = n, len(vs), chaos.Pass
		if n > 0 {
			line.Bound = 3 / float64(n)
		}
		if len(vs) > 0 {
			line.Verdict, line.Bound, line.Text = chaos.Fail, 0, vs[0].text
		}
		lines = append(lines, line)
		for name, f := range m.attribute(inv, b, vs) {
			findings[name] = append(findings[name], f...)
		}
	}
	return lines, findings
}

// attribute makes one finding for each experiment and site.
func (m *meter) attribute(inv invariant, b *books, vs []violation) map[string][]chaos.Finding {
	out := map[string][]chaos.Finding{}
	for _, v := range vs {
		name := ""
		if at, ok := b.when(m, v); ok {
			if e := m.viewAt(at); e != nil {
				name = e.Name
			}
		}
		i := slices.IndexFunc(out[name], func(f chaos.Finding) bool { return f.Site == v.site })
		if i < 0 {
			f := chaos.Finding{Check: inv.Name, Verdict: chaos.Fail, Site: v.site, Mechanism: "data", Text: v.text, Trace: b.trace(v)}
			out[name] = append(out[name], f)
			i = len(out[name]) - 1
		}
		out[name][i].Count++
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

// when finds the time of a violation, as seconds of the run.
func (b *books) when(m *meter, v violation) (float64, bool) {
	if at, ok := b.due[v.order]; ok && v.order != "" {
		return at, true
	}
	// PostgreSQL prints a timestamptz in UTC, as 2026-01-31 10:15:04.123+00.
	if t, err := time.Parse("2006-01-02 15:04:05.999999-07", v.at); err == nil {
		return m.at(t), true
	}
	if t, err := time.Parse(time.RFC3339Nano, v.at); err == nil {
		return m.at(t), true
	}
	return 0, false
}

// trace finds the trace of the checkout that a violation speaks of.
func (b *books) trace(v violation) string {
	for _, r := range b.rec.Requests {
		if r.Class == loadgen.ClassCheckout && v.order != "" && (r.Order == v.order || r.Key != "" && r.Key == b.orders[v.order]["key"]) {
			return fmt.Sprintf("%x", r.TraceID)
		}
	}
	return ""
}

// terminalPaid reports whether an order's state says that it was paid.
func terminalPaid(state string) bool { return state == "PAID" || state == "SHIPPED" }

// euros prints cents.
func euros(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}

func lower(s string) string { return strings.ToLower(s) }
