package collector

import "fmt"

// Stats says what a collector did with what it was sent.
type Stats struct {
	// Spans. Received = Kept + Dropped + Malformed; Lost are a part of Kept.
	Received  int64 `json:"received"`
	Kept      int64 `json:"kept"`      // in memory
	Dropped   int64 `json:"dropped"`   // above the limit, or because the disk failed or did not keep up
	Malformed int64 `json:"malformed"` // without usable ids
	Lost      int64 `json:"lost"`      // kept in memory, but not on the disk

	Metrics        int64 `json:"metrics"`         // requests kept
	MetricsDropped int64 `json:"metrics_dropped"` // requests
	Logs           int64 `json:"logs"`            // requests kept
	LogsDropped    int64 `json:"logs_dropped"`    // requests

	Repeated int64 `json:"repeated"` // requests that came twice, byte for byte, and were taken once
	Refused  int64 `json:"refused"`  // requests answered with an error: malformed, too large, of a wrong type

	Forwarded       int64 `json:"forwarded"`        // requests passed on
	ForwardFailures int64 `json:"forward_failures"` // requests that could not be

	Bytes int64  `json:"bytes"`          // on the disk
	Disk  string `json:"disk,omitempty"` // the disk's first error
}

// Torn says what is missing from the spans, one sentence each; nothing for a
// whole record.
func (s Stats) Torn() []string {
	switch missing := s.Dropped + s.Lost; {
	case s.Disk != "" && missing > 0:
		return []string{fmt.Sprintf("spans: %d of %d not on the disk: %s", missing, s.Received, s.Disk)}
	case s.Disk != "":
		return []string{"the disk failed: " + s.Disk}
	case missing > 0:
		return []string{fmt.Sprintf("spans: %d of %d dropped above the limit, or faster than the disk takes them", missing, s.Received)}
	}
	return nil
}
