package fault

import "github.com/bedlamlab/bedlam/deploy"

// Watching reports whether this process keeps a vigil for a fault.
func Watching(id string, s deploy.System) bool {
	vigils.Lock()
	v, ok := vigils.on[at(id, s)]
	vigils.Unlock()
	if !ok {
		return false
	}
	select {
	case <-v.ended:
		return false
	default:
		return true
	}
}

// Lease is how long a vigil may sleep.
const Lease = lease
