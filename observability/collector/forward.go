package collector

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Forward says where to pass on what was received; the zero value is nowhere.
type Forward struct {
	Traces, Metrics, Logs Target
}

// A Target is an OTLP/HTTP endpoint of one signal that takes protobuf.
type Target struct {
	URL    string // the whole of it; empty: not passed on
	Header http.Header
}

// ForwardFromEnv reads the variables that OpenTelemetry's SDKs read:
// OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS and _PROTOCOL, and the same for one
// signal with TRACES_, METRICS_ or LOGS_ before the last word. Of the
// protocols only http/protobuf, the default, is spoken; another is an error.
// getenv is usually [os.Getenv].
func ForwardFromEnv(getenv func(string) string) (Forward, error) {
	var f Forward
	for signal, target := range map[string]*Target{"traces": &f.Traces, "metrics": &f.Metrics, "logs": &f.Logs} {
		const common = "OTEL_EXPORTER_OTLP_"
		own := common + strings.ToUpper(signal) + "_"
		either := func(word string) string {
			if v := strings.TrimSpace(getenv(own + word)); v != "" {
				return v
			}
			return strings.TrimSpace(getenv(common + word))
		}
		target.URL = strings.TrimSpace(getenv(own + "ENDPOINT"))
		if base := strings.TrimSpace(getenv(common + "ENDPOINT")); target.URL == "" && base != "" {
			target.URL = strings.TrimSuffix(base, "/") + "/v1/" + signal
		}
		if target.URL == "" {
			continue
		}
		if u, err := url.Parse(target.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return Forward{}, fmt.Errorf("forwarding %s: endpoint %q is no http or https URL", signal, target.URL)
		}
		if p := either("PROTOCOL"); p != "" && p != "http/protobuf" {
			return Forward{}, fmt.Errorf("forwarding %s: protocol %q is not spoken (want http/protobuf)", signal, p)
		}
		header, err := headers(either("HEADERS"))
		if err != nil {
			return Forward{}, fmt.Errorf("forwarding %s: %w", signal, err)
		}
		target.Header = header
	}
	return f, nil
}

// headers reads "name=value,name=value", percent-encoded. An error does not
// repeat the value, which may be a secret.
func headers(list string) (http.Header, error) {
	h := http.Header{}
	for _, pair := range strings.Split(list, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil || name == "" {
			return nil, fmt.Errorf("header %q is not of the form name=value", name)
		}
		h.Add(name, value)
	}
	return h, nil
}
