package supervise

// FirstPort and LastPort bound every block.
const (
	FirstPort = firstPort
	LastPort  = lastPort
	BlockSize = blockSize
)
