package deploy

// The labels by which containers and what belongs to them are known. Engines
// and files that make containers write them, engines that find containers read
// them; the names are a contract with systems that run already.
const (
	// LabelRun holds the run that a container, a network or a volume belongs to.
	// Bedlam gives it to nothing else; but an image that somebody makes of such a
	// container inherits it, and so do that image's containers.
	LabelRun = "dev.bedlam.run"
	// LabelInstance holds which instance a container is, unless the file of a
	// system that runs already names another label.
	LabelInstance = "dev.bedlam.instance"
	// LabelService holds which service a container's instance is of.
	LabelService = "dev.bedlam.service"
	// LabelZone holds the zone that a container's instance is said to stand in.
	LabelZone = "dev.bedlam.zone"
	// LabelChaos with the value [Consent] is the owner's consent that a container
	// be broken. No file can do without it or name another.
	LabelChaos = "dev.bedlam.chaos"
	// LabelImage holds what a finished image is for: shop or postgres.
	LabelImage = "dev.bedlam.image"
	// LabelProgram holds which build of bedlam an image has inside.
	LabelProgram = "dev.bedlam.program"
)

// Consent is the only value of [LabelChaos] that allows anything.
const Consent = "yes"
