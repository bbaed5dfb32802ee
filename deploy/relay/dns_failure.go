package relay

import (
	"fmt"
	"math/rand/v2"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/names"
)

func init() {
	register(Kind{
		Name: "dns_failure",
		Doc: "Answers the caller's questions for the callee's name with a failure, or not at all. Connections that are there do not notice. " +
			"Each question has its own draw, and resolvers ask more than once.",
		Args: []Arg{
			{Name: "answer", Type: "servfail|nxdomain|none", Default: "servfail", Doc: "what is answered: that the server has failed, that there is no such name, or nothing"},
			{Name: "percent", Type: "percent", Default: "100", Doc: "of the questions, above 0"},
		},
	}, decodeDNSFailure)
}

// dnsFailure fails questions.
type dnsFailure struct {
	aboutNames
	Answer  string  `json:"answer"`
	Percent float64 `json:"percent"`
}

func decodeDNSFailure(r deploy.Rule) (harm, error) {
	h := dnsFailure{Answer: "servfail", Percent: 100}
	if err := decodeArgs(r.Args, &h); err != nil {
		return nil, err
	}
	switch h.Answer {
	case "servfail", "nxdomain", "none":
	default:
		return nil, fmt.Errorf("unknown answer %.40q (want servfail, nxdomain or none)", h.Answer)
	}
	if !(h.Percent > 0 && h.Percent <= 100) {
		return nil, fmt.Errorf("percent is %v, want above 0 and at most 100", h.Percent)
	}
	return h, h.plain(r)
}

// mislead implements [misleading]. What another rule has failed before stays so.
func (h dnsFailure) mislead(f *names.Fate, draw *rand.Rand) bool {
	if draw.Float64() >= h.Percent/100 || f.Silent || f.Code != "" {
		return false
	}
	switch h.Answer {
	case "none":
		f.Silent = true
	case "nxdomain":
		f.Code = names.Unknown
	default:
		f.Code = names.Failed
	}
	return true
}
