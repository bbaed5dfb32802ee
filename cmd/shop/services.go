package main

import (
	"context"

	"github.com/bedlamlab/bedlam/services/catalog"
	"github.com/bedlamlab/bedlam/services/recommend"
	"github.com/bedlamlab/bedlam/topology"
)

// services are the parts of the shop that this program can be.
var services = map[string]func(context.Context, topology.Assignment) error{
	"catalog":   catalog.Run,
	"recommend": recommend.Run,
}
