package disk

// Mounts reads a mountinfo, and ReadAilment what a disk is told.
var (
	Mounts      = mounts
	ReadAilment = read
)
