package deploy

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// A Percent is 0 to 100, a number or, as Chaos Mesh writes it, a text.
type Percent float64

// UnmarshalJSON reads either.
func (p *Percent) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		text = string(b)
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0 && v <= 100) {
		return fmt.Errorf("%.40q is not a percentage from 0 to 100", text)
	}
	*p = Percent(v)
	return nil
}

// Share is p as a probability.
func (p Percent) Share() float64 { return float64(p) / 100 }
