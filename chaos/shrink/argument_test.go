package shrink_test

import "encoding/json"

// argument finds a parameter of text by its name, however deep it stands.
func argument(args []byte, name string) (string, bool) {
	var m map[string]json.RawMessage
	if json.Unmarshal(args, &m) != nil {
		return "", false
	}
	for key, v := range m {
		var text string
		if key == name && json.Unmarshal(v, &text) == nil {
			return text, true
		}
		if text, ok := argument(v, name); ok {
			return text, true
		}
	}
	return "", false
}
