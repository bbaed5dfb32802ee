package fault

import (
	"fmt"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/topology"
)

const (
	// fewBuyers do not compete, and mostBuyers are a hundred for each piece of a
	// scarce product of the shop's.
	fewBuyers, mostBuyers = 10, 4000
	// usualBuyers are five for each piece.
	usualBuyers = 200
	// longestRush is as long as a fault phase may wait for its witnesses.
	longestRush = 12 * time.Second
)

func init() {
	registerWave(Kind{Name: "flash_sale",
		Doc: "Sends many buyers at once for the same product, the most popular of those that the shop calls scarce; each wants one piece.",
		Params: fmt.Sprintf("buyers: %d to %d, %d unless given; over: the time in which they come, up to %s, 2s unless given",
			fewBuyers, mostBuyers, usualBuyers, longestRush),
		build: func(r chaos.Resolved) (chaos.Fault, error) {
			p := struct {
				Buyers int               `json:"buyers"`
				Over   topology.Duration `json:"over"`
			}{usualBuyers, topology.Duration(2 * time.Second)}
			if err := decode(r.Args, &p); err != nil {
				return nil, err
			}
			over := p.Over.D()
			switch {
			case p.Buyers < fewBuyers || p.Buyers > mostBuyers:
				return nil, fmt.Errorf("buyers must be from %d to %d, it is %d", fewBuyers, mostBuyers, p.Buyers)
			case over < 100*time.Millisecond || over > longestRush:
				return nil, fmt.Errorf("over must be between 100ms and %s, it is %s", longestRush, over)
			}
			return newWave(r, loadgen.Surge{Rate: min(mostRate, float64(p.Buyers)/over.Seconds()), Most: p.Buyers, Kind: loadgen.Flash}), nil
		}})
}

// mostRate is the most journeys a second that a generator makes of one surge.
const mostRate = 10_000
