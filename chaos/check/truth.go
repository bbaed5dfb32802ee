package check

import (
	"fmt"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
)

// truth: what the shop says can be read back.
var truth = experimentCheck{
	Check: Check{"truth", "what an answer says can be read back: an order that says PAID is PAID, a page shows the product that was asked for"},
	judge: func(v *view) []chaos.Finding {
		var f chaos.Finding
		for _, r := range v.m.due(chaos.Window{From: v.begun, To: v.after.To}) {
			if r.Outcome != loadgen.Failed || r.Reason != "untrue" {
				continue
			}
			if f.Count++; f.Count == 1 {
				f = chaos.Finding{Check: "truth", Verdict: chaos.Fail, Site: "gateway", Mechanism: "answer", Count: 1,
					Trace: fmt.Sprintf("%x", r.TraceID)}
			}
		}
		if f.Count == 0 {
			return nil
		}
		f.Text = fmt.Sprintf("%d answers were untrue, limit 0", f.Count)
		return []chaos.Finding{f}
	},
}
