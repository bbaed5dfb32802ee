package cell

// Mounted reads a mountinfo.
var Mounted = mounted

// Room is room.
var Room = room
