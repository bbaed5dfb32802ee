package supervise

// FirstPort and LastPort bound every block.
const (
	FirstPort = firstPort
	LastPort  = lastPort
	BlockSize = blockSize
)

// Own and Owned take and ask for the lock of a run's keepers.
func (f Files) Own() (release func(), err error) { return f.own() }
func (f Files) Owned() bool                      { return f.owned() }
