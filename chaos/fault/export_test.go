package fault

import "github.com/bedlamlab/bedlam/deploy"

// Vigil returns what is closed when the vigil ends that this process keeps for
// a fault; nil if it keeps none.
func Vigil(id string, s deploy.System) <-chan struct{} {
	vigils.Lock()
	defer vigils.Unlock()
	return vigils.on[at(id, s)].ended
}

// Watching reports whether this process keeps a vigil for a fault.
func Watching(id string, s deploy.System) bool {
	ended := Vigil(id, s)
	if ended == nil {
		return false
	}
	select {
	case <-ended:
		return false
	default:
		return true
	}
}

// Lease is how long a vigil may sleep.
const Lease = lease
