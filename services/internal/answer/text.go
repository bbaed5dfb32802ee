package answer

import "unicode"

// MaxText is the longest name, key or token that the shop takes, in bytes: room
// for a URL-safe digest with a few prefixes, and well below the 2704 bytes of
// the largest entry that a PostgreSQL index holds.
const MaxText = 256

// Text requires a name, key or token: not empty, at most [MaxText] bytes, and
// without control characters, which PostgreSQL (NUL) or a log line would not
// keep. It returns [Invalid] or nil.
func Text(field, value string) error {
	switch {
	case value == "":
		return Invalid(field, "is required")
	case len(value) > MaxText:
		return Invalid(field, "has %d bytes, want at most %d", len(value), MaxText)
	}
	for i, r := range value {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return Invalid(field, "holds %q at byte %d, want printable text", r, i)
		}
	}
	return nil
}
