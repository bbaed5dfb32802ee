package impair

// The kinds of harm to an instance's disk, each of which it can have beside the
// others. They need a disk of its own: a [disk.Full], a [disk.Slow] and a
// [disk.ReadOnly] are their arguments.
const (
	DiskFull     = "disk_full"
	DiskSlow     = "disk_slow"
	DiskReadOnly = "disk_read_only"
)
