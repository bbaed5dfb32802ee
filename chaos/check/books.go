package check

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// books are an audit's rows and what the customers were told.
type books struct {
	m      *meter
	audit  chaos.Audit
	orders map[string]order
	keys   map[string]string // of orders and sagas: an order's key
	asked  *asked
	bad    map[string]string // by view, the first thing in it that could not be read
	doubts map[string]string // by invariant, why it could not be decided
}

// An order is a row of orders.audit_orders.
type order struct {
	key, state string
	total      int64
}

// paid reports whether an order's state says that it was paid.
func (o order) paid() bool { return o.state == "PAID" || o.state == "SHIPPED" }

// asked is what the history says of checkouts and carts, by key and order.
type asked struct {
	checkouts map[string]*loadgen.Request // by key
	orders    map[string]*loadgen.Request // checkouts that were answered, by order
	adds      map[string]*loadgen.Request // to carts, by key
	requests  []loadgen.Request           // all of them, those of surges too
	spans     func() *asks                // that tell of orders and keys
	whole     bool                        // nothing of the history is missing
}

// nobody has asked for anything.
func nobody() *asked { return &asked{whole: true, spans: func() *asks { return &asks{} }} }

func newAsked(m *meter) *asked {
	a := &asked{checkouts: map[string]*loadgen.Request{}, orders: map[string]*loadgen.Request{}, adds: map[string]*loadgen.Request{},
		requests: m.all, spans: sync.OnceValue(m.asks),
		whole: len(m.rec.Torn) == 0 && len(m.all) > 0}
	stopped := false
	for _, e := range m.rec.Journal {
		stopped = stopped || e.Kind == chaos.LoadStopped
		a.whole = a.whole && e.Kind != chaos.Interrupted
	}
	a.whole = a.whole && stopped
	for i := range m.all {
		r := &m.all[i]
		switch r.Class {
		case loadgen.ClassCheckout:
			a.checkouts[r.Key] = r
			if r.Order != "" {
				a.orders[r.Order] = r
			}
		case loadgen.ClassCartAdd:
			a.adds[r.Key] = r
		}
	}
	return a
}

func newBooks(m *meter, a chaos.Audit, asked *asked) *books {
	b := &books{m: m, audit: a, orders: map[string]order{}, keys: map[string]string{}, asked: asked, bad: map[string]string{}, doubts: map[string]string{}}
	b.rows("checkout.audit_sagas", func(r row) { b.keys[r.text("order_id")] = r.text("key") })
	b.rows("orders.audit_orders", func(r row) {
		id := r.text("order_id")
		b.orders[id] = order{key: r.text("key"), state: r.text("state"), total: r.number("total")}
		b.keys[id] = r.text("key")
	})
	return b
}

// lacks returns the first view that the audit lacks; empty: none.
func (b *books) lacks(views []string) string {
	for _, name := range views {
		if _, ok := b.audit.Views[name]; !ok {
			return name
		}
	}
	return ""
}

// rows calls yield for each row of a view and returns how many there are. What
// cannot be read is remembered: a check that met it can say nothing.
func (b *books) rows(view string, yield func(row)) int {
	v := b.audit.Views[view]
	columns := make(map[string]int, len(v.Columns))
	for i, c := range v.Columns {
		columns[c] = i
	}
	for _, values := range v.Rows {
		if len(values) != len(v.Columns) {
			b.spoil(view, "a row has %d values in %d columns", len(values), len(v.Columns))
			continue
		}
		yield(row{b, view, columns, values})
	}
	return len(v.Rows)
}

// spoil remembers the first thing that is wrong with a view.
func (b *books) spoil(view, format string, args ...any) {
	if b.bad[view] == "" {
		b.bad[view] = view + ": " + fmt.Sprintf(format, args...)
	}
}

// spoilt returns what is wrong with some views; empty: nothing.
func (b *books) spoilt(views []string) string {
	for _, name := range views {
		if b.bad[name] != "" {
			return b.bad[name]
		}
	}
	return ""
}

// A row is one row of a view.
type row struct {
	b       *books
	view    string
	columns map[string]int
	values  []string
}

// text reads a column.
func (r row) text(column string) string {
	i, ok := r.columns[column]
	if !ok {
		r.b.spoil(r.view, "there is no column %s", column)
		return ""
	}
	return r.values[i]
}

// number reads a column that holds a whole number.
func (r row) number(column string) int64 {
	text := r.text(column)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		r.b.spoil(r.view, "%s is %q, which is no number", column, text)
	}
	return n
}

// The forms in which a timestamp may stand: PostgreSQL's own, in UTC, and
// RFC 3339.
var stamps = []string{"2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999-07:00", time.RFC3339Nano}

// stamp reads a timestamp.
func stamp(text string) (time.Time, bool) {
	for _, layout := range stamps {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// request finds the checkout or the add that a violation speaks of.
func (b *books) request(v violation) *loadgen.Request {
	if v.order != "" {
		if r := b.asked.orders[v.order]; r != nil {
			return r
		}
		if key := b.keys[v.order]; key != "" {
			return b.asked.checkouts[key]
		}
	}
	if v.key != "" {
		if r := b.asked.adds[v.key]; r != nil {
			return r
		}
		return b.asked.checkouts[v.key]
	}
	return nil
}

// when finds the time of a violation, as seconds of the run: when its request
// was due, else the time that its row bears.
func (b *books) when(v violation) (float64, bool) {
	if r := b.request(v); r != nil {
		return r.Due.Seconds(), true
	}
	if t, ok := stamp(v.at); ok {
		return b.m.at(t), true
	}
	return 0, false
}

// euros prints cents.
func euros(cents int64) string {
	sign := ""
	n := uint64(cents)
	if cents < 0 {
		sign, n = "-", -n // right for the least number too
	}
	return fmt.Sprintf("%s%d.%02d", sign, n/100, n%100)
}

func lower(s string) string { return strings.ToLower(s) }
