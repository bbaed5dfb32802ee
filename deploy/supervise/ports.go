package supervise

import (
	"fmt"
	"net"
	"strconv"
)

// Ports come in blocks between 20000 and 32000: above the well-known ones and
// below 32768, where Linux starts to hand out ephemeral ports, one of which
// could otherwise sit on an instance's port while it is being restarted.
// 256 a block holds the whole shop (some 90 ports) twice over.
const (
	firstPort = 20000
	lastPort  = 31999
	blockSize = 256
)

// perBlock is what a block has to give: its last port is the claim to it.
const perBlock = blockSize - 1

// A Block is a row of ports that belongs to this run alone. The claim to each
// is a listener on its last port that nobody is told of: the kernel gives it to
// one process of this machine, whichever user's, and takes it back however that
// process ends.
type Block struct {
	claims []net.Listener
	ports  []int
}

// Ports returns its ports.
func (b *Block) Ports() []int { return b.ports }

// TakeBlock claims the first row of blocks of which n ports are free: nobody
// else has claimed them, and nobody at all listens on them on loopback.
func TakeBlock(n int) (*Block, error) {
	blocks := (n + perBlock - 1) / perBlock
	for base := firstPort; base+blocks*blockSize-1 <= lastPort; base += blockSize {
		if b := tryBlock(base, blocks, n); b != nil {
			return b, nil
		}
	}
	return nil, fmt.Errorf("taking a block of ports: no %d free ones in a row between %d and %d", n, firstPort, lastPort)
}

// tryBlock returns nil if somebody is there.
func tryBlock(base, blocks, n int) *Block {
	b := &Block{}
	for i := range blocks {
		claim, err := net.Listen("tcp", Loopback(base+i*blockSize+perBlock))
		if err != nil {
			b.Release()
			return nil
		}
		b.claims = append(b.claims, claim)
	}
	for i := range n {
		port := base + i/perBlock*blockSize + i%perBlock
		l, err := net.Listen("tcp", Loopback(port))
		if err != nil {
			b.Release()
			return nil
		}
		l.Close()
		b.ports = append(b.ports, port)
	}
	return b
}

// Release gives the block back.
func (b *Block) Release() {
	for _, claim := range b.claims {
		claim.Close()
	}
	b.claims = nil
}

// Loopback returns the address of a port on this machine alone.
func Loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
