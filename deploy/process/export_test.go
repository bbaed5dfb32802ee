package process

// TakeBlock takes n ports as Up does.
func TakeBlock(n int) (ports []int, release func(), err error) {
	b, err := takeBlock(n)
	if err != nil {
		return nil, nil, err
	}
	return b.ports, b.release, nil
}

// FirstPort and LastPort bound every block.
const (
	FirstPort = firstPort
	LastPort  = lastPort
	BlockSize = blockSize
)
