package fault

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// strength says of a parameter, by its name, whether more of it is more harm
// or less. What is neither, as a name or a switch, is not in it.
var strength = map[string]bool{
	"latency": true, "jitter": true, "delay": true, "correlation": true, "reorder": true,
	"percent": true, "probability": true, "loss": true, "corrupt": true, "duplicate": true,
	"factor": true, "buyers": true, "requests": true, "workers": true, "memory": true, "skew": true, "size_variation": true, "every": true,
	"service_time": true,

	"rate": false, "bytes": false, "cpus": false, "spare": false, "life": false, "after": false, "over": false, "average_size": false,
	"concurrency": false,
}

// Milder returns the parameters of a harm, as often as one of them can be made
// half as strong: each time another one is. None is of a harm that [Check]
// refuses.
func Milder(s chaos.Spec) [][]byte {
	var all [][]byte
	root, ok := object(s.Args)
	if !ok {
		return nil
	}
	var walk func(m map[string]any)
	walk = func(m map[string]any) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if inner, ok := m[key].(map[string]any); ok {
				walk(inner)
				continue
			}
			more, known := strength[key]
			if !known {
				continue
			}
			was := m[key]
			next, ok := half(was, more)
			if !ok {
				continue
			}
			m[key] = next
			milder := s
			if b, err := json.Marshal(root); err == nil {
				if milder.Args = b; Check(milder) == nil {
					all = append(all, b)
				}
			}
			m[key] = was
		}
	}
	walk(root)
	return all
}

// object reads parameters with numbers as they are written.
func object(args []byte) (map[string]any, bool) {
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(args))
	d.UseNumber()
	return m, d.Decode(&m) == nil && m != nil
}

// half is half of a parameter, or twice what harms by being little; false if
// there is none, or none that is different.
func half(v any, more bool) (any, bool) {
	factor := 2.0
	if more {
		factor = 0.5
	}
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			next := int64(float64(n) * factor)
			return json.Number(strconv.FormatInt(next, 10)), next != n
		}
		f, err := v.Float64()
		return json.Number(strconv.FormatFloat(f*factor, 'g', 3, 64)), err == nil && f != 0
	case string:
		var d topology.Duration
		if d.UnmarshalText([]byte(v)) == nil {
			next := topology.Duration(time.Duration(float64(d) * factor).Round(time.Millisecond))
			return next.String(), next != d
		}
		var r deploy.Rate
		if r.UnmarshalText([]byte(v)) == nil && r > 0 {
			b, err := deploy.Rate(float64(r) * factor).MarshalText()
			return string(b), err == nil
		}
	}
	return nil, false
}
