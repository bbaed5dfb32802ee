package loadgen

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// headerJSON is a Header as it stands in a file and in an export.
type headerJSON struct {
	Schema string    `json:"schema"`
	Run    string    `json:"run"`
	Start  time.Time `json:"start"`
	Seed   uint64    `json:"seed"`
	Rate   float64   `json:"rate"`
}

// requestJSON is a Request in an export. Times are nanoseconds from the start.
type requestJSON struct {
	Journey uint64        `json:"journey"`
	Step    int           `json:"step"`
	Class   string        `json:"class"`
	Due     time.Duration `json:"due"`
	Sent    time.Duration `json:"sent"`
	Done    time.Duration `json:"done"`
	Outcome string        `json:"outcome"`
	Status  int           `json:"status,omitempty"`
	Reason  string        `json:"reason,omitempty"`
	Gateway string        `json:"gateway,omitempty"`
	Trace   string        `json:"trace"`
	Key     string        `json:"key,omitempty"`
	Cart    string        `json:"cart,omitempty"`
	SKU     string        `json:"sku,omitempty"`
	Qty     int           `json:"qty,omitempty"`
	Order   string        `json:"order,omitempty"`
	State   string        `json:"state,omitempty"`
	Total   int64         `json:"total,omitempty"` // cents
	Bytes   int64         `json:"bytes,omitempty"`
	Surge   string        `json:"surge,omitempty"`
}

// Export writes a history as lines of JSON: the header, then each request in
// the order in which they were done. Times are nanoseconds from the header's
// start. A history that is not complete ends in a line {"torn": "…"}.
func Export(w io.Writer, path string) error {
	r, err := Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	out := bufio.NewWriter(w)
	lines := json.NewEncoder(out)
	if err := lines.Encode(headerJSON(r.Header())); err != nil {
		return fmt.Errorf("export history %s: %w", path, err)
	}
	var rows []Request
	for {
		rows, err = r.Next(rows[:0])
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		for _, q := range rows {
			if err := lines.Encode(asJSON(q)); err != nil {
				return fmt.Errorf("export history %s: %w", path, err)
			}
		}
	}
	if r.Torn() != "" {
		if err := lines.Encode(struct {
			Torn string `json:"torn"`
		}{r.Torn()}); err != nil {
			return fmt.Errorf("export history %s: %w", path, err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("export history %s: %w", path, err)
	}
	return nil
}

func asJSON(q Request) requestJSON {
	return requestJSON{
		Journey: q.Journey, Step: q.Step, Class: q.Class, Due: q.Due, Sent: q.Sent, Done: q.Done,
		Outcome: q.Outcome.String(), Status: q.Status, Reason: q.Reason, Gateway: q.Gateway,
		Trace: hex.EncodeToString(q.TraceID[:]), Key: q.Key, Cart: q.Cart, SKU: q.SKU, Qty: q.Qty,
		Order: q.Order, State: q.State, Total: q.Total, Bytes: q.Bytes, Surge: q.Surge,
	}
}
