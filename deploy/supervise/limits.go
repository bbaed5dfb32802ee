package supervise

import "github.com/bedlamlab/bedlam/topology"

// Limits of what the topology does not limit: many times what a service or a
// server takes.
const (
	serviceMemory = 256 << 20
	storeMemory   = 1 << 30
)

// MostThreads bounds the threads of an instance: PostgreSQL with its 150
// connections has a process for each, and a service some dozens of threads.
const MostThreads = 512

// Limits returns what an instance of v may take where an engine bounds it.
func Limits(v topology.Service) topology.Limits {
	l := v.Limits
	if l.Memory == 0 {
		l.Memory = serviceMemory
		if IsStore(v) {
			l.Memory = storeMemory
		}
	}
	return l
}
