package message

import (
	"encoding/json"
	"fmt"
)

// Instead is what a caller gets in the place of an answer that was lost. The
// zero value is a reset.
type Instead struct {
	Silence bool
	Status  Status
}

// UnmarshalJSON reads reset, silence or a status.
func (i *Instead) UnmarshalJSON(b []byte) error {
	var word string
	*i = Instead{}
	switch err := json.Unmarshal(b, &word); {
	case err == nil && (word == "reset" || word == ""):
		return nil
	case err == nil && word == "silence":
		i.Silence = true
		return nil
	}
	if err := json.Unmarshal(b, &i.Status); err != nil {
		return fmt.Errorf("instead is neither reset nor silence: %w", err)
	}
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (i Instead) MarshalJSON() ([]byte, error) { return json.Marshal(i.String()) }

// String is reset, silence or the status.
func (i Instead) String() string {
	switch {
	case i.Silence:
		return "silence"
	case i.Status.IsZero():
		return "reset"
	}
	return i.Status.String()
}
