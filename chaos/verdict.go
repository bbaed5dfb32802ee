package chaos

import "fmt"

// A Verdict has three values; the zero value proves nothing.
type Verdict uint8

// The verdicts.
const (
	Inconclusive Verdict = iota
	Pass
	Fail
)

// Worst returns the verdict of the whole from those of its parts: FAIL over
// INCONCLUSIVE over PASS; of nothing, INCONCLUSIVE.
func Worst(vs ...Verdict) Verdict {
	if len(vs) == 0 {
		return Inconclusive
	}
	worst := Pass
	for _, v := range vs {
		if v == Fail {
			return Fail
		}
		if v == Inconclusive {
			worst = Inconclusive
		}
	}
	return worst
}

// String returns PASS, FAIL or INCONCLUSIVE.
func (v Verdict) String() string {
	switch v {
	case Pass:
		return "PASS"
	case Fail:
		return "FAIL"
	}
	return "INCONCLUSIVE"
}

// MarshalText implements [encoding.TextMarshaler].
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (v *Verdict) UnmarshalText(b []byte) error {
	switch string(b) {
	case "PASS":
		*v = Pass
	case "FAIL":
		*v = Fail
	case "INCONCLUSIVE":
		*v = Inconclusive
	default:
		return fmt.Errorf("unknown verdict %q (want PASS, FAIL or INCONCLUSIVE)", b)
	}
	return nil
}
